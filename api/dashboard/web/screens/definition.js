// What a job's definition says: its limits in words, how its versions differ, and how any two values do. Pure.

import { duration } from "../state/times.js";
import { texts } from "../texts.js";

// What limits the starts of a job's runs, in words. Pure.

/** @param {Api.Definition} job @returns {string[]} */
export function limitsOf(job) {
	const words = texts.jobs.limitOf;
	const { maxConcurrentRuns, concurrencyKey, concurrencyLimit, rateLimit, fairnessKey, workerLabels } = job;
	const labels = Object.entries(workerLabels ?? {}).map(([name, value]) => `${name}=${value}`);
	return [
		maxConcurrentRuns && words.runs(maxConcurrentRuns),
		concurrencyKey && words.key(concurrencyKey, concurrencyLimit),
		rateLimit && words.rate(rateLimit.limit, duration(rateLimit.periodMs)),
		fairnessKey && words.turns(fairnessKey),
		...labels,
	].filter((limit) => typeof limit === "string");
}

// A job's versions, and what each changed, from its events. Pure.

/** What a version does not say: it is the job's own, or happens to it. */
const NOT_REVISED = ["id", "slug", "version", "createdAt", "updatedAt", "paused"];

/** A JSON object. @typedef {Record<string, any>} Values */

/** @typedef {{path: string, before: unknown, after: unknown}} Difference */

/** @param {Values} job @returns {Values} what a revision may change */
export function revisable(job) {
	return Object.fromEntries(Object.entries(job).filter(([name]) => !NOT_REVISED.includes(name)));
}

/**
 * @param {Values} before @param {Values} after
 * @returns {Values} the fields that differ, as a revision names them: null clears what is left out
 */
export function changesBetween(before, after) {
	const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
	const differs = (/** @type {string} */ name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]);
	return Object.fromEntries(names.filter(differs).map((name) => [name, after[name] ?? null]));
}

const BEGINNINGS = ["job_definition.registered", "job_definition.registered_again"];

/**
 * @typedef {{position: number, kind: string, version: number | undefined, at: string, by: string | null,
 *   reason: string | null, changes: Difference[]}} Version
 * @param {Api.Event[]} events of the job, in order
 * @returns {Version[]} newest first
 */
export function historyOf(events) {
	/** @type {Values} */
	let spec = {};
	const history = events.map(({ position, type, occurredAt, actor, data }) => {
		const before = spec;
		if (BEGINNINGS.includes(type)) spec = data.spec ?? {};
		else if (type === "job_definition.revised") spec = { ...spec, ...data.changes };
		const changes = type === "job_definition.registered" ? [] : differences(before, spec);
		const kind = type.replace("job_definition.", "").replaceAll("_", " ");
		const { version, reason = null } = data;
		return { position, kind, version, at: occurredAt, by: actor, reason, changes };
	});
	return history.reverse();
}

// In what two runs differ, by the path of each value. Pure.

/** What differs between any two runs, and tells nothing. */
const NATURAL = new Set([
	"id", "createdAt", "updatedAt", "scheduledAt", "startedAt", "completedAt", "logsUrl", "idempotencyKey",
]);

/** @param {Values} before @param {Values} after @returns {Difference[]} */
export function differences(before, after) {
	/** @type {Difference[]} */
	const found = [];
	const names = new Set([...Object.keys(before), ...Object.keys(after)]);
	for (const name of names) {
		if (!NATURAL.has(name)) walk(name, before[name], after[name], found);
	}
	return found;
}

/** @param {string} path @param {unknown} before @param {unknown} after @param {Difference[]} found is added to */
function walk(path, before, after, found) {
	if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
		const names = new Set([...Object.keys(before), ...Object.keys(after)]);
		for (const name of names) walk(`${path}.${name}`, before[name], after[name], found);
	} else if (!Object.is(before, after)) {
		found.push({ path, before, after });
	}
}

/** @param {unknown} value @returns {value is Values} */
const isContainer = (value) => typeof value === "object" && value !== null;
