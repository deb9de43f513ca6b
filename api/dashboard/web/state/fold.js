// From the stream's messages to what the dashboard knows: the one place where that happens. Pure.
//
// Counts are exact: they begin with the API's own at a position, and each message after it moves one run from one
// status to another. Of everything else only what has changed lately is kept; lists keep their own rows.

/** So many things of a kind are remembered, those that changed last. */
export const MAX_KEPT = 500;

/**
 * From a message's type to the place in `recent`, and the field of its data. Types that are not here tell nothing new.
 * @type {Record<string, [kind: Kind, field: string, name: string]>}
 */
const KINDS = {
	"job.run.updated": ["runs", "run", "id"],
	"job.definition.updated": ["jobs", "job", "slug"],
	"job.definition.deleted": ["deletedJobs", "job", "slug"],
	"repository.updated": ["apps", "repository", "id"],
	"build.updated": ["builds", "build", "id"],
	"schedule.updated": ["schedules", "schedule", "id"],
	"failure.updated": ["failures", "failure", "fingerprint"],
	"bulk.updated": ["bulk", "bulk", "id"],
	"view.updated": ["views", "view", "name"],
};

/** What holds personal values is forgotten when a person is erased: it is asked for anew, without them. */
const ERASED = "subject.erased";
/** @type {Kind[]} */
const PERSONAL = ["runs", "schedules"];

const MOVED = /^job\.run\.(pending|running|succeeded|failed|canceled|expired)$/;

/**
 * What a message of the stream tells of an event.
 * @typedef {{type: string, eventId: string, position: number, occurredAt: string, more?: boolean, data: any}} Message
 *
 * @typedef {"runs" | "jobs" | "deletedJobs" | "apps" | "builds" | "schedules" | "failures" | "bulk" | "views"} Kind
 *
 * @typedef {{position: number, counts: Api.RunCounts | null, countedAt: number,
 *            recent: Record<Kind, Map<string, any>>}} World
 */

/** @param {Message} message @returns {boolean} whether values that are shown may have been erased */
export const isErasure = (message) => message.type === ERASED;

/** @returns {World} what is known before anything has been heard */
export function nothing() {
	const kinds = Object.values(KINDS).map(([kind]) => [kind, new Map()]);
	const recent = /** @type {World["recent"]} */ (Object.fromEntries(kinds));
	return { position: 0, counts: null, countedAt: 0, recent };
}

/**
 * Begin with counts that are exact for a position. What was told of later events is told again: the stream begins there.
 * @param {World} world @param {Api.RunCounts} counts @param {number} position @returns {World}
 */
export function counted(world, counts, position) {
	return { ...world, counts: { ...counts }, countedAt: position, position };
}

/**
 * The same with newer counts, such as are asked for now and then: runs also leave the tables without a message.
 * Counts of a position that is passed already would lose what came since; then nothing changes.
 * @param {World} world @param {Api.RunCounts} counts @param {number} position @returns {World}
 */
export function recounted(world, counts, position) {
	return position < world.position ? world : { ...world, counts: { ...counts }, countedAt: position };
}

/** @param {World} world @param {Message[]} messages in order @returns {World} another one, if anything is new */
export function fold(world, messages) {
	const last = messages.at(-1);
	if (!last) return world;
	const counts = world.counts && { ...world.counts };
	const recent = { ...world.recent };
	/** @type {Set<Kind>} */
	const fresh = new Set();
	for (const message of messages) {
		if (counts && message.position > world.countedAt) count(counts, message);
		if (isErasure(message)) for (const kind of PERSONAL) recent[kind] = new Map();
		const known = KINDS[message.type];
		if (!known) continue;
		const [kind, field, name] = known;
		if (!fresh.has(kind)) recent[kind] = new Map(recent[kind]);
		fresh.add(kind);
		keep(recent[kind], message.data[field][name], message.data[field]);
	}
	return { ...world, counts, recent, position: Math.max(world.position, last.position) };
}

/** @param {Api.RunCounts} counts they are changed @param {Message} message */
function count(counts, message) {
	const status = /** @type {Api.Run["status"] | undefined} */ (MOVED.exec(message.type)?.[1]);
	if (!status) return;
	const before = statusBefore(status, message.data.run, message.occurredAt);
	if (before) counts[before] -= 1;
	counts[status] += 1;
}

/**
 * In which status the run was before it came into this one, by the machine of states.
 * @param {Api.Run["status"]} status @param {Pick<Api.Run, "createdAt" | "startedAt">} run @param {string} occurredAt
 * @returns {"pending" | "running" | null} null for a run that is new
 */
export function statusBefore(status, run, occurredAt) {
	if (status === "running") return "pending";
	if (status === "pending") return run.createdAt === occurredAt ? null : "running";
	const neverStarted = (status === "canceled" || status === "expired") && run.startedAt === null;
	return neverStarted ? "pending" : "running";
}

/** @param {Map<string, any>} map @param {string} key @param {any} value */
function keep(map, key, value) {
	map.delete(key); // What changed last comes last.
	map.set(key, value);
	const [oldest] = map.keys();
	if (map.size > MAX_KEPT && oldest !== undefined) map.delete(oldest);
}

/**
 * Rows of a list as they are now: whichever is newer, the row or what the stream told.
 * @template {Record<string, any>} T @param {T[]} rows @param {Map<string, T>} recent @param {(row: T) => string} keyOf
 * @returns {T[]} the same array if nothing has changed
 */
export function newest(rows, recent, keyOf) {
	let changed = false;
	const result = rows.map((row) => {
		const told = recent.get(keyOf(row));
		if (!told || told === row || told.updatedAt < row.updatedAt) return row;
		changed = true;
		return told;
	});
	return changed ? result : rows;
}
