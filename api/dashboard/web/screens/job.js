// A job: its newest runs and how long they took, what limits it, its definition; pause, resume, launch.

/** @import { On } from "../parts.js" */
/** @import { ApiError } from "../state/api.js" */
/** @import { Version } from "./definition.js" */

import { signal, useSignal } from "@preact/signals";

import { absolute, announce, Answered, Differences, Empty, html, jobName, Json, Link, NoActions, Pausing, Status, Tabs, Time } from "../parts.js";
import {
	address, all, asOf, get, hadHappened, inPath, mayAct, moment, navigate, problemOf, send, useAnswer, useNewest, useRefresh,
} from "../state.js";
import { STATUSES } from "../state/filters.js";
import { durationsOf, percentile, pointsOf } from "../state/statistics.js";
import { duration } from "../state/times.js";
import { number, texts } from "../texts.js";
import { changesBetween, historyOf, limitsOf, revisable } from "./definition.js";
import { LaunchForm } from "./launch_form.js";
import { RunTable } from "./run_table.js";
import { isRounded, objectOf } from "./schema.js";
import { Trends } from "./trends.js";

const MAX_RUNS = 50;

/** @typedef {{job: Api.Definition, runs: Api.Run[], again: () => void}} Shown */

/** @type {Record<string, (props: Shown) => any>} */
const TABS = { runs: Runs, launch: Launch, definition: Definition, versions: Versions, revise: Revision };

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(
		async (signal) => (await get(`/jobs/${inPath(id)}`, [["limit", MAX_RUNS], ...moment.value], signal)).data,
		[id],
	);
	/** @type {Partial<Api.JobWithRuns>} */
	const { job, runs = [] } = asked.answer ?? {};
	useRefresh("jobs", asked.again, (jobs) => job !== undefined && jobs.has(job.slug));
	useRefresh("deletedJobs", asked.again, (jobs) => job !== undefined && jobs.has(job.slug));
	useRefresh("runs", asked.again, (recent) =>
		[...recent.values()].some(
			({ slug, createdAt, id: run }) =>
				slug === job?.slug && createdAt >= (runs[0]?.createdAt ?? "") && runs.every((one) => one.id !== run),
		),
	);
	return html`<${Answered} asked=${asked} lines=${8} list="jobs">
		${(/** @type {Api.JobWithRuns} */ answer) => html`<${Job} job=${answer.job} runs=${answer.runs} again=${asked.again} />`}
	<//>`;
}

/** @param {Shown} props */
function Job({ job, runs, again }) {
	const { tab } = address.value;
	const Shown = TABS[tab] ?? Runs;
	const { launch: _, revise: __, ...reading } = texts.jobs.tabs;
	return html`<div class="screen-head">
			<div>
				<h1>${jobName(job)}</h1>
				<p class="quiet">
					<span class="id">${job.slug}</span> · ${texts.jobs.columns.version.toLowerCase()} ${job.version}
				</p>
			</div>
			${mayAct.value && html`<div class="actions">
				<${Pausing} paused=${job.paused} name=${job.slug} path=${`/jobs/${job.slug}`} text=${texts.jobs.pauseText} again=${again} />
				${tab !== "launch" && html`<button class="main" onClick=${() => navigate({ view: "job", id: job.slug, tab: "launch" })}>
					${texts.jobs.launch}
				</button>`}
			</div>`}
		</div>
		${job.metadata?.description && html`<p>${job.metadata.description}</p>`}
		${job.paused && html`
			<p class="note">
				<${Status} status="paused" /> <${Time} at=${job.paused.at} /> · <bdi>${job.paused.by}</bdi>
				${job.paused.reason && html` · <bdi>${job.paused.reason}</bdi>`}
			</p>
		`}
		<${Unoffered} job=${job} />
		<${Standing} job=${job} />
		<${Tabs} tabs=${mayAct.value ? texts.jobs.tabs : reading} current=${TABS[tab] ? tab : "runs"} />
		<${Shown} job=${job} runs=${runs} again=${again} />`;
}

const UNOFFERED_EVERY_MS = 10_000;

/** That its runs wait, and no living worker executes them; of the past nobody knows. @param {{job: Api.Definition}} props */
function Unoffered({ job }) {
	const asked = useAnswer(
		async (signal) => (asOf.value ? [] : (await get("/workers/unoffered", [], signal)).data),
		[job.slug],
		{ everyMs: UNOFFERED_EVERY_MS },
	);
	const waits = asked.answer?.some((/** @type {Api.UnofferedRuns} */ { slug }) => slug === job.slug);
	return waits && html`<p class="note">${texts.overview.unoffered(job.slug)} · ${texts.overview.startOne(job.entryPoint)}</p>`;
}

