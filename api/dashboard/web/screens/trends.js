// Runs over time: how many ended and failed, how long they waited and took, from the service's statistics.

/** @import { Children, Column, On } from "../parts.js" */
/** @import { Stretch, Worse } from "../state/statistics.js" */

import { useSignal } from "@preact/signals";

import { absolute, absoluteMinute, Answered, closeMenu, html, into, JobLink, Link, Table } from "../parts.js";
import { address, change, get, minutesOff, moment, now, positionTime, useAnswer } from "../state.js";
import { ownRange, rangeOf, RANGES, summed, trendOf, worsening } from "../state/statistics.js";
import { duration, localInput, utc, zone } from "../state/times.js";
import { number, texts } from "../texts.js";

const EVERY_MS = 10_000;
const MINUTE_MS = 60_000;

/** So many jobs are listed, those with the most failures first. */
const MAX_JOBS = 12;

/** @typedef {{buckets: Stretch[], byJob: Api.Bucket[], meta: Api.StatisticsMeta}} Statistics `byJob` only of all jobs */

/** @param {{job?: string}} props a slug: of this job alone; else of all, with a table of jobs */
export function Trends({ job }) {
	const range = address.value.range || RANGES[0].name;
	const asked = useAnswer((signal) => load(range, job, signal), [range, job, positionTime.value, minutesOff.value], { everyMs: EVERY_MS });
	return html`<section class="card stack trends">
		<div class="screen-head">
			<h2>${texts.trends.title}</h2>
			<${Range} range=${range} />
		</div>
		<${Answered} asked=${asked} lines=${6}>${(/** @type {Statistics} */ statistics) => html`<${Charts} ...${statistics} isOfOneJob=${Boolean(job)} />`}<//>
	</section>`;
}

/**
 * All that is shown, by job; sums over jobs are those of the counts, and quantiles are asked for apart.
 * @param {string} range @param {string | undefined} job @param {AbortSignal} signal @returns {Promise<Statistics>}
 */
async function load(range, job, signal) {
	const { from, to, bucketMs } = rangeOf(range, now.value);
	const query = [
		["from", from], ["to", to], ["bucketMs", bucketMs], ["job", job], ...moment.value,
	];
	const [whole, byJob] = await Promise.all([
		get("/job-runs/statistics", query, signal),
		job ? null : get("/job-runs/statistics", [...query, ["groupBy", "job"]], signal),
	]);
	const { meta } = whole;
	return { buckets: trendOf(whole.data.buckets, meta), byJob: byJob?.data.buckets ?? [], meta };
}

/** @param {{range: string}} props */
function Range({ range }) {
	const words = texts.trends;
	const own = ownRange(range);
	const [from, to] = own?.map(localInput) ?? ["", ""];
	const begin = useSignal(from);
	const end = useSignal(to);
	const choose = (/** @type {string} */ name) => change({ range: name === RANGES[0].name ? "" : name });
	const submit = (/** @type {On<HTMLFormElement>} */ event) => {
		event.preventDefault();
		const [from, to] = [begin.value, end.value].map((text) => Date.parse(text)).sort((one, other) => one - other);
		choose([from, Math.max(to, from + MINUTE_MS)].map((at) => new Date(at).toISOString()).join("/"));
		closeMenu(event.target);
	};
	return html`<div class="group" role="group" aria-label=${words.range}>
		${RANGES.map(({ name }) => html`
			<button key=${name} aria-pressed=${range === name} onClick=${() => choose(name)}>${words.ranges[name]}</button>
		`)}
		<details class="menu">
			<summary>${own?.map(absolute).join(" – ") ?? words.own}</summary>
			<form class="menu-box stack" onSubmit=${submit}>
				<label>${words.from}<input type="datetime-local" required value=${begin.value} onInput=${into(begin)} /></label>
				<label>${words.to}<input type="datetime-local" required value=${end.value} onInput=${into(end)} /></label>
				<small>${texts.zone(zone())}</small>
				<button>${words.show}</button>
			</form>
		</details>
	</div>`;
}

/** @param {Statistics & {isOfOneJob: boolean}} props */
function Charts({ buckets, byJob, meta, isOfOneJob }) {
	const words = texts.trends;
	const { ended, failed, created } = summed(buckets);
	const jobs = jobsOf(byJob, meta).filter(({ ended }) => ended > 0);
	return html`
		<${Chart} title=${words.throughput} text=${words.sum(created, ended, failed)} meta=${meta}>
			<${EndedBars} buckets=${buckets} meta=${meta} job=${isOfOneJob ? address.value.id : ""} />
		<//>
		<div class="two-charts">
			<${Chart} title=${words.waits} text=${html`<${Key} buckets=${buckets} of="queueMs" />`} meta=${meta}>
				<${Lines} buckets=${buckets} of="queueMs" meta=${meta} job=${isOfOneJob ? address.value.id : ""} />
			<//>
			<${Chart} title=${words.durations} text=${html`<${Key} buckets=${buckets} of="durationMs" />`} meta=${meta}>
				<${Lines} buckets=${buckets} of="durationMs" meta=${meta} job=${isOfOneJob ? address.value.id : ""} />
			<//>
		</div>
		${jobs.length > 0 && html`<${Jobs} jobs=${jobs} meta=${meta} />`}
	`;
}

