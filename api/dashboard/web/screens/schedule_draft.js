// A schedule as it is being written, and what of it the API gets. Pure.

/** @type {Record<string, number>} */
const UNITS = { d: 86_400_000, h: 3_600_000, min: 60_000, s: 1_000 };

export const UNIT_NAMES = Object.keys(UNITS).reverse();

/** @typedef {{amount: string, unit: string}} Amount a length of time */

/** @param {number} ms @returns {Amount} in the largest unit of which it is a whole number, else in seconds */
export function amountOf(ms) {
	const unit = Object.keys(UNITS).find((name) => ms % UNITS[name] === 0 && ms > 0) ?? "s";
	return { amount: String(ms / UNITS[unit]), unit };
}

/** @param {Amount} length @returns {number | null} null where no amount is given */
export const msOf = ({ amount, unit }) => (amount === "" ? null : Math.round(Number(amount) * UNITS[unit]));

const EVERY_DAY = "0 3 * * *";
const HOUR = { amount: "1", unit: "h" };

/** What a new schedule begins as. @param {string} timeZone */
export const emptyDraft = (timeZone) => ({
	id: "",
	job: "",
	rhythm: "cron",
	cron: EVERY_DAY,
	every: HOUR,
	timeZone,
	exclude: "",
	overlap: /** @type {Api.Schedule["overlap"]} */ ("skip"),
	catchUp: amountOf(60_000),
	jitter: amountOf(0),
	startAt: "",
	endAt: "",
	pauseOnFailure: false,
	parameters: /** @type {import("./launch_form.js").ParametersDraft} */ ({ typed: undefined, raw: null }),
});

/** @typedef {ReturnType<typeof emptyDraft>} Draft */

/** @param {Api.Schedule} schedule @returns {Draft} */
export const draftOf = (schedule) => ({
	id: schedule.id,
	job: schedule.job,
	rhythm: schedule.everyMs === null ? "cron" : "every",
	cron: schedule.cron ?? EVERY_DAY,
	every: schedule.everyMs === null ? HOUR : amountOf(schedule.everyMs),
	timeZone: schedule.timeZone,
	exclude: schedule.exclude.join("\n"),
	overlap: schedule.overlap,
	catchUp: amountOf(schedule.catchUpMs),
	jitter: amountOf(schedule.jitterMs),
	startAt: schedule.startAt ?? "",
	endAt: schedule.endAt ?? "",
	pauseOnFailure: schedule.pauseOnFailure,
	parameters: { typed: schedule.parameters, raw: null },
});

/**
 * When it launches: all of a draft but the job's parameters, as the API takes it. An empty id or job is left out.
 * @param {Draft} draft
 */
export function timesOf(draft) {
	const isCron = draft.rhythm === "cron";
	return {
		...(draft.id && { id: draft.id }),
		...(draft.job && { job: draft.job }),
		cron: isCron ? draft.cron : null,
		everyMs: isCron ? null : msOf(draft.every),
		timeZone: draft.timeZone,
		exclude: draft.exclude.split("\n").map((line) => line.trim()).filter(Boolean),
		overlap: draft.overlap,
		catchUpMs: msOf(draft.catchUp),
		jitterMs: msOf(draft.jitter),
		startAt: draft.startAt || null,
		endAt: draft.endAt || null,
		pauseOnFailure: draft.pauseOnFailure,
	};
}

/**
 * @param {Api.Schedule} schedule @param {Record<string, unknown>} spec
 * @returns {Record<string, unknown>} the fields of a schedule that a draft changes: whatever else has been changed meanwhile stays
 */
export function revisionOf(schedule, { id: _, ...spec }) {
	const before = /** @type {Record<string, unknown>} */ (schedule);
	const differs = (/** @type {[string, unknown]} */ [name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]);
	return Object.fromEntries(Object.entries(spec).filter(differs));
}

/**
 * A time to come as clocks of its zone show it.
 * @param {string} dueAt with the offset of its zone
 * @returns {string} such as `Wed 2026-12-02 03:00:00 +01:00`
 */
export function onItsClock(dueAt) {
	const [, day, time, offset] = /^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.+)$/.exec(dueAt) ?? [];
	const weekday = new Date(`${day}T00:00:00Z`).toUTCString().slice(0, 3);
	return `${weekday} ${day} ${time} ${offset}`;
}