/** @param {Shown} props */
function Runs({ job, runs }) {
	const newest = useNewest(runs, "runs", ({ id }) => id);
	if (newest.length === 0) return html`<${Trends} job=${job.slug} /><${NoRuns} slug=${job.slug} />`;
	return html`<${Trends} job=${job.slug} />
		<section class="card stack">
			<h2>${texts.jobs.durations}</h2>
			<${Durations} runs=${newest} />
		</section>
		<div class="screen-head">
			<h2>${texts.jobs.runs}</h2>
			<div class="actions"><${Link} to=${{ view: "runs", words: [["job", job.slug]] }}>${texts.runs.title}<//></div>
		</div>
		<${RunTable} runs=${newest} isOfOneJob />`;
}

/** @param {{slug: string}} props */
function NoRuns({ slug }) {
	const words = texts.jobs;
	if (asOf.value) return html`<${Empty} title=${texts.runs.noneThen} />`;
	return html`<${Empty} title=${words.noRuns} hint=${words.noRunsHint} command=${words.noRunsCommand(slug)} />`;
}

/** @param {Shown} props */
function Launch({ job }) {
	if (!mayAct.value) return html`<${NoActions} />`;
	return html`<section class="card"><${LaunchForm} job=${job} key=${job.slug} /></section>`;
}

/** @param {Shown} props */
function Definition({ job }) {
	const limits = limitsOf(job);
	return html`<dl class="facts card">
			<div><dt>${texts.jobs.entryPoint}</dt><dd><code>${job.entryPoint}</code></dd></div>
			<div><dt>${texts.jobs.limits}</dt><dd>${limits.join(", ") || texts.none}</dd></div>
			<div><dt>${texts.run.facts.timeout}</dt><dd>${duration(job.timeoutMs)}</dd></div>
		</dl>
		<div class="cards">
			<section class="card">
				<h2>${texts.jobs.schema}</h2>
				<${Json} value=${job.parametersSchema} label=${texts.jobs.schema} />
			</section>
			<section class="card">
				<h2>${texts.jobs.definition}</h2>
				<${Json} value=${job} label=${texts.jobs.definition} />
			</section>
		</div>`;
}

// How long the newest runs took: in words, and as one point each over the time of its end.

const WIDTH = 1_000;
const HEIGHT = 100;

const FEWEST = 2;

/** @param {{runs: Api.Run[]}} props */
function Durations({ runs }) {
	const sorted = durationsOf(runs);
	if (sorted.length < FEWEST) return html`<p class="quiet">${texts.jobs.needMore}</p>`;
	const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => duration(percentile(sorted, share)));
	return html`<p>${texts.jobs.percentiles(p50, p95, p99)}</p>
		<${Plot} ...${pointsOf(runs)} />`;
}

/**
 * A picture of what the words above and the table below say: whoever does not see it misses nothing.
 * @param {ReturnType<typeof pointsOf>} props
 */
function Plot({ points, first, last, longest }) {
	return html`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${duration(longest)}</span><span>${duration(longest / 2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
			${[0, 0.5, 1].map((share) => html`
				<path class="rule" key=${share} d=${`M0 ${share * HEIGHT}H${WIDTH}`} vector-effect="non-scaling-stroke" />
			`)}
			${points.map(({ run, x, y }) => html`<path key=${run.id} class="point status-${run.status}"
				d=${`M${x * WIDTH} ${(1 - y) * HEIGHT}h0.01`}>
				<title>${duration(run.durationMs)} · ${texts.status(run.status)} · ${absolute(run.completedAt ?? "")}</title>
			</path>`)}
		</svg>
		<figcaption><span>${absolute(first)}</span><span>${absolute(last)}</span></figcaption>
	</figure>`;
}

// Every version of a job, and what each changed: read from the log, where all of them are.

const PAGE = 1_000;

/** @param {Shown} props */
function Versions({ job }) {
	const query = [["subject", job.id]];
	const asked = useAnswer(
		async (signal) => historyOf((await all("/events", query, signal, PAGE)).filter(hadHappened)),
		[job.id],
		{ newer: [job.version, job.paused?.at] },
	);
	return html`<${Answered} asked=${asked}>
		${(/** @type {Version[]} */ history) => html`<ol class="events">
			${history.map((change) => html`<${Change} key=${change.position} change=${change} />`)}
		</ol>`}
	<//>`;
}