const inWords = (/** @type {number | null} */ ms) => (ms === null ? "–" : duration(ms));

/** @typedef {"queueMs" | "durationMs"} Measure */

/**
 * The quantiles of the newest bucket that has any; null where none has.
 * @param {Stretch[]} buckets @param {Measure} of @returns {[half: string, most: string] | null}
 */
export function latest(buckets, of) {
	const last = buckets.findLast((bucket) => bucket[of].p50 !== null)?.[of];
	return last ? [inWords(last.p50), inWords(last.p95)] : null;
}

/** What the lines mean, and where they end; or why there are none. @param {{buckets: Stretch[], of: Measure}} props */
function Key({ buckets, of }) {
	const words = texts.trends;
	const quantiles = latest(buckets, of);
	if (!quantiles) return words.noLine(summed(buckets).ended);
	const [half, most] = quantiles;
	return html`<span class="key p50">${words.median} ${half}</span> <span class="key p95">${words.most} ${most}</span>`;
}

/** @param {{title: string, text: Children, meta: Api.StatisticsMeta, children: Children}} props */
function Chart({ title, text, meta, children }) {
	const [from, to] = [meta.from, meta.to].map((at) => Date.parse(at));
	const times = [from, (from + to) / 2, to];
	return html`<figure class="chart">
		<figcaption><strong>${title}</strong> <span class="quiet">${text}</span></figcaption>
		${children}
		<div class="chart-times quiet">${times.map((at) => html`<span key=${at} title=${utc(at)}>${absoluteMinute(at)}</span>`)}</div>
	</figure>`;
}

const WIDTH = 1_000;
const HEIGHT = 100;
const POINT = 6;

