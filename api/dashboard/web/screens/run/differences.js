// In what two runs differ, by the path of each value. Pure.

/** What differs between any two runs, and tells nothing. */
const NATURAL = new Set([
	"id", "createdAt", "updatedAt", "scheduledAt", "startedAt", "completedAt", "logsUrl", "idempotencyKey",
]);

/** @returns {{path: string, before: unknown, after: unknown}[]} */
export function differences(before, after) {
	const found = [];
	const names = new Set([...Object.keys(before), ...Object.keys(after)]);
	for (const name of names) {
		if (!NATURAL.has(name)) walk(name, before[name], after[name], found);
	}
	return found;
}

function walk(path, before, after, found) {
	if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
		const names = new Set([...Object.keys(before), ...Object.keys(after)]);
		for (const name of names) walk(`${path}.${name}`, before[name], after[name], found);
	} else if (!Object.is(before, after)) {
		found.push({ path, before, after });
	}
}

const isContainer = (value) => typeof value === "object" && value !== null;
