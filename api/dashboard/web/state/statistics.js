// What is computed of statistics, and of single runs that have ended. Pure.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The times that one can choose from, the usual one first. */
export const RANGES = [
	{ name: "1h", lengthMs: HOUR_MS, bucketMs: MINUTE_MS },
	{ name: "24h", lengthMs: DAY_MS, bucketMs: 15 * MINUTE_MS },
	{ name: "7d", lengthMs: 7 * DAY_MS, bucketMs: 2 * HOUR_MS },
	{ name: "30d", lengthMs: 30 * DAY_MS, bucketMs: DAY_MS },
];

/** The lengths of buckets of other times; the service keeps minutes for two days, and hours for ninety. */
const LENGTHS = [MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS];

const MAX_BUCKETS = 120;

/** @param {number} ageMs of the oldest bucket @returns {number} how long buckets must be */
function shortestKept(ageMs) {
	if (ageMs < DAY_MS) return MINUTE_MS;
	return ageMs < 89 * DAY_MS ? HOUR_MS : DAY_MS;
}

/** @param {string} range two times with a slash between them @returns {[from: number, to: number] | null} null where it is anything else */
export function ownRange(range) {
	const [from, to] = range.split("/").map((text) => Date.parse(text));
	return from < to ? [from, to] : null;
}

/** @param {string} range a name, or two times with a slash between them @param {number} now @returns what to ask for, up to `now` where it is a name */
export function rangeOf(range, now) {
	const known = RANGES.find(({ name }) => name === range);
	const iso = (/** @type {number} */ ms) => new Date(ms).toISOString();
	if (known) {
		const to = Math.ceil(now / known.bucketMs) * known.bucketMs;
		return { from: iso(to - known.lengthMs), to: iso(to), bucketMs: known.bucketMs };
	}
	const own = ownRange(range);
	if (!own) return rangeOf(RANGES[0].name, now);
	const [from, to] = own;
	const shortest = Math.max(shortestKept(now - from), (to - from) / MAX_BUCKETS);
	return { from: iso(from), to: iso(to), bucketMs: LENGTHS.find((one) => one >= shortest) ?? 30 * DAY_MS };
}

/**
 * What happened in a stretch of time.
 * @typedef {{at: string, created: number, ended: number, failed: number, queueMs: Api.Quantiles,
 *            durationMs: Api.Quantiles}} Stretch
 */

/** @type {Api.Quantiles} */
const NO_QUANTILES = { p50: null, p95: null, p99: null };
const NONE_ENDED = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
const NOTHING = { created: 0, ended: NONE_ENDED, queueMs: NO_QUANTILES, durationMs: NO_QUANTILES };

/**
 * The buckets of an answer and those in between in which nothing happened, oldest first.
 * @param {Api.Bucket[]} buckets of one series @param {Pick<Api.StatisticsMeta, "from" | "to" | "bucketMs">} meta
 * @returns {Stretch[]}
 */
export function trendOf(buckets, { from, to, bucketMs }) {
	const byTime = new Map(buckets.map((bucket) => [Date.parse(bucket.at), bucket]));
	const trend = [];
	for (let at = Date.parse(from); at < Date.parse(to); at += bucketMs) {
		const { created, ended, queueMs, durationMs } = byTime.get(at) ?? NOTHING;
		const { succeeded, failed, canceled, expired } = ended;
		const all = succeeded + failed + canceled + expired;
		trend.push({ at: new Date(at).toISOString(), created, ended: all, failed: failed + expired, queueMs, durationMs });
	}
	return trend;
}

/**
 * The same of failures alone: all that ended had failed.
 * @param {{at: string, failures: number}[]} buckets @param {{from: string, to: string, bucketMs: number}} meta
 * @returns {{at: string, ended: number, failed: number}[]}
 */
export function failuresOf(buckets, { from, to, bucketMs }) {
	const byTime = new Map(buckets.map(({ at, failures }) => [Date.parse(at), failures]));
	const trend = [];
	for (let at = Date.parse(from); at < Date.parse(to); at += bucketMs) {
		const failures = byTime.get(at) ?? 0;
		trend.push({ at: new Date(at).toISOString(), ended: failures, failed: failures });
	}
	return trend;
}

