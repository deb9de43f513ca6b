// The newest events, page by page; from the head on, where they come faster than that. Pure.

/** However long one follows, no more events are kept. */
export const MAX_KEPT = 500;

/** Following shows so many events before the head at first. */
export const BEFORE = 30;

/**
 * Of a list of events: where it goes on, and up to where everything is known.
 * @typedef {{next: number | null, last: number, events: Api.Event[]}} EventPage
 * @typedef {Record<string, any>} Given conditions, by name
 */

/**
 * @param {string} asOf @param {Given} given
 * @returns {boolean} whether the newest can be followed: not of the past, and not from a position that somebody chose
 */
export const canFollow = (asOf, given) => asOf === "" && given.after === undefined;

/**
 * @param {EventPage} page @param {number} position
 * @returns {number} after which position to ask next: whoever is too far behind would never get to the head
 */
export function placeAfter({ next, last }, position) {
	return next !== null && position - last > MAX_KEPT ? position - BEFORE : last;
}

/**
 * @param {EventPage} page @param {EventPage} newer @param {number} after
 * @param {number} known up to where an answer tells everything that has no next page: a filter may pass over much
 * @returns {EventPage}
 */
export function withNewer(page, newer, after, known) {
	const last = newer.next === null ? Math.max(newer.last, known) : newer.last;
	const before = after > Math.max(page.last, page.next ?? 0) ? [] : page.events; // No list with a gap.
	return { next: newer.next, last, events: [...before, ...newer.events].slice(-MAX_KEPT) };
}
