// A run: what it is, why it is as it is, what it did with its time, what it printed, all its events.

/** @import { Asked } from "../state/loading.js" */
/** @import { Subject as Caused } from "./commands.js" */
/** @import { Difference } from "./definition.js" */
/** @import { On } from "../parts.js" */
/** @import { Origin } from "./launch_form.js" */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import {
	announce, Answered, attempt, Copy, Dialog, Differences, Duration, html, into, JobLink, jobName, Json, Link, orderWithReason, RunLink, shortId, Status, Tabs, Time,
} from "../parts.js";
import {
	address, asOf, change, get, hadHappened, inPath, mayAct, moment, navigate, newKey, post, useAnswer, useNewest, useSettled,
} from "../state.js";
import { token } from "../state/api.js";
import { duration } from "../state/times.js";
import { texts } from "../texts.js";
import { asCommand, asCurl, asPython, chainOf } from "./commands.js";
import { differences } from "./definition.js";
import { LaunchForm, launchOf } from "./launch_form.js";
import { comparison, Runs, useRelated } from "./run_failure.js";
import { Log, startedAttempts } from "./run_log.js";
import { Story } from "./run_story.js";
import { STEPS } from "./segments.js";

/** @typedef {{run: Api.Run, events: Api.Event[], related: Asked<Api.RelatedRuns>}} Shown */

/** @type {Record<string, (props: Shown) => any>} */
const TABS = { story: Story, log: Log, events: Events, causes: Causes, data: Data };

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(async (signal) => (await get(`/job-runs/${inPath(id)}`, moment.value, signal)).data, [id]);
	return html`<${Answered} asked=${asked} lines=${8} list="runs">
		${(/** @type {Api.RunWithJob} */ { run, job }) => html`<${Run} asked=${run} job=${job} />`}
	<//>`;
}

/** @param {{asked: Api.Run, job: Api.JobBrief}} props */
function Run({ asked, job }) {
	const rows = useMemo(() => [asked], [asked]);
	const [run] = useNewest(rows, "runs", ({ id }) => id);
	const changedAt = useSettled(run.updatedAt);
	const related = useRelated(run, changedAt);
	const events = useAnswer((signal) => eventsOf(run.id, signal), [run.id], { newer: [changedAt] });
	const { tab } = address.value;
	const told = useRef(run.status);
	useEffect(() => {
		if (told.current !== run.status) announce(texts.run.isNow(run.status));
		told.current = run.status;
	}, [run.status]);
	const Shown = TABS[tab] ?? Story;
	return html`
		<div class="screen-head">
			<div>
				<p class="quiet"><${JobLink} slug=${run.slug}>${jobName(job)}<//></p>
				<h1 class="run-title"><${Status} status=${run.status} /> <span class="id">${run.id}</span></h1>
			</div>
			<${Actions} run=${run} />
		</div>
		<${Progress} run=${run} />
		${run.errorMessage && OPEN.includes(run.status) && html`
			<p class="error-message" tabindex="0"><code>${run.errorMessage}</code></p>
		`}
		<${Facts} run=${run} related=${related.answer} />
		<${Tabs} tabs=${texts.run.tabs} current=${TABS[tab] ? tab : "story"} />
		<${Answered} asked=${events}>
			${(/** @type {Api.Event[]} */ known) => html`<${Shown} run=${run} events=${known} related=${related} />`}
		<//>
	`;
}

/** What the handler said of how far it is. @param {{run: Api.Run}} props */
function Progress({ run }) {
	const share = run.metrics?.progress;
	if (run.status !== "running" || typeof share !== "number") return null;
	return html`<progress max="1" value=${share} aria-label=${texts.run.progress}></progress>`;
}

/**
 * Of very many events the first ones, and what became of the run: not how far it said to be.
 * @param {string} id @param {AbortSignal} signal @returns {Promise<Api.Event[]>}
 */
async function eventsOf(id, signal) {
	const { data, meta } = await get(`/job-runs/${id}/events`, [["limit", MAX_EVENTS]], signal);
	const query = [["subject", id], ["type", STEPS.join()], ["after", data.at(-1)?.position], ["limit", MAX_EVENTS]];
	const later = meta.nextCursor ? (await get("/events", query, signal)).data : [];
	return [...data, ...later].filter(hadHappened);
}

// What there is to know of a run at a glance.

