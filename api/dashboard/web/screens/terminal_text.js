// What a terminal would show of a line: its text, and which parts have which colours. Pure.

/**
 * @typedef {{foreground: number | null, background: number | null, is: ReadonlySet<string>, classes: string}} Style
 * colours are 0 to 7, as terminals number them; `is` holds `bold`, `italic` and so on
 * @typedef {{from: number, to: number, classes: string}} Span
 */

/** Longer lines are cut: a browser would lay out a single one for seconds. */
export const MAX_CHARACTERS = 10_000;

/** Where a line has more differently coloured parts, only the first ones are coloured, for the same reason. */
const MAX_SPANS = 500;

const TAB = 8;

/* eslint-disable no-control-regex -- they are what is looked for */

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/** A control sequence with its parameters and its last letter; other sequences, up to their end; a character; text. */
const TOKEN = new RegExp(
	[
		/\x1b\[([0-?]*)[ -/]*([@-~])/,
		/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/,
		/\x1b[PX^_][^\x1b]*(?:\x1b\\)?/,
		/\x1b[ -/]*[0-~]/,
		/[\x00-\x08\x0b-\x1f\x7f-\x9f]/,
		/[^\x00-\x08\x0b-\x1f\x7f-\x9f]+/,
	].map(({ source }) => source).join("|"),
	"g",
);

/** @type {Style} */
export const PLAIN = { foreground: null, background: null, is: new Set(), classes: "" };

/** @type {Span[]} */
const NONE = [];

/**
 * @param {string} raw what was printed, without the end of the line @param {Style} style that the line before left
 * @returns {{text: string, spans: Span[], style: Style}} with the style that it leaves
 */
export function terminalLine(raw, style) {
	if (style === PLAIN && !CONTROL.test(raw) && !raw.includes("\t")) {
		return { text: raw.length > MAX_CHARACTERS ? raw.slice(0, MAX_CHARACTERS) : raw, spans: NONE, style };
	}
	const cells = new Cells(style);
	for (const [token, parameters, letter] of raw.matchAll(TOKEN)) {
		if (letter) cells.control(letter, parameters);
		else if (token === "\r") cells.column = 0;
		else if (token === "\b") cells.column = Math.max(cells.column - 1, 0);
		else if (!CONTROL.test(token)) cells.write(token);
	}
	return { text: cells.characters.join(""), spans: cells.spans(), style: cells.style };
}

/** One line of a terminal: a cursor goes over it, and overwrites what is there. */
class Cells {
	/** @param {Style} style */
	constructor(style) {
		this.style = style;
		this.column = 0;
		/** @type {string[]} */
		this.characters = [];
		/** @type {string[]} */
		this.classes = [];
	}

	/** @param {string} text */
	write(text) {
		for (const character of text) {
			if (character === "\t") {
				do this.#put(" ");
				while (this.column % TAB !== 0 && this.column < MAX_CHARACTERS);
			} else this.#put(character);
		}
	}

	/** @param {string} character */
	#put(character) {
		if (this.column >= MAX_CHARACTERS) return;
		while (this.characters.length < this.column) {
			this.characters.push(" ");
			this.classes.push("");
		}
		this.characters[this.column] = character;
		this.classes[this.column] = this.style.classes;
		this.column += 1;
	}

	/** @param {string} letter which sequence: colours, erasing to the end of the line, or a move @param {string} parameters */
	control(letter, parameters) {
		const count = Number.parseInt(parameters, 10) || 0;
		if (letter === "m" && !PRIVATE.test(parameters)) this.style = styled(this.style, parameters);
		else if (letter === "K") this.#erase(count);
		else if (letter === "C") this.column = Math.min(this.column + (count || 1), MAX_CHARACTERS);
		else if (letter === "D") this.column = Math.max(this.column - (count || 1), 0);
		else if (letter === "G") this.column = Math.min((count || 1) - 1, MAX_CHARACTERS);
	}

	/** @param {number} part 0: from the cursor on, 1: up to it, 2: all */
	#erase(part) {
		const end = part === 0 ? this.column : 0;
		if (part === 1) {
			const erased = Math.min(this.column + 1, this.characters.length);
			this.characters.fill(" ", 0, erased);
			this.classes.fill("", 0, erased);
		} else {
			this.characters.length = Math.min(end, this.characters.length);
			this.classes.length = this.characters.length;
		}
	}

	/** @returns {Span[]} the parts that have a style */
	spans() {
		/** @type {Span[]} */
		const spans = [];
		let at = 0;
		for (const [index, character] of this.characters.entries()) {
			const classes = this.classes[index];
			const before = spans.at(-1);
			const end = at + character.length;
			if (classes && before?.to === at && before.classes === classes) before.to = end;
			else if (classes && spans.length < MAX_SPANS) spans.push({ from: at, to: end, classes });
			at = end;
		}
		return spans;
	}
}

