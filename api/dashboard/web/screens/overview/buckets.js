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