/** @param {{run: Api.Run, related?: Api.RelatedRuns}} props */
function Facts({ run, related }) {
	const words = texts.run.facts;
	const time = (/** @type {string} */ at) => html`<${Time} at=${at} full />`;
	const facts = [
		[words.created, time(run.createdAt)],
		run.scheduledAt !== run.createdAt && [words.due, time(run.scheduledAt)],
		run.startedAt && [words.started, time(run.startedAt)],
		run.completedAt && [words.completed, time(run.completedAt)],
		run.startedAt && [
			texts.runs.columns.took,
			html`<${Duration} from=${run.startedAt} to=${run.completedAt} ms=${run.durationMs} />`,
		],
		[words.attempts, texts.runs.attemptOf(startedAttempts(run), run.maxAttempts)],
		[words.by, html`<${Requester} name=${run.requestedBy} />`],
		run.failureReason && [words.failure, html`<code>${run.failureReason}</code>`],
		run.timeoutMs && [words.timeout, duration(run.timeoutMs)],
		run.priority !== 0 && [words.priority, run.priority],
		run.context?.retryOf && [words.retryOf, html`<${RunLink} id=${run.context.retryOf} /> <${Link} to=${comparison(run.id, run.context.retryOf)}>${texts.run.compareGo}<//>`],
		run.context?.rerunOf && [texts.jobs.rerunOf, html`<${RunLink} id=${run.context.rerunOf} />`],
		related?.bulkOperation && [words.bulk, html`<${Operation} ...${related.bulkOperation} />`],
		related?.retries.length && [words.repeated, html`<${Runs} runs=${related.retries.slice(0, REPEATS_SHOWN)} origin=${run} />`],
		run.idempotencyKey && [words.key, html`<code>${run.idempotencyKey}</code>`],
	];
	return html`<dl class="facts card">
		${facts.filter(Array.isArray).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
	</dl>`;
}

/** Who launched it; a schedule leads to its page. @param {{name: string | null}} props */
function Requester({ name }) {
	const [, schedule] = /^schedule:(.+)$/.exec(name ?? "") ?? [];
	return schedule ? html`<${Link} to=${{ view: "schedule", id: schedule }}>${name}<//>` : name;
}

/** So many of the runs that repeat it, the newest; where it failed, all are named. */
const REPEATS_SHOWN = 3;

/** @param {Api.BulkOperation} operation the bulk operation that launched the run */
const Operation = ({ id, action, reason }) =>
	html`<${Link} to=${{ view: "bulk", id }}>${texts.bulk.title(action)}<//> · <bdi>${reason}</bdi>`;

// What can be done to a run; and how the same is done from a terminal or a program.

const OPEN = ["pending", "running"];

/** @param {{run: Api.Run}} props */
function Actions({ run }) {
	const isRerunning = useSignal(false);
	const key = useRef(newKey());
	const isOpen = OPEN.includes(run.status);
	return html`<div class="actions">
		${asOf.value && html`<span class="quiet">${texts.past.noActions}</span>`}
		${mayAct.value && isOpen && html`
			<button class="danger" disabled=${run.cancelRequestedAt !== null} onClick=${() => cancel(run)}>${texts.run.cancel} …</button>
		`}
		${mayAct.value && !isOpen && html`<button onClick=${() => retry(run, key)}>${texts.run.retry}</button>`}
		${mayAct.value && html`<button onClick=${() => (isRerunning.value = true)}>${texts.run.rerun} …</button>`}
		<${CopyAs} run=${run} />
		${isRerunning.value && html`<${Rerun} run=${run} onClose=${() => (isRerunning.value = false)} />`}
	</div>`;
}

/** @param {Api.Run} run */
function cancel(run) {
	const words = texts.run;
	const question = { title: `${words.cancel} ${run.slug}`, text: words.cancelText, action: words.cancel };
	return orderWithReason(question, `/job-runs/${run.id}/cancel`, words.canceled);
}

/** @param {Api.Run} run @param {{current: string}} key */
async function retry(run, key) {
	const launched = await attempt(() => post(`/job-runs/${run.id}/retry`, undefined, { "Idempotency-Key": key.current }));
	if (!launched) return; // Asked again, it is the same request.
	key.current = newKey();
	navigate({ view: "run", id: launched.data.id });
}

/** @param {{run: Api.Run, onClose: () => void}} props */
function Rerun({ run, onClose }) {
	const asked = useBeginning(run);
	return html`<${Dialog} title=${texts.run.rerun} onClose=${onClose} className="wide">
		<${Answered} asked=${asked}>
			${(/** @type {Beginning} */ { job, first }) => html`
				<${LaunchForm} job=${job} origin=${{ ...run, ...givenAt(first) }} onLaunched=${onClose} />
			`}
		<//>
	<//>`;
}

