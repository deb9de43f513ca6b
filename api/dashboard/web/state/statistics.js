// What is computed of runs that have ended: how many in each stretch of time, and how long they took. Pure.

// Ended runs by the stretch of time in which they ended. Pure.

const MINUTE_MS = 60_000;

/** @returns {{ago: number, all: number, failed: number}[]} oldest first; `ago` counts stretches of `lengthMs` */
export function bucketsOf(runs, now, count, lengthMs = MINUTE_MS) {
	const buckets = Array.from({ length: count }, (_, index) => ({ ago: count - 1 - index, all: 0, failed: 0 }));
	for (const { completedAt, status } of runs) {
		const ago = Math.floor((now - Date.parse(completedAt)) / lengthMs);
		const bucket = buckets[count - 1 - ago];
		if (!bucket) continue;
		bucket.all += 1;
		if (status === "failed" || status === "expired") bucket.failed += 1;
	}
	return buckets;
}

// How long runs took, in order of length. Pure.

/** @param {object[]} runs @returns {number[]} of those that ended well, shortest first */
export function durationsOf(runs) {
	const ended = runs.filter(({ status, durationMs }) => status === "succeeded" && durationMs !== null);
	return ended.map(({ durationMs }) => durationMs).sort((one, other) => one - other);
}

/** @param {number[]} sorted not empty @param {number} share from 0 to 1 @returns {number} so long or shorter were that many */
export function percentile(sorted, share) {
	return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
}

/**
 * Where each run that has ended stands in a picture, from 0 to 1 in both directions.
 * @param {object[]} runs of which at least one has ended
 */
export function pointsOf(runs) {
	const ended = runs.filter(({ durationMs, completedAt }) => durationMs !== null && completedAt);
	const times = ended.map(({ completedAt }) => Date.parse(completedAt));
	const first = Math.min(...times);
	const last = Math.max(...times);
	const longest = Math.max(...ended.map(({ durationMs }) => durationMs), 1);
	const points = ended.map((run, index) => ({
		run,
		x: (times[index] - first) / Math.max(last - first, 1),
		y: run.durationMs / longest,
	}));
	return { points, first, last, longest };
}
