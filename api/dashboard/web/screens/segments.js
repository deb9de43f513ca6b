// What a run did with its time, from its events: waits, attempts, back-offs; and where they stand in a picture. Pure.

/** @typedef {{number: number, kind: "wait" | "backoff" | "run", from: number, to: number, attempt?: number, worker?: string,
 *   outcome?: string, isOpen: boolean}} Segment */

/** @type {Record<string, string>} */
const ENDS = {
	"job_run.succeeded": "succeeded",
	"job_run.attempt_failed": "failed",
	"job_run.attempt_timed_out": "timed_out",
	"job_run.attempt_lost": "lost",
	"job_run.handed_back": "handed_back",
	"job_run.canceled": "canceled",
	"job_run.start_deadline_passed": "expired",
};

/** Which events move a run on. */
export const STEPS = ["job_run.started", ...Object.keys(ENDS)];

/**
 * @param {Api.Event[]} events of the run, in order @param {number} now where what goes on ends for the moment
 * @returns {Segment[]} one behind the other, without a gap
 */
export function segmentsOf(events, now) {
	/** @type {Segment[]} */
	const segments = [];
	/** @type {Pick<Segment, "kind" | "from" | "attempt" | "worker"> | null} */
	let open = null;
	/** @param {number} at @param {string} [outcome] */
	const end = (at, outcome) => {
		if (!open) return;
		segments.push({ ...open, number: segments.length, to: at, outcome, isOpen: false });
		open = null;
	};
	for (const { type, data, occurredAt } of events) {
		const at = Date.parse(occurredAt);
		if (type === "job_run.requested") {
			open = { kind: "wait", from: at };
		} else if (type === "job_run.started") {
			end(at);
			open = { kind: "run", from: at, attempt: data.attempt, worker: data.worker_id };
		} else if (ENDS[type]) {
			end(at, ENDS[type]);
			if (data.retry_at) open = { kind: "backoff", from: at };
			else if (type === "job_run.handed_back") open = { kind: "wait", from: at };
		}
	}
	if (open) segments.push({ ...open, number: segments.length, to: Math.max(now, open.from), isOpen: true });
	return segments;
}

/** @typedef {Segment & {start: number, width: number, isCollapsed: boolean}} Place from 0 to 1 in a picture */

/** A wait that is longer than this many times all attempts together is drawn no longer than that. */
const LONGEST_IDLE = 0.6;

/** However short, a segment can be seen and touched. */
const NARROWEST = 0.02;

/**
 * Where each segment stands, from 0 to 1. Idle time that would leave no room for the attempts is collapsed.
 * @param {Segment[]} segments
 * @returns {Place[]}
 */
export function placed(segments) {
	const length = (/** @type {Segment} */ { from, to }) => Math.max(to - from, 1);
	const busy = segments.filter(({ kind }) => kind === "run").reduce((sum, one) => sum + length(one), 0);
	const longest = busy > 0 ? busy * LONGEST_IDLE : Infinity;
	const drawn = segments.map((segment) => {
		const isCollapsed = segment.kind !== "run" && length(segment) > longest;
		return { ...segment, isCollapsed, drawn: isCollapsed ? longest : length(segment) };
	});
	const whole = drawn.reduce((sum, one) => sum + one.drawn, 0);
	const widths = drawn.map((one) => Math.max(one.drawn / whole, NARROWEST));
	const total = widths.reduce((sum, width) => sum + width, 0);
	let start = 0;
	return drawn.map(({ drawn: _, ...segment }, index) => {
		const width = widths[index] / total;
		const place = { ...segment, start, width };
		start += width;
		return place;
	});
}

/**
 * The way a run took through the machine of states.
 * @param {Api.Event[]} events @returns {string[]} statuses in order, beginning with pending
 */
export function pathOf(events) {
	/** @type {string[]} */
	const path = [];
	for (const { type, data } of events) {
		const status = statusAfter(type, data, path.at(-1));
		if (status && status !== path.at(-1)) path.push(status);
	}
	return path;
}

/** @param {string} type @param {Record<string, any>} data @param {string | undefined} before */
function statusAfter(type, data, before) {
	if (type === "job_run.requested" || type === "job_run.handed_back") return "pending";
	if (type === "job_run.started") return "running";
	if (type === "job_run.succeeded") return "succeeded";
	if (type === "job_run.canceled") return "canceled";
	if (type === "job_run.start_deadline_passed") return "expired";
	if (!ENDS[type]) return before;
	if (data.retry_at) return "pending";
	return type === "job_run.attempt_timed_out" ? "expired" : "failed";
}