/** @param {Pick<Stretch, "created" | "ended" | "failed">[]} trend */
export function summed(trend) {
	const sum = (/** @type {"created" | "ended" | "failed"} */ name) => trend.reduce((total, bucket) => total + bucket[name], 0);
	return { created: sum("created"), ended: sum("ended"), failed: sum("failed") };
}

/** With fewer runs, or fewer failures, a change is chance. */
const FEWEST = 10;
const FEWEST_FAILED = 5;

/** From so many times as long, or as often failed, it is worse. */
const WORSE = 1.5;

/**
 * Whether a job has become slower, or fails more often, and since when: the best split of its time in two is looked for.
 * @typedef {{what: "slower" | "failing", factor: number, since: string}} Worse
 * @param {Stretch[]} trend @returns {Worse | null}
 */
export function worsening(trend) {
	const busy = trend.filter(({ ended }) => ended > 0);
	/** @type {Worse | null} */
	let worst = null;
	for (let split = 1; split < busy.length; split += 1) {
		const [before, after] = [busy.slice(0, split), busy.slice(split)].map(levels);
		if (before.ended < FEWEST || after.ended < FEWEST) continue;
		const since = busy[split].at;
		const isFailing = after.failed >= FEWEST_FAILED;
		const failing = isFailing ? after.failing / Math.max(before.failing, 1 / before.ended) : 0;
		const slower = before.median > 0 ? after.median / before.median : 0;
		/** @type {Worse[]} */
		const both = [{ what: "failing", factor: failing, since }, { what: "slower", factor: slower, since }];
		for (const one of both) if (one.factor >= WORSE && one.factor > (worst?.factor ?? 0)) worst = one;
	}
	return worst;
}

/** The share that failed, and the mean of the medians, each counted as often as runs ended. @param {Stretch[]} buckets */
function levels(buckets) {
	const { ended, failed } = summed(buckets);
	let weight = 0;
	let total = 0;
	for (const { durationMs, ended: count } of buckets) {
		if (durationMs.p50 === null) continue;
		weight += count;
		total += durationMs.p50 * count;
	}
	const median = weight && total / weight;
	return { ended, failed, failing: failed / ended, median };
}

// Ended runs by the stretch of time in which they ended. Pure.

/**
 * @typedef {{ago: number, all: number, failed: number}} Ended `ago` counts stretches of time
 * @param {Api.Run[]} runs @param {number} now @param {number} count how many stretches @param {number} lengthMs of each
 * @returns {Ended[]} oldest first
 */
export function bucketsOf(runs, now, count, lengthMs = MINUTE_MS) {
	const buckets = Array.from({ length: count }, (_, index) => ({ ago: count - 1 - index, all: 0, failed: 0 }));
	for (const { completedAt, status } of runs) {
		if (!completedAt) continue;
		const ago = Math.floor((now - Date.parse(completedAt)) / lengthMs);
		const bucket = buckets[count - 1 - ago];
		if (!bucket) continue;
		bucket.all += 1;
		if (status === "failed" || status === "expired") bucket.failed += 1;
	}
	return buckets;
}

// How long runs took, in order of length. Pure.

/** @param {Api.Run[]} runs @returns {number[]} of those that ended well, shortest first */
export function durationsOf(runs) {
	const ended = runs.filter(({ status }) => status === "succeeded").map(({ durationMs }) => durationMs);
	return ended.filter((ms) => ms !== null).sort((one, other) => one - other);
}

/** @param {number[]} sorted not empty @param {number} share from 0 to 1 @returns {number} so long or shorter were that many */
export function percentile(sorted, share) {
	return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
}

/**
 * Where each run that has ended stands in a picture, from 0 to 1 in both directions.
 * @param {Api.Run[]} runs of which at least one has ended
 */
export function pointsOf(runs) {
	const ended = runs.flatMap((run) => {
		const { durationMs: ms, completedAt } = run;
		return ms !== null && completedAt ? [{ run, ms, at: Date.parse(completedAt) }] : [];
	});
	const times = ended.map(({ at }) => at);
	const first = Math.min(...times);
	const last = Math.max(...times);
	const longest = Math.max(...ended.map(({ ms }) => ms), 1);
	const points = ended.map(({ run, ms, at }) => ({
		run,
		x: (at - first) / Math.max(last - first, 1),
		y: ms / longest,
	}));
	return { points, first, last, longest };
}
