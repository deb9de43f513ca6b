// Everything at a glance: how many runs are in which state, how they fare, what needs attention, who works.

import { Answered, Empty, html, Icon, JobLink, jobName, Link, RunLink, Status, Time } from "../parts.js";
import { all, asOf, get, mayAct, moment, useAnswer, useCounts, useOwnJobs, useRefresh } from "../state.js";
import { STATUSES } from "../state/filters.js";
import { number, texts } from "../texts.js";
import { Trends } from "./trends.js";

export function Screen() {
	return html`
		<div class="screen-head"><h1>${texts.overview.title}</h1></div>
		<${Counts} />
		<${FirstRun} />
		<${Attention} />
		<${Trends} />
		<div class="cards">
			<${Fleet} />
			<${OldestWaiting} />
			<${NextTicks} />
		</div>
	`;
}

/** Where nothing has run yet: what there is to launch, and how one adds a job. */
function FirstRun() {
	const counts = useCounts();
	const isFirst = counts !== null && Object.values(counts).every((count) => count === 0) && asOf.value === "";
	return isFirst ? html`<${Beginning} />` : null;
}

/** So many jobs are offered for a first run. */
const OFFERED = 8;

function Beginning() {
	const jobs = useOwnJobs();
	const words = texts.overview.beginning;
	// Runs that are archived are in no count; a log that is searched page by page is none of a beginning.
	const query = [["type", "job_run.requested"], ["limit", 1]];
	const { answer } = useAnswer((signal) => get("/events", query, signal), []);
	if (answer?.data.length !== 0 || answer.meta.next !== null) return null;
	const offered = mayAct.value ? jobs.slice(0, OFFERED) : [];
	return html`<section class="card stack">
		<h2>${words.title}</h2>
		${offered.length > 0 && html`<p>${words.launch}</p>
			<ul class="needs">
				${offered.map((job) => html`<li key=${job.slug}>
					<${Icon} name="play" /><${Link} to=${{ view: "job", id: job.slug, tab: "launch" }}>${texts.palette.launch(jobName(job))}<//>
				</li>`)}
				${jobs.length > offered.length && html`<li><${Link} to=${{ view: "jobs" }}>${texts.jobs.showAll}<//></li>`}
			</ul>
		`}
		<p>${offered.length > 0 ? words.own : texts.jobs.emptyHint} <code>${texts.jobs.emptyCommand}</code></p>
		<p>${words.app} <code>${texts.apps.emptyCommand}</code></p>
	</section>`;
}

function Counts() {
	const counts = useCounts();
	return html`<ul class="counts" aria-label=${texts.overview.counts}>
		${STATUSES.map((status) => html`<li key=${status}>
			<${Link} to=${{ view: "runs", words: [["status", status]] }} class="card">
				<${Status} status=${status} /><strong>${counts ? number(counts[status]) : "…"}</strong>
			<//>
		</li>`)}
	</ul>`;
}

// What needs attention: failing groups, lost workers, paused jobs, runs that no worker takes. Nothing else is alarming.

const ATTENTION_EVERY_MS = 10_000;

const MAX_GROUPS = 5;
const MAX_UNOFFERED = 10;
const MAX_PAUSED = 10;

function Attention() {
	const asked = useAnswer(load, [], { everyMs: ATTENTION_EVERY_MS });
	useRefresh("failures", asked.again);
	useRefresh("jobs", asked.again);
	return html`<section class="card stack">
		<h2>${texts.overview.attention}</h2>
		<${Answered} asked=${asked} lines=${3}>${(/** @type {Attentions} */ needs) => html`<${Needs} needs=${needs} />`}<//>
	</section>`;
}

/**
 * @typedef {{groups: Api.FailureGroup[], hasMore: boolean, lost: Api.Worker[], unoffered: Api.UnofferedRuns[],
 *   paused: Api.Definition[]}} Attentions
 */

/** @param {AbortSignal} signal @returns {Promise<Attentions>} */
async function load(signal) {
	const [groups, workers, unoffered, jobs] = await Promise.all([
		get("/failures", [["status", "open"], ["limit", MAX_GROUPS + 1], ...moment.value], signal),
		// Which workers were lost then is not kept: better nothing than today's.
		asOf.value ? [] : all("/workers", [], signal),
		asOf.value ? { data: [] } : get("/workers/unoffered", [], signal),
		get("/jobs", moment.value, signal),
	]);
	return {
		groups: groups.data.slice(0, MAX_GROUPS),
		hasMore: groups.data.length > MAX_GROUPS,
		lost: workers.filter(({ state }) => state === "lost"),
		unoffered: unoffered.data,
		paused: jobs.data.filter((/** @type {Api.Definition} */ { paused }) => paused),
	};
}