/** The job of a run, and its first event. @typedef {{job: Api.Definition, first: Api.Event | undefined}} Beginning */

/** @param {Api.Run} run @returns {Asked<Beginning>} */
const useBeginning = (run) =>
	useAnswer(async (signal) => {
		const [job, events] = await Promise.all([
			get(`/jobs/${run.slug}`, [["limit", 1]], signal),
			get(`/job-runs/${run.id}/events`, [["limit", 1]], signal),
		]);
		return { job: job.data.job, first: events.data[0] };
	}, []);

/**
 * What a run was launched with: its context, how long it had to wait, and within what time to start. Only its first event says
 * so, for attempts have times of their own, and add to the context, such as their traceback.
 * @param {Api.Event | undefined} event @returns {Pick<Origin, "context" | "delayMs" | "startDeadlineMs">}
 */
function givenAt(event) {
	const { context = null, start_deadline_at: deadline, scheduled_at: due } = event?.data ?? {};
	/** @param {string | undefined} from @param {string | undefined} to */
	const between = (from, to) => (from && to ? Math.max(Date.parse(to) - Date.parse(from), 0) : null);
	return { context, delayMs: between(event?.occurredAt, due), startDeadlineMs: between(due, deadline) };
}

/** @param {{run: Api.Run}} props */
function CopyAs({ run }) {
	const isOpen = useSignal(false);
	return html`<details class="menu" onToggle=${(/** @type {On<HTMLDetailsElement>} */ { target }) => (isOpen.value = target.open)}>
		<summary>${texts.run.copyAs}</summary>
		<div class="menu-box stack">${isOpen.value && html`<${Ways} run=${run} />`}</div>
	</details>`;
}

/** @param {{run: Api.Run}} props */
function Ways({ run }) {
	const asked = useBeginning(run);
	return html`<${Answered} asked=${asked}>${(/** @type {Beginning} */ { job, first }) => {
		const launch = launchOf(job, { ...run, ...givenAt(first) });
		const page = document.baseURI;
		const ways = { curl: asCurl(launch, page, token() !== ""), CLI: asCommand(launch, page), Python: asPython(launch, page) };
		return Object.entries(ways).map(([name, text]) => html`<div key=${name}>
			<h3>${name}</h3>
			<div class="with-copy">
				<${Copy} text=${text} label=${texts.copyOf(name)} />
				<pre class="json"><code>${text}</code></pre>
			</div>
		</div>`);
	}}<//>`;
}

// Every event of the run, what caused it, and what it says.

/** So many are shown whatever they say. */
const MAX_EVENTS = 500;

/** @param {Shown} props */
function Events({ events }) {
	const known = new Map(events.map((event) => /** @type {[string | null, Api.Event]} */ ([event.eventId, event])));
	return html`${events.length >= MAX_EVENTS && html`<p class="note">${texts.ofFirst(MAX_EVENTS)}</p>`}<ol class="events">
		${events.map((event) => html`
			<${Event} key=${event.position} event=${event} cause=${known.get(event.causationId)} />
		`)}
	</ol>`;
}

/** @param {{event: Api.Event, cause?: Api.Event}} props */
function Event({ event, cause }) {
	const { type, position, occurredAt, actor, causationId, correlationId, data } = event;
	const words = texts.run.events;
	return html`<li class="card">
		<header>
			<h2><code>${type.replace("job_run.", "")}</code></h2>
			<span class="quiet">
				<${Time} at=${occurredAt} full /> · ${words.position}${" "}
				<${Link} to=${{ view: "log", words: [["after", position - 1]] }}>${position}<//>
			</span>
		</header>
		<p class="quiet">
			${texts.log.actor} ${actor ?? texts.none} · ${words.cause}:${" "}
			${cause ? html`<code>${cause.type}</code>, ${cause.position}` : html`<code>${causationId ?? texts.none}</code>`}
			${correlationId && html`
				${" · "}<${Link} to=${{ view: "log", words: [["correlation", correlationId], ["after", 0]] }}>${texts.run.chain}<//>
			`}
		</p>
		<details><summary>${words.data}</summary><${Json} value=${data} label=${words.data} /></details>
	</li>`;
}

// The chain of causes that the run stands in, up and down.

const MAX_CHAIN_EVENTS = 500;

