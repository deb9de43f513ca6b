// A job's versions, and what each changed, from its events. Pure.

import { differences } from "../run/differences.js";

/** What a version does not say: it is the job's own, or happens to it. */
const NOT_REVISED = ["id", "slug", "version", "createdAt", "updatedAt", "paused"];

/** @param {object} job @returns {object} what a revision may change */
export function revisable(job) {
	return Object.fromEntries(Object.entries(job).filter(([name]) => !NOT_REVISED.includes(name)));
}

/** @returns {object} the fields that differ, as a revision names them: null clears what is left out */
export function changesBetween(before, after) {
	const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
	const differs = (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]);
	return Object.fromEntries(names.filter(differs).map((name) => [name, after[name] ?? null]));
}

const BEGINNINGS = ["job_definition.registered", "job_definition.registered_again"];

/**
 * @param {object[]} events of the job, in order
 * @returns {{position: number, kind: string, version: number | undefined, at: string, by: string | null, reason: string | null,
 *   changes: {path: string, before: unknown, after: unknown}[]}[]} newest first
 */
export function historyOf(events) {
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