/** @param {{needs: Attentions}} props */
function Needs({ needs }) {
	const { groups, hasMore, lost, unoffered, paused } = needs;
	const words = texts.overview;
	if (groups.length + lost.length + unoffered.length + paused.length === 0) return html`<p class="quiet">${words.calm}</p>`;
	return html`<ul class="needs">
		${groups.map(({ fingerprint, title, job, count, firstAt, lastAt }) => html`<li key=${fingerprint}>
			<${Icon} name="failed" /> <${Link} to=${{ view: "failures", id: fingerprint }}>${title}<//>${" "}
			<small>${job} · ${texts.failures.times(count)} · ${texts.failures.first} <${Time} at=${firstAt} /> · ${texts.failures.last} <${Time} at=${lastAt} /></small>
		</li>`)}
		${hasMore && html`<li><${Link} to=${{ view: "failures" }}>${texts.more}<//></li>`}
		${lost.length > 0 && html`
			<li><${Icon} name="warning" /><${Link} to=${{ view: "workers" }}>${words.lost(lost.length)}<//></li>
		`}
		${unoffered.slice(0, MAX_UNOFFERED).map(({ slug, entryPoint, runs }) => html`<li key=${`${slug} ${entryPoint}`}>
			<${Icon} name="warning" /><${Link} to=${{ view: "job", id: slug }}>${words.unoffered(slug)}<//>${" "}
			<small>${words.waiting(runs)} · ${words.startOne(entryPoint)}</small>
		</li>`)}
		${unoffered.length > MAX_UNOFFERED && html`<li>
			<${Link} to=${{ view: "runs", words: [["status", "pending"]] }}>${words.moreUnoffered(unoffered.length - MAX_UNOFFERED)}<//>
		</li>`}
		${paused.slice(0, MAX_PAUSED).map(({ slug, paused: pause }) => html`<li key=${slug}>
			<${Icon} name="pause" /><${Link} to=${{ view: "job", id: slug }}>${texts.isPaused(slug)}<//>${" "}
			<small>${pause?.reason ?? ""}</small>
		</li>`)}
		${paused.length > MAX_PAUSED && html`<li><${Link} to=${{ view: "jobs" }}>${words.morePaused(paused.length - MAX_PAUSED)}<//></li>`}
	</ul>`;
}

// The runs that have waited longest.

const OLDEST_EVERY_MS = 5_000;
const OLDEST_SHOWN = 4;
const OLDEST_LOADED = 50;

/** @typedef {{runs: Api.Run[], isAll: boolean}} Oldest */

/** @param {{data: Api.RunWithJob[], meta?: Partial<Api.RunPageMeta> | null}} answer @returns {Oldest} */
const pageOf = ({ data, meta }) => ({ runs: data.map(({ run }) => run), isAll: !meta?.nextCursor });

function OldestWaiting() {
	const asked = useAnswer(
		async (signal) => {
			if (asOf.value === "") return pageOf(await get("/job-runs/waiting", [["limit", OLDEST_SHOWN]], signal));
			// Of the past there is the list alone: the oldest of its newest page.
			const pending = [["status", "pending"], ["limit", OLDEST_LOADED], ...moment.value];
			const { runs, isAll } = pageOf(await get("/job-runs", pending, signal));
			runs.sort((one, other) => one.scheduledAt.localeCompare(other.scheduledAt));
			return { runs: runs.slice(0, OLDEST_SHOWN), isAll };
		},
		[],
		{ everyMs: OLDEST_EVERY_MS },
	);
	return html`<section class="card stack">
		<h2>${texts.overview.oldest}</h2>
		<${Answered} asked=${asked} lines=${2}>${(/** @type {Oldest} */ found) => html`<${Waiting} ...${found} />`}<//>
	</section>`;
}

/** @param {Oldest} props */
function Waiting({ runs, isAll }) {
	if (runs.length === 0) return html`<p class="quiet">${texts.overview.nothingWaits}</p>`;
	return html`${!isAll && html`<p class="note">${texts.ofNewest(OLDEST_LOADED)}</p>`}
		<ul class="needs">
			${runs.map((run) => html`<li key=${run.id}>
				<${RunLink} id=${run.id} /> <${JobLink} slug=${run.slug} />
				<small>${texts.runs.dueAt} <${Time} at=${run.scheduledAt} /></small>
			</li>`)}
		</ul>`;
}

// Who works: workers and their slots.

const WORKERS_EVERY_MS = 5_000;

function Fleet() {
	const asked = useAnswer((signal) => all("/workers", [], signal), [], { everyMs: WORKERS_EVERY_MS });
	return html`<section class="card stack">
		<h2>${texts.overview.workers}</h2>
		${asOf.value && html`<p class="note">${texts.past.notHere}</p>`}
		<${Answered} asked=${asked} lines=${2}>
			${(/** @type {Api.Worker[]} */ known) => html`<${Workers} workers=${known.filter(({ state }) => state !== "lost")} />`}
		<//>
	</section>`;
}

/** @param {{workers: Api.Worker[]}} props */
function Workers({ workers }) {
	const words = texts.overview;
	if (workers.length === 0) return html`<${Empty} title=${words.noWorkers} command=${words.startWorker} />`;
	const busy = workers.reduce((sum, worker) => sum + worker.busy, 0);
	const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
	return html`<p>
			<${Link} to=${{ view: "workers" }}>${texts.workers.count(workers.length)}<//>,${" "}
			${words.slots(busy, slots)}
		</p>
		<meter min="0" max=${slots} value=${busy} aria-label=${words.slots(busy, slots)}></meter>`;
}

// The next ticks of all schedules.

const TICKS_SHOWN = 5;

function NextTicks() {
	const asked = useAnswer((signal) => all("/schedules", moment.value, signal), []);
	useRefresh("schedules", asked.again);
	return html`<section class="card stack">
		<h2>${texts.overview.ticks}</h2>
		<${Answered} asked=${asked} lines=${2}>${(/** @type {Api.Schedule[]} */ schedules) => html`<${Next} schedules=${schedules} />`}<//>
	</section>`;
}

/** @param {{schedules: Api.Schedule[]}} props */
function Next({ schedules }) {
	const due = schedules
		.flatMap(({ id, job, nextAt, paused }) => (nextAt && !paused ? [{ id, job, nextAt }] : []))
		.sort((one, other) => one.nextAt.localeCompare(other.nextAt));
	if (due.length === 0) return html`<p class="quiet">${texts.overview.noTicks}</p>`;
	return html`<ul class="needs">
		${due.slice(0, TICKS_SHOWN).map(({ id, job, nextAt }) => html`<li key=${id}>
			<${Link} to=${{ view: "schedule", id }}>${id}<//> <small>${job} · <${Time} at=${nextAt} /></small>
		</li>`)}
	</ul>`;
}
