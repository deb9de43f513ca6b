// A traceback of Python, read for the lines that its handler's author wrote. Pure.

/** Where code lies that is nobody's own: of Python, of packages, of the process that runs handlers. */
const FOREIGN = /(^<|[\\/](site-packages|dist-packages|python3[^\\/]*|apphub_jobs)[\\/])/;

const FRAME = /^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in (?<name>.+)$/;

/** @typedef {{file: string, line: number, name: string, code: string}} Frame */

/** @param {string} stack @returns {Frame[]} one's own frames, that nearest to the failure first */
export function ownFrames(stack) {
	const lines = stack.split("\n");
	const frames = lines.flatMap((text, place) => {
		const found = FRAME.exec(text)?.groups;
		if (!found || FOREIGN.test(found.file)) return [];
		const next = lines[place + 1] ?? "";
		const code = next.startsWith("    ") ? next.trim() : "";
		return [{ file: found.file, line: Number(found.line), name: found.name, code }];
	});
	return frames.reverse();
}

/** @param {string} path @returns {string} its last two parts: enough to know it by */
export const shortPath = (path) => path.split(/[\\/]/).slice(-2).join("/");
