// What limits the starts of a job's runs, in words. Pure.

import { duration } from "../../state/times.js";
import { texts } from "../../texts.js";

/** @returns {string[]} */
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
	].filter(Boolean);
}