/** Each bar leads to the runs that ended then. @param {{buckets: Stretch[], meta: Api.StatisticsMeta, job: string}} props */
function EndedBars({ buckets, meta, job }) {
	const most = Math.max(...buckets.map(({ ended }) => ended), 1);
	const width = WIDTH / buckets.length;
	/** @param {"ok" | "bad"} name @param {number} count @param {number} index */
	const bar = (name, count, index) => {
		const height = (count / most) * (HEIGHT - 1);
		return html`<rect class=${name} x=${index * width} width=${width * 0.9} y=${HEIGHT - height} height=${height} />`;
	};
	return html`<div class="chart-box">${buckets.some(({ ended }) => ended > 0) && html`<span class="chart-most">${texts.trends.highest(most, duration(meta.bucketMs))}</span>`}
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
			${buckets.map((bucket, index) => html`<${Link} key=${bucket.at} to=${endedThen(bucket, meta, job)} class="chart-link" tabindex="-1">
				<title>${texts.trends.bar(absolute(bucket.at), bucket.ended, bucket.failed)}</title>
				<rect class="hit" x=${index * width} width=${width} y="0" height=${HEIGHT} />
				${bar("ok", bucket.ended, index)}${bar("bad", bucket.failed, index)}
			<//>`)}
		</svg></div>`;
}

/** @param {Stretch} bucket @param {Api.StatisticsMeta} meta @param {string} job */
function endedThen({ at }, { bucketMs }, job) {
	const until = new Date(Date.parse(at) + bucketMs).toISOString();
	return { view: "runs", words: [...(job ? [["job", job]] : []), ["endedAfter", at], ["endedBefore", until]] };
}

/**
 * The median and 95 % over time; where nothing ended, there is a gap. Each point leads to the runs that ended then.
 * @param {{buckets: Stretch[], of: Measure, meta: Api.StatisticsMeta, job: string}} props
 */
function Lines({ buckets, of, meta, job }) {
	const most = Math.max(...buckets.map((bucket) => bucket[of].p95 ?? 0), 1);
	const width = WIDTH / buckets.length;
	const x = (/** @type {number} */ index) => (index + 0.5) * width;
	/** @param {"p50" | "p95"} quantile @returns {string} lines between neighbours, and points where there is none */
	const path = (quantile) => {
		const values = buckets.map((bucket) => bucket[of][quantile]);
		return values.map((value, index) => {
			if (value === null) return "";
			const hasBefore = values[index - 1] != null;
			const hasNext = values[index + 1] != null;
			const y = HEIGHT - (value / most) * (HEIGHT - 2) - 1;
			if (!hasBefore && !hasNext) return `M${x(index) - POINT / 2} ${y}h${POINT}`;
			return `${hasBefore ? "L" : "M"}${x(index)} ${y}`;
		}).join("");
	};
	return html`<div class="chart-box">${buckets.some((bucket) => bucket[of].p95 !== null) && html`<span class="chart-most">${duration(most)}</span>`}
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
			<path class="line p95" d=${path("p95")} vector-effect="non-scaling-stroke" />
			<path class="line p50" d=${path("p50")} vector-effect="non-scaling-stroke" />
			${buckets.map((bucket, index) => bucket[of].p50 !== null && html`<${Link} key=${bucket.at} class="chart-link" tabindex="-1"
				to=${{ ...endedThen(bucket, meta, job), sort: of === "durationMs" ? "duration" : "" }}>
				<title>${texts.trends.point(absolute(bucket.at), inWords(bucket[of].p50), inWords(bucket[of].p95))}</title>
				<rect class="hit" x=${index * width} width=${width} y="0" height=${HEIGHT} />
			<//>`)}
		</svg></div>`;
}

// Each job: how much, how well, how long, and whether that gets worse.

/** @typedef {{slug: string, buckets: Stretch[], created: number, ended: number, failed: number, worse: Worse | null}} Trend */

/** @param {Api.Bucket[]} byJob @param {Api.StatisticsMeta} meta @returns {Trend[]} */
export function jobsOf(byJob, meta) {
	const slugs = [...new Set(byJob.map(({ job }) => job ?? ""))];
	const jobs = slugs.map((slug) => {
		const buckets = trendOf(byJob.filter(({ job }) => job === slug), meta);
		return { slug, buckets, ...summed(buckets), worse: worsening(buckets) };
	});
	return jobs.sort((one, other) => other.failed - one.failed || other.ended - one.ended);
}

/** @param {{jobs: Trend[], meta: Api.StatisticsMeta}} props */
function Jobs({ jobs, meta }) {
	const words = texts.trends.columns;
	/** @type {Column<Trend>[]} */
	const columns = [
		{ name: "first", title: words.job, cell: ({ slug }) => html`<${JobLink} slug=${slug} />` },
		{ name: "ended", title: words.ended, cell: ({ ended }) => number(ended) },
		{ name: "failed", title: words.failed, cell: (job) => html`<${Failed} ...${job} meta=${meta} />` },
		{ name: "waits", title: words.waits, cell: ({ buckets }) => latest(buckets, "queueMs")?.[1] ?? "–" },
		{ name: "took", title: words.took, cell: ({ buckets }) => latest(buckets, "durationMs")?.join(" / ") ?? "–" },
		{ name: "trend", title: words.trend, cell: ({ buckets }) => html`<${Sparkline} buckets=${buckets} />` },
		{ name: "worse", title: words.worse, cell: ({ worse }) => worse && html`<strong class="worse">${texts.trends.worse[worse.what](worse.factor, absolute(worse.since))}</strong>` },
	];
	return html`
		<${Table} label=${texts.trends.byJob} rows=${jobs.slice(0, MAX_JOBS)} keyOf=${(/** @type {Trend} */ { slug }) => slug} columns=${columns} />
		${jobs.length > MAX_JOBS && html`<p><${Link} to=${{ view: "jobs" }}>${texts.trends.moreJobs(jobs.length - MAX_JOBS)}<//></p>`}
	`;
}

/** It leads to those that it counts. @param {Trend & {meta: Api.StatisticsMeta}} props */
function Failed({ slug, ended, failed, meta: { from, to } }) {
	if (failed === 0) return "0";
	const share = texts.trends.share(failed / ended);
	const words = [["job", slug], ["status", "failed,expired"], ["endedAfter", from], ["endedBefore", to]];
	return html`<${Link} to=${{ view: "runs", words }}>${number(failed)} · ${share}<//>`;
}

const SPARK_HEIGHT = 24;
const SPARK_WIDTH = 96;

/**
 * How many ended over time, in a line of text's height; the table beside it says the same in numbers.
 * @param {{buckets: Pick<Stretch, "at" | "ended" | "failed">[]}} props
 */
export function Sparkline({ buckets }) {
	const most = Math.max(...buckets.map(({ ended }) => ended), 1);
	const width = SPARK_WIDTH / buckets.length;
	// All bars are one path: there may be hundreds of jobs.
	const bars = (/** @type {"ended" | "failed"} */ name) => buckets.map(({ [name]: count }, index) => {
		const height = (count / most) * SPARK_HEIGHT;
		return count > 0 ? `M${index * width} ${SPARK_HEIGHT}v${-height}h${width * 0.9}v${height}z` : "";
	}).join("");
	return html`<svg class="sparkline" viewBox="0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
		<path class="ok" d=${bars("ended")} /><path class="bad" d=${bars("failed")} />
	</svg>`;
}
