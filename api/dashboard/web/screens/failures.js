// What fails, by cause: groups that open, are resolved or ignored, and open again.

/** @import { On } from "../parts.js" */
/** @import { Asked } from "../state/loading.js" */

import { signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { absolute, Answered, attempt, Bars, Empty, html, JobLink, Link, MoreRows, RunLink, Status, Time } from "../parts.js";
import {
	address, all, ApiError, asOf, change, get, inPath, mayAct, minutesOff, moment, pageOf, pagesOf, post, present, useAnswer, useRefresh,
} from "../state.js";
import { stillOrder } from "../state/filters.js";
import { bucketsOf, failuresOf } from "../state/statistics.js";
import { duration } from "../state/times.js";
import { texts } from "../texts.js";
import { BulkDialog } from "./bulk.js";
import { Chip } from "./filter_bar.js";
import { GroupLogs } from "./group_logs.js";
import { Runs } from "./run_failure.js";
import { RunTable } from "./run_table.js";
import { Sparkline } from "./trends.js";

const STATUSES = ["open", "resolved", "ignored"];

/** @typedef {{rows: Api.FailureGroup[], next: string | null}} Page */

export function Screen() {
	const { words, id } = address.value;
	const given = Object.fromEntries(words);
	const status = given.status ?? "open";
	const list = JSON.stringify([id, status, given.job, asOf.value]);
	const shown = useRef({ list, count: 0 }); // So many rows are read again, whatever fails meanwhile.
	if (shown.current.list !== list) shown.current = { list, count: 0 };
	const asked = useAnswer(
		(signal) => pagesOf((cursor) => load(id, status, given.job, signal, cursor), shown.current.count),
		[id, status, given.job],
	);
	useRefresh("failures", asked.again);
	const show = (/** @type {string} */ shown) =>
		change({ id: "", words: [["status", shown], ...words.filter(([name]) => name !== "status")] });
	const showAllJobs = () => change({ words: words.filter(([name]) => name !== "job") });
	const more = async (/** @type {string} */ cursor) => {
		const page = await load("", status, given.job, undefined, cursor);
		shown.current.count = Math.max(shown.current.count, asked.answer?.rows.length ?? 0) + page.rows.length;
		return page;
	};
	return html`<div class="screen-head">
			<h1>${texts.failures.title}</h1>
			<div class="group" role="group" aria-label=${texts.runs.columns.status}>
				${STATUSES.map((one) => html`
					<button key=${one} aria-pressed=${!id && one === status} onClick=${() => show(one)}>${one}</button>
				`)}
			</div>
			${!id && given.job && html`<${Chip} word=${["job", given.job]} remove=${showAllJobs} />`}
		</div>
		<${Answered} asked=${asked} list=${id && "failures"}>
			${(/** @type {Page} */ { rows }) => html`<${List} key=${list} groups=${rows} job=${given.job} asked=${asked} load=${more} />`}
		<//>`;
}

/**
 * @param {string} id of a single group, else "" @param {string} status @param {string | undefined} job
 * @param {AbortSignal} [signal] @param {string | null} cursor
 * @returns {Promise<Page>}
 */
async function load(id, status, job, signal, cursor = null) {
	if (id) return { rows: [await groupOf(id, signal)], next: null };
	return pageOf("/failures", [["status", status], ["job", job], ...moment.value], cursor, signal);
}

/**
 * A single group has no past of its own; the list of all has.
 * @param {string} id @param {AbortSignal} [signal] @returns {Promise<Api.FailureGroup>}
 */
async function groupOf(id, signal) {
	if (asOf.value === "") return (await get(`/failures/${inPath(id)}`, [], signal)).data;
	const groups = await all("/failures", moment.value, signal);
	const found = groups.find((/** @type {Api.FailureGroup} */ { fingerprint }) => fingerprint === id);
	if (!found) throw new ApiError(404, "failure_not_found", texts.failures.notThen);
	return found;
}

/** @param {{groups: Api.FailureGroup[], job?: string, asked: Asked<Page>, load: (cursor: string) => Promise<Page>}} props */
function List({ groups: found, job, asked, load: loadMore }) {
	const groups = useStill(found);
	const trends = useTrends(groups);
	if (groups.length === 0)
		return html`<${Empty} title=${texts.failures.empty} hint=${job ? texts.failures.emptyOfJob(job) : texts.failures.emptyHint} />`;
	return html`<ul class="stack">
			${groups.map((group) => html`
				<${Group} key=${group.fingerprint} group=${group} trend=${trends.get(group.fingerprint)} again=${asked.again}
					isOpen=${address.value.id === group.fingerprint} />
			`)}
		</ul>
		<${MoreRows} asked=${asked} load=${loadMore} />`;
}

/**
 * Those that are shown stay where they are while they fail on, or one would resolve another than one reads; new ones come first.
 * @param {Api.FailureGroup[]} groups @returns {Api.FailureGroup[]}
 */
function useStill(groups) {
	const order = useRef(/** @type {string[]} */ ([]));
	order.current = stillOrder(order.current, groups.map(({ fingerprint }) => fingerprint));
	const places = new Map(order.current.map((fingerprint, place) => [fingerprint, place]));
	const placeOf = (/** @type {Api.FailureGroup} */ { fingerprint }) => places.get(fingerprint) ?? 0;
	return groups.toSorted((one, other) => placeOf(one) - placeOf(other));
}

// When each group failed within a day, and how often, as the service counts it.

const DAY_MS = 86_400_000;
const HALF_HOUR_MS = 1_800_000;
const EVERY_MS = 10_000;
const AT_ONCE = 100;

/** @typedef {{buckets: ReturnType<typeof failuresOf>, failed: number, isWhole: boolean, since: string}} Trend */

/** @param {Api.FailureGroup[]} groups @returns {Map<string, Trend>} by fingerprint; empty in the past */
function useTrends(groups) {
	const ids = groups.map(({ fingerprint }) => fingerprint);
	const asked = useAnswer((signal) => trendsOf(ids, signal), [ids.toSorted().join(","), minutesOff.value], { everyMs: EVERY_MS });
	return asked.answer ?? new Map();
}

/** @param {string[]} ids @param {AbortSignal} signal @returns {Promise<Map<string, Trend>>} */
async function trendsOf(ids, signal) {
	if (asOf.value || ids.length === 0) return new Map();
	/** @type {string[][]} */
	const parts = [];
	for (let at = 0; at < ids.length; at += AT_ONCE) parts.push(ids.slice(at, at + AT_ONCE));
	const to = Math.ceil(present.value / HALF_HOUR_MS) * HALF_HOUR_MS;
	const [from, until] = [to - DAY_MS, to].map((ms) => new Date(ms).toISOString());
	const meta = { from, to: until, bucketMs: HALF_HOUR_MS };
	const answers = await Promise.all(
		parts.map((some) => get("/failures/over-time", [["group", some.join(",")], ["from", from], ["bucketMs", HALF_HOUR_MS]], signal)),
	);
	/** @param {Api.FailuresOverTime} group @returns {[string, Trend]} */
	const trendOfGroup = ({ fingerprint, since, buckets }) => {
		const failed = buckets.reduce((total, { failures }) => total + failures, 0);
		return [fingerprint, { buckets: failuresOf(buckets, meta), failed, isWhole: Date.parse(since) <= Date.parse(from), since }];
	};
	return new Map(answers.flatMap(({ data }) => data).map(trendOfGroup));
}

// A group of failures: its cause, how often, in which versions, a run of it; and what can be said or done about it.

/** @typedef {"resolve" | "ignore" | "reopen"} Verdict */

/** @type {Record<Api.FailureGroup["status"], Verdict[]>} */
const MAY = { open: ["resolve", "ignore"], resolved: ["reopen"], ignored: ["reopen"] };

const retrying = signal(""); // The group's fingerprint.

/** Which groups' details are open: as they were left, when somebody comes back from one of their runs. @type {Map<string, boolean>} */
const areOpen = new Map();

/** @param {{group: Api.FailureGroup, trend?: Trend, again: () => void, isOpen: boolean}} props `isOpen` where it is the only one */
function Group({ group, trend, again, isOpen }) {
	const place = `${isOpen} ${group.fingerprint}`; // What is open by itself on the group's own page is not in the list.
	const shows = useSignal(areOpen.get(place) ?? isOpen);
	const {
		fingerprint, title, job, reason, frame, status, count, recovered, firstAt, lastAt, affectedVersions,
		sampleRun, resolvedInVersion,
	} = group;
	const words = texts.failures;
	const say = (/** @type {Verdict} */ what) =>
		attempt(() => post(`/failures/${fingerprint}/${what}`).then(again), words.done[what]);
	const toggle = (/** @type {On<HTMLDetailsElement>} */ { target }) => {
		shows.value = target.open;
		areOpen.set(place, target.open);
	};
	const runs = [["failureGroup", fingerprint]];
	const isResolvedByItself = status === "resolved" && count === 0 && resolvedInVersion === null;
	return html`<li class="card stack">
		<div class="screen-head">
			<${Status} status=${status} />
			<h2 class="failure-title">${title}</h2>
			${mayAct.value && html`<div class="actions">
				${status === "open" && html`
					<button onClick=${() => (retrying.value = fingerprint)}>${words.retryAll} …</button>
				`}
				${MAY[status].map((what) => html`<button key=${what} onClick=${() => say(what)}>${words[what]}</button>`)}
			</div>`}
		</div>
		<p>
			<${JobLink} slug=${job} /> · <code>${reason}</code> ${frame && html`· <code>${frame}</code>`} ·${" "}
			${words.versions(affectedVersions)}
		</p>
		<p>
			<strong>${words.times(count + recovered)}</strong>${recovered > 0 && `, ${words.recovered(recovered)}`} ·${" "}
			${words.first} <${Time} at=${firstAt} /> · ${words.last} <${Time} at=${lastAt} /> · ${words.sample}:${" "}
			<${RunLink} id=${sampleRun} /> · <${Link} to=${{ view: "runs", words: runs }}>${texts.runs.title}<//>
		</p>
		${recovered > 0 && html`<p class="quiet">${isResolvedByItself ? words.allRecovered : words.howRecovered}</p>`}
		${trend && html`<p><${Sparkline} buckets=${trend.buckets} /> <small>${trend.isWhole ? words.day(trend.failed) : words.since(trend.failed, absolute(trend.since))}</small></p>`}
		<details open=${shows.value} onToggle=${toggle}>
			<summary>${words.details}</summary>
			${shows.value && html`<${Details} group=${group} />`}
		</details>
		${retrying.value === fingerprint && html`
			<${BulkDialog} action="retry" words=${[["job", job], ...runs, ["retried", "false"]]} onClose=${() => (retrying.value = "")} />
		`}
	</li>`;
}

// Of a group of failures: when its newest failed, as bars over time, and which runs those are.

const NEWEST = 50;
const SHOWN = 10;
const BARS = 30;
const SHORTEST_MS = 1_000;

/** @param {{group: Api.FailureGroup}} props */
function Details({ group }) {
	const { fingerprint, lastAt } = group;
	const query = [["failureGroup", fingerprint], ["limit", NEWEST], ...moment.value];
	const asked = useAnswer(
		async (signal) => (await get("/job-runs", query, signal)).data.map((/** @type {Api.RunWithJob} */ { run }) => run),
		[fingerprint],
		{ newer: [lastAt] },
	);
	return html`<${Answered} asked=${asked}>
		${(/** @type {Api.Run[]} */ runs) => html`<${Found} runs=${runs} fingerprint=${fingerprint} lastAt=${Date.parse(lastAt)} />`}
	<//>`;
}

/** @param {{runs: Api.Run[], fingerprint: string, lastAt: number}} props */
function Found({ runs, fingerprint, lastAt }) {
	const words = texts.failures;
	if (runs.length === 0) return html`<${Empty} title=${words.noRuns} hint=${words.noRunsHint} />`;
	const firstAt = Math.min(...runs.map(({ completedAt }) => (completedAt ? Date.parse(completedAt) : lastAt)));
	const unit = Math.max((lastAt - firstAt) / (BARS - 1), SHORTEST_MS);
	const buckets = bucketsOf(runs, lastAt, BARS, unit);
	return html`<div class="stack">
		${runs.length > 1 && html`<${Bars} buckets=${buckets} text=${words.trend(runs.length, duration(lastAt - firstAt))}
			told=${(/** @type {{all: number}} */ { all }) => words.times(all)} />`}
		<${Repeated} runs=${runs.slice(0, SHOWN)} />
		<${GroupLogs} runs=${runs} group=${fingerprint} />
	</div>`;
}

/**
 * Runs that failed, each with the newest run that repeats it: whether that helped, and with other parameters.
 * @param {{runs: Api.Run[]}} props
 */
function Repeated({ runs }) {
	const ids = runs.map(({ id }) => id);
	const { answer } = useAnswer((signal) => repeatsOf(ids, signal), [ids.join()], { everyMs: EVERY_MS });
	const column = {
		name: "repeated",
		title: texts.run.facts.repeated,
		cell: (/** @type {Api.Run} */ run) => html`<${Runs} runs=${answer?.get(run.id) ?? []} origin=${run} />`,
	};
	return html`<${RunTable} runs=${runs} isBrief more=${asOf.value ? [] : [column]} />`;
}

/** @param {string[]} ids @param {AbortSignal} signal @returns {Promise<Map<string, Api.Run[]>>} empty in the past, of which nobody knows */
async function repeatsOf(ids, signal) {
	if (asOf.value) return new Map();
	const answers = await Promise.all(ids.map((id) => get(`/job-runs/${id}/related`, [["limit", 1]], signal)));
	return new Map(answers.map(({ data }, place) => [ids[place], data.retries]));
}
