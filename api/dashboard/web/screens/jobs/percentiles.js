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