/** @param {{change: Version}} props */
function Change({ change }) {
	const { kind, version, at, by, reason, changes } = change;
	return html`<li class="card">
		<header>
			<h2>${kind} ${version && texts.jobs.versionOf(version)}</h2>
			<span class="quiet"><${Time} at=${at} full /> · <bdi>${by}</bdi></span>
		</header>
		${reason && html`<p>${reason}</p>`}
		${changes.length > 0 && html`<${Differences} found=${changes} />`}
	</li>`;
}

// A new version of a job: its definition as JSON, of which only what was changed is sent.

/** @typedef {{version: number, before: Record<string, any>, text: string}} Draft of a version, and the one that it changes */

/** What has been written and not been saved, by job: it outlives a look at another page, and others' versions. */
const unsaved = signal(/** @type {Map<string, Draft>} */ (new Map()));

/** @param {Api.Definition} job @returns {Draft} */
function draftOf(job) {
	const before = revisable(job);
	return { version: job.version, before, text: JSON.stringify(before, null, 2) };
}

/** @param {Shown} props */
function Revision({ job, again }) {
	const draft = unsaved.value.get(job.slug) ?? draftOf(job);
	const write = (/** @type {On} */ { target }) =>
		(unsaved.value = new Map(unsaved.value).set(job.slug, { ...draft, text: target.value }));
	const discard = () => (unsaved.value = new Map([...unsaved.value].filter(([slug]) => slug !== job.slug)));
	const problem = useSignal(/** @type {Pick<ApiError, "message" | "issues">} */ ({ message: "", issues: [] }));
	const words = texts.jobs;
	if (!mayAct.value) return html`<${NoActions} />`;
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		try {
			const changes = changesBetween(draft.before, JSON.parse(draft.text));
			if (Object.keys(changes).length === 0) {
				problem.value = { message: words.unchanged, issues: [] };
				return;
			}
			// The number that follows: whoever has made a version meanwhile is not written over.
			const { data } = await send("PATCH", `/jobs/${job.slug}`, { ...changes, version: draft.version + 1 });
			discard();
			announce(words.revised(data.version));
			again();
			navigate({ view: "job", id: job.slug, tab: "versions" });
		} catch (error) {
			const { message, issues = [] } = problemOf(error);
			problem.value = { message: error instanceof SyntaxError ? words.badJson : message, issues };
		}
	};
	const { message, issues } = problem.value;
	return html`<form class="card stack" onSubmit=${submit}>
		<p class="quiet">${words.revisionHint}</p>
		${draft.version !== job.version && html`<p class="note" role="status">${words.newer(job.version)}</p>`}
		<textarea rows="22" aria-label=${words.definition}
			aria-invalid=${message ? "true" : undefined} aria-describedby=${message ? "revision-problem" : undefined}
			value=${draft.text} onInput=${write}></textarea>
		${isRounded(objectOf(draft.text)) && html`<p class="note" role="status">${words.rounded}</p>`}
		${message && html`<div id="revision-problem" class="problem" role="alert">
			<p>${message}</p>
			${issues.length > 1 && html`<ul>${issues.map(({ path, message: said }) => html`<li key=${path + said}><code>${path}</code> ${said}</li>`)}</ul>`}
		</div>`}
		<div class="actions">
			<button class="main">${words.revise}</button>
			${unsaved.value.has(job.slug) && html`<button type="button" onClick=${discard}>${words.discard}</button>`}
		</div>
	</form>`;
}

// How many runs of a job are in which status, and how far its limit is used up.

/** @param {{job: Api.Definition}} props */
function Standing({ job }) {
	const { slug } = job;
	const load = (/** @type {AbortSignal} */ signal) => get("/job-runs/counts", [["job", slug], ...moment.value], signal);
	const asked = useAnswer(load, [slug]);
	useRefresh("runs", asked.again, (runs) => [...runs.values()].some((run) => run.slug === slug));
	return html`<${Answered} asked=${asked} lines=${1}>${(/** @type {{data: Api.RunCounts}} */ { data }) => html`<${Counts} counts=${data} job=${job} />`}<//>`;
}

/** @param {{counts: Api.RunCounts, job: Api.Definition}} props */
function Counts({ counts, job }) {
	const { slug, maxConcurrentRuns: most } = job;
	const used = most && texts.jobs.used(counts.running, most);
	const words = (/** @type {string} */ status) => [["job", slug], ["status", status]];
	return html`<ul class="standing">
		${STATUSES.map((status) => html`<li key=${status}>
			<${Link} to=${{ view: "runs", words: words(status) }}><${Status} status=${status} /><//> ${number(counts[status])}
		</li>`)}
		${most && html`<li>
			<meter min="0" max=${most} value=${counts.running} aria-label=${used}></meter> <small>${used}</small>
		</li>`}
	</ul>`;
}