// Colours and weights: the parameters of the sequence that ends in `m`.

/** Sequences with such parameters are of one terminal's own, and mean something else. */
const PRIVATE = /[<=>?]/;

/** @type {Record<number, string>} */
const FLAGS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };

/** @type {Record<number, string[]>} */
const ENDED = {
	21: ["bold"], 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"],
};

/** @param {Style} style @param {string} parameters @returns {Style} */
function styled(style, parameters) {
	let { foreground, background } = style;
	let is = new Set(style.is);
	const codes = parameters.split(";");
	for (let parameter = codes.shift(); parameter !== undefined; parameter = codes.shift()) {
		const [code, ...below] = parameter.split(":").map(Number);
		if (code === 0) {
			foreground = background = null;
			is = new Set();
		} else if (code === 38 || code === 48) {
			const colour = below.length > 0 ? extended(below[0], below.slice(below[0] === 2 ? -3 : 1)) : taken(codes);
			if (code === 38) foreground = colour;
			else background = colour;
		} else if (code === 4 && below[0] === 0) is.delete("underline");
		else if (FLAGS[code]) is.add(FLAGS[code]);
		else if (ENDED[code]) for (const flag of ENDED[code]) is.delete(flag);
		else if (code === 39) foreground = null;
		else if (code === 49) background = null;
		else if (isWithin(code, 30) || isWithin(code, 90)) foreground = code % 10;
		else if (isWithin(code, 40) || isWithin(code, 100)) background = code % 10;
	}
	if (foreground === null && background === null && is.size === 0) return PLAIN;
	return { foreground, background, is, classes: classesOf(foreground, background, is) };
}

/** @param {number} code @param {number} first of eight colours */
const isWithin = (code, first) => code >= first && code < first + 8;

/** @param {string[]} codes that follow `38` or `48`; those of the colour are taken from them */
function taken(codes) {
	const kind = Number(codes.shift());
	return extended(kind, codes.splice(0, kind === 2 ? 3 : 1).map(Number));
}

/** @param {number} kind @param {number[]} values @returns {number | null} the nearest of the eight colours, of which each can be read in both schemes */
function extended(kind, values) {
	if (kind === 2) return nearest(values);
	const [index = 0] = values;
	if (kind !== 5) return null;
	if (index < 16) return index % 8;
	if (index >= 232) return nearest([1, 1, 1].map((one) => one * (8 + 10 * (index - 232))));
	const cube = index - 16;
	return nearest([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((level) => level * 51));
}

/** Less apart than this, red, green and blue make a grey. */
const GREY = 48;

/** @param {number[]} levels of red, green and blue, from 0 to 255 */
function nearest([red = 0, green = 0, blue = 0]) {
	const most = Math.max(red, green, blue);
	const least = Math.min(red, green, blue);
	if (most - least < GREY) return most < 128 ? 0 : 7;
	const middle = (most + least) / 2;
	return (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
}

/**
 * A background takes the place of the colour of letters: so all can be read.
 * @param {number | null} foreground @param {number | null} background @param {ReadonlySet<string>} is
 */
function classesOf(foreground, background, is) {
	const filled = is.has("inverse") ? (foreground ?? 7) : background;
	const colour = filled === null ? foreground !== null && `ansi-${foreground}` : `ansi-on-${filled}`;
	const flags = [...is].filter((flag) => flag !== "inverse").map((flag) => `ansi-${flag}`);
	return [colour, ...flags].filter(Boolean).join(" ");
}
