// All jobs: what each is, whether it may start, what limits it.

/** @import { Column, On } from "../parts.js" */
/** @import { Trend } from "./trends.js" */

import { absolute, Answered, Empty, html, JobLink, jobName, Link, Status, Table, Time } from "../parts.js";
import { address, all, change, get, minutesOff, moment, now, positionTime, useAnswer, useRefresh } from "../state.js";
import { rangeOf } from "../state/statistics.js";
import { duration } from "../state/times.js";
import { number, texts } from "../texts.js";
import { limitsOf } from "./definition.js";
import { jobsOf, latest, Sparkline } from "./trends.js";

/** @typedef {{jobs: Api.Definition[], failing: Map<string, number>}} Known */

export function Screen() {
	const asked = useAnswer(load, []);
	useRefresh("jobs", asked.again);
	useRefresh("deletedJobs", asked.again);
	useRefresh("failures", asked.again);
	const trends = useTrends();
	const { q = "" } = Object.fromEntries(address.value.words);
	const search = (/** @type {On} */ { target }) => searchFor(target.value);
	return html`<div class="screen-head">
			<h1>${texts.jobs.title} ${asked.answer && html`<span class="count">${number(asked.answer.jobs.length)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
				<input type="search" data-filter aria-label=${texts.jobs.search} placeholder=${texts.jobs.search} value=${q} onInput=${search} />
			</form>
		</div>
		<${Answered} asked=${asked}>${(/** @type {Known} */ known) => html`<${List} ...${known} trends=${trends} sought=${q} />`}<//>`;
}

/** @param {string} text */
const searchFor = (text) => change({ words: text ? [["q", text]] : [] }, { replace: true });

/** All jobs, and how many open groups of failures each has. @param {AbortSignal} signal @returns {Promise<Known>} */
async function load(signal) {
	const [jobs, groups] = await Promise.all([
		get("/jobs", moment.value, signal),
		all("/failures", [["status", "open"], ...moment.value], signal),
	]);
	const failing = new Map();
	for (const { job } of groups) failing.set(job, (failing.get(job) ?? 0) + 1);
	return { jobs: jobs.data, failing };
}

const EVERY_MS = 10_000;

/** What became of the runs of each job within a day. @returns {Map<string, Trend>} */
function useTrends() {
	const asked = useAnswer(trendsOfDay, [positionTime.value, minutesOff.value], { everyMs: EVERY_MS });
	return asked.answer ?? new Map();
}

/** @param {AbortSignal} signal @returns {Promise<Map<string, Trend>>} */
async function trendsOfDay(signal) {
	const { from, to, bucketMs } = rangeOf("24h", now.value);
	const query = [["from", from], ["to", to], ["bucketMs", bucketMs], ["groupBy", "job"], ...moment.value];
	const { data, meta } = await get("/job-runs/statistics", query, signal);
	return new Map(jobsOf(data.buckets, meta).map((trend) => [trend.slug, trend]));
}

/** @param {Known & {trends: Map<string, Trend>, sought: string}} props */
function List({ jobs, failing, trends, sought }) {
	const trendOfJob = (/** @type {Api.Definition} */ { slug }) => trends.get(slug.toLowerCase());
	const words = texts.jobs.columns;
	if (jobs.length === 0)
		return html`<${Empty} title=${texts.jobs.empty} hint=${texts.jobs.emptyHint} command=${texts.jobs.emptyCommand} />`;
	const found = jobs.filter((job) => isSought(job, sought.trim().toLowerCase()));
	if (found.length === 0) return html`<${Empty} title=${texts.jobs.noMatch} hint=${texts.jobs.noMatchHint}>
		<button onClick=${() => searchFor("")}>${texts.jobs.showAll}</button>
	<//>`;
	/** @type {Column<Api.Definition>[]} */
	const columns = [
		{
			name: "first",
			title: words.job,
			cell: (job) =>
				html`<${JobLink} slug=${job.slug}><strong>${jobName(job)}</strong><//>${" "}
					<small class="id">${job.slug}</small>`,
		},
		{
			name: "state",
			title: words.health,
			cell: (job) => html`<${Health} job=${job} failing=${failing.get(job.slug) ?? 0} />`,
		},
		{ name: "day", title: words.day, cell: (job) => html`<${Day} trend=${trendOfJob(job)} />` },
		{ name: "took", title: words.took, cell: (job) => tookOf(trendOfJob(job)) },
		{ name: "version", title: words.version, cell: ({ version }) => version },
		{ name: "limits", title: words.limits, cell: (job) => html`<small>${limitsOf(job).join(", ") || "–"}</small>` },
		{ name: "updated", title: words.updated, cell: ({ updatedAt }) => html`<${Time} at=${updatedAt} />` },
	];
	return html`<${Table} label=${texts.jobs.title} rows=${found} keyOf=${(/** @type {Api.Definition} */ { slug }) => slug} columns=${columns} />`;
}

/** @param {Api.Definition} job @param {string} sought in small letters */
const isSought = ({ name, slug, entryPoint }, sought) =>
	[name, slug, entryPoint].some((text) => text.toLowerCase().includes(sought));

const MINUTE_MS = 60_000;

/** How long its runs took lately. @param {Trend | undefined} trend */
const tookOf = (trend) => (trend && latest(trend.buckets, "durationMs")?.join(" / ")) ?? "–";

/** What became of its runs within a day. @param {{trend?: Trend}} props */
function Day({ trend }) {
	if (!trend || trend.ended === 0) return html`<span class="quiet">–</span>`;
	const { buckets, ended, failed, worse } = trend;
	const last = buckets.findLast((bucket) => bucket.ended > 0);
	const ago = last && duration(Math.ceil((now.value - Date.parse(last.at)) / MINUTE_MS) * MINUTE_MS);
	return html`<span class="day"><${Sparkline} buckets=${buckets} />
		<small>${texts.trends.day(ended, failed)}<br />${ago && texts.trends.lastWithin(ago)}</small></span>
		${worse && html`<strong class="worse">${texts.trends.worse[worse.what](worse.factor, absolute(worse.since))}</strong>`}`;
}

/** @param {{job: Api.Definition, failing: number}} props */
function Health({ job, failing }) {
	if (job.paused) return html`<${Status} status="paused" />`;
	if (failing === 0) return html`<${Status} status="ready" label=${texts.schedules.active} />`;
	return html`<${Link} to=${{ view: "failures", words: [["job", job.slug]] }}>
		<${Status} status="failed" label=${texts.jobs.failing(failing)}
	/><//>`;
}
