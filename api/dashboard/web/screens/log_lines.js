// A growing text as lines, of which only the last ones are kept: a log may be longer than any browser's memory. Pure.

export const MOST_LINES = 100_000;

/** @typedef {{lines: string[], dropped: number, rest: string}} Lines `rest` is the last line, which may go on */

/** @returns {Lines} */
export const noLines = () => ({ lines: [], dropped: 0, rest: "" });

/** @param {Lines} so @param {string} piece @returns {Lines} */
export function withPiece(so, piece) {
	const parts = (so.rest + piece).split("\n");
	const rest = parts.pop();
	const lines = so.lines.concat(parts);
	const over = Math.max(lines.length - MOST_LINES, 0);
	return { lines: over > 0 ? lines.slice(over) : lines, dropped: so.dropped + over, rest };
}

/** @param {Lines} so @returns {string[]} all of them, the unfinished one, too */
export function allOf(so) {
	return so.rest === "" ? so.lines : [...so.lines, so.rest];
}

/** @param {string[]} lines @param {string} sought @returns {number[]} the places of those that hold it, whatever its case */
export function placesOf(lines, sought) {
	if (sought === "") return [];
	const small = sought.toLowerCase();
	return lines.flatMap((line, place) => (line.toLowerCase().includes(small) ? [place] : []));
}

/** Which lines can be seen, and some more on both sides. */
export function seen(top, height, lineHeight, count) {
	const more = 20;
	const first = Math.max(Math.floor(top / lineHeight) - more, 0);
	const last = Math.min(Math.ceil((top + height) / lineHeight) + more, count);
	return { first, last };
}
