// Times and durations for people. Pure.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param {number | null | undefined} ms @returns {string} such as `1.4 s`, `2 min 5 s`, `3 d 4 h` */
export function duration(ms) {
	if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
	if (ms < SECOND) return `${Math.round(ms)} ms`;
	if (ms < 10 * SECOND) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
	if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
	if (ms < HOUR) return two(ms, MINUTE, "min", SECOND, "s");
	if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "min");
	return two(ms, DAY, "d", HOUR, "h");
}

/** @param {number} ms @param {number} unit @param {string} name @param {number} part @param {string} partName */
function two(ms, unit, name, part, partName) {
	const whole = Math.floor(ms / unit);
	const rest = Math.floor((ms % unit) / part);
	return rest > 0 ? `${whole} ${name} ${rest} ${partName}` : `${whole} ${name}`;
}

/** @param {string} at ISO 8601 @param {number} now @returns {string} such as `3 min ago`, `in 2 h` */
export function relative(at, now) {
	const ms = now - Date.parse(at);
	const far = Math.abs(ms);
	if (far < 2 * SECOND) return "just now";
	const text = coarse(far);
	return ms > 0 ? `${text} ago` : `in ${text}`;
}

/** @param {number} ms */
function coarse(ms) {
	if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
	if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
	if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
	return `${Math.floor(ms / DAY)} d`;
}

/** @param {string | number} at @returns {string} such as `2026-11-26 09:14:03.120 UTC`, whatever its offset */
export function utc(at) {
	const text = new Date(at).toISOString();
	return `${text.slice(0, 10)} ${text.slice(11, 23)} UTC`;
}

const ISO_TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))/;

/** @param {string} text @returns {string[]} its words and its times, in turns */
export const splitAtTimes = (text) => text.split(ISO_TIME);

/** @param {string | number} at @returns {string} the same without seconds */
export const utcMinute = (at) => `${utc(at).slice(0, 16)} UTC`;

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** @param {string | number} at @returns {string} in this computer's zone and way of writing */
export function local(at) {
	return LOCAL.format(new Date(at));
}

const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {string | number} at @returns {string} the same without seconds */
export function localMinute(at) {
	return SHORT.format(new Date(at));
}

/** @returns {string} this computer's zone, such as `Europe/Berlin` */
export const zone = () => LOCAL.resolvedOptions().timeZone;

/** @param {number} at @returns {string} the same as an input of dates and times takes it */
export function localInput(at) {
	const offsetMs = new Date(at).getTimezoneOffset() * MINUTE;
	return new Date(at - offsetMs).toISOString().slice(0, 16);
}

/** @param {string} moment `asOf` of an address @returns {number | null} the time in ms; null for a position */
export function timeOf(moment) {
	if (!/^\d{4}-\d\d/.test(moment)) return null;
	const time = Date.parse(moment);
	return Number.isNaN(time) ? null : time; // The API says what is wrong with it.
}

/** What a person writes for a moment: a time without an offset is UTC. @param {string} text @returns {string} as the API takes it */
export function momentOf(text) {
	if (/^\d*$/.test(text)) return text;
	const whole = text.replace(/ *(?:UTC|Z)$/i, "").replace(" ", "T");
	const hasOffset = /T.*[+-]\d\d:?\d\d$/.test(whole);
	const time = Date.parse(hasOffset ? whole : `${whole.includes("T") ? whole : `${whole}T00:00`}Z`);
	return Number.isNaN(time) ? text : new Date(time).toISOString();
}
