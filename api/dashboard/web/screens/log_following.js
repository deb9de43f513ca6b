// The newest events, page by page; from the head on, where they come faster than that. Pure.

/** However long one follows, no more events are kept. */
export const MOST_KEPT = 500;

/** Following shows so many events before the head at first. */
export const BEFORE = 30;

/** @returns {boolean} whether the newest can be followed: not of the past, and not from a position that somebody chose */
export const canFollow = (asOf, given) => asOf === "" && given.after === undefined;

/** @returns {number} after which position to ask next: whoever is too far behind would never get to the head */
export function placeAfter({ next, last }, position) {
	return next !== null && position - last > MOST_KEPT ? position - BEFORE : last;
}

/** @param {number} known up to where an answer tells everything that has no next page: a filter may pass over much */
export function withNewer(page, newer, after, known) {
	const last = newer.next === null ? Math.max(newer.last, known) : newer.last;
	const before = after > Math.max(page.last, page.next) ? [] : page.events; // No list with a gap.
	return { next: newer.next, last, events: [...before, ...newer.events].slice(-MOST_KEPT) };
}
