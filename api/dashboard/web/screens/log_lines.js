// A growing log as lines: of which the last ones are kept, where each stands on the screen, and which hold a text. Pure.

import { PLAIN, terminalLine } from "./terminal_text.js";

export const MAX_LINES = 100_000;

/** So many more are kept before some are dropped: each time all others are moved. */
const SLACK = 10_000;

/** What is printed without an end of a line is kept up to here. */
const MAX_UNFINISHED = 100_000;

/** The worker writes the time before each line, no part of what a terminal would show: with a small `z` before what is of stderr. */
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[Zz] /;

/** Lines are called by their numbers from 0 on, which stay the same when the first ones are dropped. */
export class LogText {
	/** How many lines are dropped: the number of the first one that is there. */
	dropped = 0;
	/** @type {string[]} */
	#texts = [];
	/** @type {number[]} */
	#widths = [];
	/** @type {Map<number, import("./terminal_text.js").Span[]>} */
	#spans = new Map();
	#errors = new Set();
	#style = PLAIN;
	#unfinished = "";
	#isOver = false;

	/** The number after the last line's; the unfinished one counts. */
	get end() {
		return this.finished + (this.#unfinished !== "" && !this.#isOver ? 1 : 0);
	}

	/** The number after the last line that does not change any more. */
	get finished() {
		return this.dropped + this.#texts.length;
	}

	/** @param {string} piece */
	add(piece) {
		const parts = (this.#unfinished + piece).split("\n");
		this.#unfinished = shortened(parts.pop() ?? "");
		for (const raw of parts) this.#append(raw);
		const over = this.#texts.length - MAX_LINES;
		if (over > SLACK) this.#drop(over);
	}

	/** Nothing more comes: the last line is over, even if it was not ended. */
	finish() {
		if (this.#unfinished !== "" && !this.#isOver) this.#append(this.#unfinished);
		this.#isOver = true;
	}

	/** @param {number} number @returns {{text: string, spans: import("./terminal_text.js").Span[], isError: boolean}} */
	line(number) {
		if (number >= this.finished) return stampedLine(this.#unfinished, this.#style);
		return {
			text: this.#texts[number - this.dropped] ?? "",
			spans: this.#spans.get(number) ?? [],
			isError: this.#errors.has(number),
		};
	}

	/** @returns {number[]} the numbers of the lines that were printed on stderr, in order */
	errors() {
		const isUnfinished = this.end > this.finished && this.line(this.finished).isError;
		return isUnfinished ? [...this.#errors, this.finished] : [...this.#errors];
	}

	/** @param {number} number @returns {number} how many columns it takes */
	width(number) {
		return number >= this.finished ? widthOf(this.line(number).text) : this.#widths[number - this.dropped];
	}

	/** @param {string} raw */
	#append(raw) {
		const { text, spans, style, isError } = stampedLine(raw, this.#style);
		this.#style = style;
		if (isError) this.#errors.add(this.finished);
		if (spans.length > 0) this.#spans.set(this.finished, spans);
		this.#texts.push(text);
		this.#widths.push(widthOf(text));
	}

	/** @param {number} count */
	#drop(count) {
		this.#texts.splice(0, count);
		this.#widths.splice(0, count);
		this.dropped += count;
		for (const kept of [this.#spans, this.#errors]) {
			for (const number of kept.keys()) {
				if (number >= this.dropped) break;
				kept.delete(number);
			}
		}
	}
}

/** @param {string} raw @param {import("./terminal_text.js").Style} style */
function stampedLine(raw, style) {
	const stamp = STAMP.exec(raw)?.[0] ?? "";
	const line = terminalLine(raw.slice(stamp.length), style);
	const moved = line.spans.map((span) => ({ ...span, from: span.from + stamp.length, to: span.to + stamp.length }));
	return { ...line, text: stamp.toUpperCase() + line.text, spans: moved, isError: stamp.endsWith("z ") };
}

/** Of a progress bar the newest state, of anything else the beginning. @param {string} unfinished */
function shortened(unfinished) {
	if (unfinished.length <= MAX_UNFINISHED) return unfinished;
	const stamp = STAMP.exec(unfinished)?.[0] ?? "";
	const newest = unfinished.slice(Math.max(unfinished.lastIndexOf("\r") + 1, stamp.length));
	return (stamp + newest).slice(0, MAX_UNFINISHED);
}

const NARROW = /^[ -~]*$/;

/** Characters that take two columns: of East Asia, and pictures. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/gu;

/** @param {string} text */
function widthOf(text) {
	if (NARROW.test(text)) return text.length;
	const wide = text.match(WIDE)?.length ?? 0;
	return [...text].length + wide;
}

// Where lines stand: by rows, of which a wrapped line takes several.

/**
 * @typedef {{count: number, begins: (index: number) => number, numberAt: (index: number) => number, indexOf: (number: number) => number}}
 * Layout of so many lines: at which row each begins; after the last one: all rows; which numbers they have, and which of them
 * has a number, or comes after the line that has. It stays as it is while the log grows.
 */

/**
 * @param {LogText} log @param {number | null} columns of a row; null if lines are not wrapped
 * @param {Map<number, number>} measured rows of lines that turned out to take others than their width says
 * @param {number[] | null} chosen the numbers of the lines to show, in order; null for all that are kept
 * @returns {Layout}
 */
export function layoutOf(log, columns, measured, chosen = null) {
	const count = chosen === null ? log.end - log.dropped : chosen.length;
	const places = chosen === null ? placesOfAll(log.dropped, count) : placesOf(chosen, log.end);
	if (columns === null) return { count, begins: (index) => index, ...places };
	const begins = new Float64Array(count + 1);
	for (let index = 0; index < count; index += 1) {
		const number = places.numberAt(index);
		const rows = measured.get(number) ?? Math.max(Math.ceil(log.width(number) / columns), 1);
		begins[index + 1] = begins[index] + rows;
	}
	return { count, begins: (index) => begins[index], ...places };
}

/** @param {number} first @param {number} count @returns {Pick<Layout, "numberAt" | "indexOf">} */
function placesOfAll(first, count) {
	return {
		numberAt: (index) => first + index,
		indexOf: (number) => Math.min(Math.max(number - first, 0), count),
	};
}

/** @param {number[]} numbers @param {number} end what comes after all of them @returns {Pick<Layout, "numberAt" | "indexOf">} */
function placesOf(numbers, end) {
	return {
		numberAt: (index) => numbers[index] ?? end,
		indexOf: (number) => {
			let low = 0;
			let high = numbers.length;
			while (low < high) {
				const middle = (low + high) >> 1;
				if (numbers[middle] < number) low = middle + 1;
				else high = middle;
			}
			return low;
		},
	};
}

/** @param {number} row @param {Layout} layout @returns {number} which line stands there, counted from the first that is shown */
export function lineAt(row, { count, begins }) {
	let low = 0;
	let high = Math.max(count - 1, 0);
	while (low < high) {
		const middle = Math.ceil((low + high) / 2);
		if (begins(middle) <= row) low = middle;
		else high = middle - 1;
	}
	return low;
}

// Which lines hold a text, whatever its case.

/** @param {string} sought @returns {RegExp | null} null for nothing */
export function patternOf(sought) {
	return sought === "" ? null : new RegExp(sought.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "gi");
}

/** A search that goes on where it stopped: through what is there, and through what comes. */
export class Search {
	/** @type {number[]} numbers of lines, in order */
	hits = [];
	#next = 0;
	#pattern;

	/** @param {RegExp} pattern */
	constructor(pattern) {
		this.#pattern = new RegExp(pattern.source, "i"); // One that keeps no place.
	}

	/** @param {LogText} log @param {() => boolean} isOver asked now and then: whether to stop for now @returns {boolean} whether all was searched */
	advance(log, isOver) {
		if (this.hits[0] < log.dropped) this.hits = this.hits.filter((number) => number >= log.dropped);
		this.#next = Math.max(this.#next, log.dropped);
		while (this.#next < log.finished) {
			if (this.#next % 256 === 0 && isOver()) return false;
			if (this.#pattern.test(log.line(this.#next).text)) this.hits.push(this.#next);
			this.#next += 1;
		}
		return true;
	}
}

/**
 * @param {number[]} hits in order @param {number | null} current
 * @param {{first: number, last: number}} visible the lines that can be seen: from there on, if there is no current hit
 * @param {1 | -1} direction @returns {number | null} the hit to go to, round and round
 */
export function stepTo(hits, current, visible, direction) {
	if (hits.length === 0) return null;
	const from = current ?? (direction === 1 ? visible.first - 1 : visible.last + 1);
	const after = hits.findIndex((number) => number > from);
	if (direction === 1) return after === -1 ? hits[0] : hits[after];
	const before = hits.findLastIndex((number) => number < from);
	return before === -1 ? hits[hits.length - 1] : hits[before];
}

/**
 * @param {{text: string, spans: import("./terminal_text.js").Span[]}} line @param {RegExp | null} pattern
 * @returns {{text: string, classes: string, isHit: boolean}[]} the parts of a line that look alike
 */
export function partsOf({ text, spans }, pattern) {
	const matches = pattern === null ? [] : [...text.matchAll(pattern)];
	const hits = matches.map(({ index, 0: { length } }) => ({ from: index, to: index + length }));
	const edges = [0, text.length, ...[...spans, ...hits].flatMap(({ from, to }) => [from, to])];
	const cuts = [...new Set(edges)].sort((one, other) => one - other);
	/** @template {{from: number, to: number}} R @param {R[]} ranges @returns {(from: number) => R | null} */
	const around = (ranges) => {
		let next = 0; // Ranges and cuts are in order.
		return (from) => {
			while (ranges[next]?.to <= from) next += 1;
			return ranges[next]?.from <= from ? ranges[next] : null;
		};
	};
	const spanAt = around(spans);
	const hitAt = around(hits);
	return cuts.slice(1).map((to, index) => {
		const from = cuts[index];
		return { text: text.slice(from, to), classes: spanAt(from)?.classes ?? "", isHit: hitAt(from) !== null };
	});
}