/** How often what it caused is looked at: that has events of its own. */
const CAUSES_EVERY_MS = 5_000;

/** @param {Shown} props */
function Causes({ run, events }) {
	const correlation = events[0]?.correlationId;
	const asked = useAnswer(
		async (signal) =>
			correlation ? get("/events", [["correlation", correlation], ["limit", MAX_CHAIN_EVENTS]], signal) : { data: events },
		[correlation],
		{ newer: [run.status], everyMs: CAUSES_EVERY_MS },
	);
	return html`<section class="card stack">
		<p class="quiet">${texts.run.causesHint}</p>
		<${Answered} asked=${asked}>
			${(/** @type {{data: Api.Event[], meta?: Api.EventPageMeta}} */ { data, meta }) => html`
				${meta?.next && html`<p class="note">${texts.ofFirst(MAX_CHAIN_EVENTS)}</p>`}
				<${Tree} subjects=${chainOf(data.filter(hadHappened))} current=${run.id} />
			`}
		<//>
	</section>`;
}

/** @param {{subjects: Caused[], current: string}} props */
function Tree({ subjects, current }) {
	return html`<ul class="tree">
		${subjects.map((subject) => html`<li key=${subject.id}>
			<${Subject} subject=${subject} isCurrent=${subject.id === current} />
			${subject.children.length > 0 && html`<${Tree} subjects=${subject.children} current=${current} />`}
		</li>`)}
	</ul>`;
}

/** @param {{subject: Caused, isCurrent: boolean}} props */
function Subject({ subject, isCurrent }) {
	const { type, id, app, at, last, cause } = subject;
	const page = type === "job_run" ? { view: "run", id } : app && { view: "app", id: app };
	const name = html`${type.replaceAll("_", " ")} <span class="id">${shortId(id)}</span>`;
	return html`<span class=${isCurrent ? "is-current" : ""} aria-current=${isCurrent ? "true" : undefined}>
			${page && !isCurrent ? html`<${Link} to=${page}>${name}<//>` : name}
		</span>${" "}
		<span class="tag">${last}</span>${" "}
		<small>${cause && `${texts.run.causedBy(cause)} · `}<${Time} at=${at} /></small>`;
}

// What the run was given and what it left; and the same of another run beside it.

const PARTS = /** @type {const} */ (["parameters", "result", "metrics", "context"]);

/** @param {Shown} props */
function Data({ run }) {
	const { compare } = address.value;
	return html`<div class="cards pairs">
			${PARTS.map((part) => html`<section class="card" key=${part}>
				<h2>${texts.run[part]}</h2>
				<${Json} value=${run[part]} label=${texts.run[part]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${texts.run.compare}</h2>
			<${Choice} />
			${compare && html`<${Comparison} run=${run} other=${compare} key=${compare} />`}
		</section>`;
}

function Choice() {
	const id = useSignal(address.value.compare);
	const submit = (/** @type {Event} */ event) => {
		event.preventDefault();
		change({ compare: id.value.trim() }, { replace: true });
	};
	return html`<form class="group" onSubmit=${submit}>
		<input class="id-input" aria-label=${texts.run.compareId} placeholder=${texts.run.compareId} value=${id.value}
			onInput=${into(id)} />
		<button>${texts.run.compareGo}</button>
	</form>`;
}

/** @param {{run: Api.Run, other: string}} props */
function Comparison({ run, other }) {
	const asked = useAnswer(async (signal) => get(`/job-runs/${inPath(await idFrom(other, signal))}`, moment.value, signal), [other]);
	return html`<${Answered} asked=${asked}>
		${(/** @type {{data: Api.RunWithJob}} */ { data }) => html`<${Compared} found=${differences(run, data.run)} />`}
	<//>`;
}

const ID_LENGTH = 36;

/**
 * The whole id, where its beginning stands as lists show it.
 * @param {string} written @param {AbortSignal} signal @returns {Promise<string>} what is written, where not exactly one run begins so
 */
async function idFrom(written, signal) {
	if (written.length >= ID_LENGTH) return written;
	const { data } = await get("/job-runs", [["search", written], ["limit", 2]], signal);
	const ids = data.map((/** @type {Api.RunWithJob} */ { run }) => run.id).filter((/** @type {string} */ id) => id.startsWith(written));
	return ids.length === 1 ? ids[0] : written;
}

/** @param {{found: Difference[]}} props */
function Compared({ found }) {
	return found.length === 0 ? html`<p>${texts.run.same}</p>` : html`<${Differences} found=${found} />`;
}
