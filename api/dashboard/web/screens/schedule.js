// A schedule: its next ticks, what became of the past ones and why; pause, launch now, backfill, change, delete.

/** @import { Column } from "../parts.js" */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import {
	announce, Answered, attempt, confirm, html, into, JobLink, Json, Link, NoActions, Pausing, RunLink, Status, Table, Time,
} from "../parts.js";
import { address, get, inPath, mayAct, navigate, newKey, pageOf, post, send, useAnswer, useRefresh } from "../state.js";
import { duration, zone } from "../state/times.js";
import { texts } from "../texts.js";
import { Coming, ScheduleForm } from "./schedule_form.js";
import { LastFailed, lastFailure, Rate, runsOf, Strip } from "./schedule_runs.js";
import { inWords } from "./schedule_words.js";

const NEXT = 10;

/** As many runs as ticks: what became of the run of each. */
const LAST = 100;

const SHOWN = 20;

/**
 * A schedule with what is to come and what was.
 * @typedef {{schedule: Api.Schedule, preview: Api.ComingTick[], ticks: Api.Tick[], runs?: Api.RunsOfSchedule}} Known
 */

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(
		/** @returns {Promise<Known>} */
		async (signal) => {
			const [{ data: schedule }, { data: preview }] = await Promise.all([
				get(`/schedules/${inPath(id)}`, [], signal),
				get(`/schedules/${id}/preview`, [["n", NEXT]], signal),
			]);
			const [ticks, runs] = await Promise.all([newestTicks(id, signal), runsOf([schedule.id], LAST, signal)]);
			return { schedule, preview, ticks, runs: runs.get(schedule.id) };
		},
		[id],
	);
	useRefresh("schedules", asked.again, (schedules) => schedules.has(id));
	useRefresh("runs", asked.again, (runs) => [...runs.values()].some(({ requestedBy }) => requestedBy === `schedule:${id}`));
	return html`<${Answered} asked=${asked} lines=${8} list="schedules">
		${(/** @type {Known} */ answer) => address.value.tab === "edit"
			? html`<${Editing} schedule=${answer.schedule} />`
			: html`<${Schedule} ...${answer} again=${asked.again} />`}
	<//>`;
}

/** @param {{schedule: Api.Schedule}} props */
function Editing({ schedule }) {
	return html`<div class="screen-head"><h1>${texts.schedules.edit} ${schedule.id}</h1></div>
		${mayAct.value ? html`<${ScheduleForm} schedule=${schedule} key=${schedule.id} />` : html`<${NoActions} />`}`;
}

/**
 * The API tells ticks from the first on: halve the log until no more than a page of them is left. Newest first.
 * @param {string} id @param {AbortSignal} signal @returns {Promise<Api.Tick[]>}
 */
async function newestTicks(id, signal) {
	const ticksAfter = (/** @type {number} */ position) => pageOf(`/schedules/${id}/ticks`, [["limit", 100]], position, signal);
	let after = 0;
	let ticks = await ticksAfter(after);
	let step = ticks.next && (await get("/job-runs/counts", [], signal)).meta.position;
	while (ticks.next && step > 1) {
		step = Math.ceil(step / 2);
		const later = await ticksAfter(after + step);
		if (later.next) after += step;
		if (later.rows.length > 0) ticks = later;
	}
	return ticks.rows.reverse();
}

/** @param {Known & {again: () => void}} props */
function Schedule({ schedule, preview, ticks, runs, again }) {
	const words = texts.schedules;
	const failure = lastFailure(runs);
	return html`<div class="screen-head">
			<div><h1>${schedule.id}</h1><p>${inWords(schedule)} · <${JobLink} slug=${schedule.job} /></p></div>
			${mayAct.value && html`<${Actions} schedule=${schedule} again=${again} />`}
		</div>
		${schedule.paused && html`<p class="note"><${Status} status="paused" /> <bdi>${schedule.paused.reason ?? ""}</bdi></p>`}
		<section class="card stack">
			<div class="screen-head">
				<h2>${words.runs.title}</h2>
				${failure && html`<${LastFailed} run=${failure} />`}
				<div class="actions"><${Link} to=${{ view: "runs", words: [["actor", `schedule:${schedule.id}`]] }}>${words.runs.all}<//></div>
			</div>
			<${Strip} runs=${runs && { ...runs, last: runs.last.slice(0, SHOWN) }} />
			<p>${words.runs.week}: <${Rate} id=${schedule.id} runs=${runs} /></p>
		</section>
		<div class="cards">
			<section class="card stack">
				<h2>${words.next}</h2>
				<${Coming} ticks=${preview} />
			</section>
			<section class="card stack">
				<h2>${texts.run.parameters}</h2>
				<${Json} value=${schedule.parameters} label=${texts.run.parameters} />
			</section>
		</div>
		<${Rules} schedule=${schedule} />
		<section class="stack"><h2>${words.past}</h2><${Ticks} ticks=${ticks} runs=${runs?.last ?? []} /></section>`;
}

/** @param {{schedule: Api.Schedule}} props */
function Rules({ schedule }) {
	const words = texts.schedules;
	const { overlap, jitterMs, catchUpMs, startAt, endAt, exclude, pauseOnFailure, owner } = schedule;
	const facts = [
		[words.overlap, words.overlaps[overlap]],
		[words.facts.catchUp, duration(catchUpMs)],
		[words.facts.pauseOnFailure, pauseOnFailure ? words.yes : words.no],
		[words.facts.jitter, jitterMs > 0 && duration(jitterMs)],
		[words.facts.start, startAt && html`<${Time} at=${startAt} full />`],
		[words.facts.end, endAt && html`<${Time} at=${endAt} full />`],
		[words.facts.exclude, exclude.length > 0 && exclude.map((cron) => html`<code key=${cron}>${cron}</code> `)],
		[words.facts.owner, owner],
	];
	return html`<dl class="facts card">
		${facts.filter(([, fact]) => fact).map(([name, fact]) => html`<div key=${name}><dt>${name}</dt><dd>${fact}</dd></div>`)}
	</dl>`;
}

/** @param {{ticks: Api.Tick[], runs: Api.LastRun[]}} props */
function Ticks({ ticks, runs }) {
	const statuses = new Map(runs.map(({ id, status }) => [id, status]));
	const words = texts.schedules;
	if (ticks.length === 0) return html`<p class="quiet">${words.noTicks}</p>`;
	/** @type {Column<Api.Tick>[]} */
	const columns = [
		{
			name: "first",
			title: words.due,
			cell: ({ dueAt, lastDueAt, ticks: count }) =>
				html`<${Time} at=${dueAt} />${count > 1 && html` – <${Time} at=${lastDueAt} />`}`,
		},
		{
			name: "status",
			title: words.outcome,
			cell: ({ outcome, ticks: count }) => html`<span class="tag">${outcome}</span> ${count > 1 && `× ${count}`}`,
		},
		{ name: "why", title: words.why, cell: ({ reason, cause }) => (reason ?? cause)?.replaceAll("_", " ") },
		{ name: "run", title: texts.runs.columns.run, cell: ({ runId }) => runId && html`<${RunLink} id=${runId} /> ${statuses.has(runId) && html`<${Status} status=${statuses.get(runId)} />`}` },
	];
	const keyOf = (/** @type {Api.Tick} */ { position }) => position;
	return html`<${Table} label=${words.past} rows=${ticks} keyOf=${keyOf} columns=${columns} />`;
}

/** @param {{schedule: Api.Schedule, again: () => void}} props */
function Actions({ schedule, again }) {
	const words = texts.schedules;
	const path = `/schedules/${schedule.id}`;
	const key = useRef(newKey());
	const trigger = async () => {
		const launched = await attempt(() => post(`${path}/trigger`, undefined, { "Idempotency-Key": key.current }));
		if (!launched) return; // Asked again, it is the same request.
		key.current = newKey();
		announce(texts.jobs.launched(launched.data.id));
	};
	const remove = async () => {
		const question = { title: words.removeTitle(schedule.id), text: words.removeText(schedule.id), action: words.remove };
		if (!(await confirm(question))) return;
		if (!(await attempt(() => send("DELETE", path), words.removed(schedule.id)))) return;
		navigate({ view: "schedules" }, { replace: true });
	};
	return html`<div class="actions">
		<button class="danger" onClick=${remove}>${words.remove} …</button>
		<button onClick=${() => navigate({ view: "schedule", id: schedule.id, tab: "edit" })}>${words.edit}</button>
		<${Pausing} paused=${schedule.paused} name=${schedule.id} path=${path} text=${words.pauseText} again=${again} />
		<${Backfill} path=${path} again=${again} />
		<button class="main" onClick=${trigger}>${words.trigger}</button>
	</div>`;
}

/** @param {{path: string, again: () => void}} props */
function Backfill({ path, again }) {
	const words = texts.schedules;
	const from = useSignal("");
	const to = useSignal("");
	const launched = useSignal(/** @type {number | null} */ (null)); // How many so far; null while it launches none.
	const isStopped = useRef(false);
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		isStopped.current = false;
		let begin = utc(from.value);
		let count = 0;
		while (begin && !isStopped.current) {
			launched.value = count;
			const filled = await attempt(() => post(`${path}/backfill`, { from: begin, to: utc(to.value) }));
			if (!filled) break;
			count += filled.data.count;
			begin = filled.data.continueFrom;
			announce(words.filled(count));
		}
		launched.value = null;
		again();
	};
	return html`<details class="menu">
		<summary>${words.backfill}</summary>
		<form class="menu-box stack" onSubmit=${submit}>
			<label>${words.from}<input type="datetime-local" step="1" required value=${from.value} onInput=${into(from)} /></label>
			<label>${words.to}<input type="datetime-local" step="1" required value=${to.value} onInput=${into(to)} /></label>
			<small>${texts.zone(zone())}</small>
			${launched.value === null
				? html`<${BackfillCount} path=${path} from=${from.value} to=${to.value} /><button>${words.backfill}</button>`
				: html`<p>${words.filled(launched.value)}</p>
					<button type="button" class="danger" onClick=${() => (isStopped.current = true)}>${words.stop}</button>`}
		</form>
	</details>`;
}

const utc = (/** @type {string} */ local) => new Date(local).toISOString();

/** So many requests count ticks, and each so many; more would take seconds, and nobody launches as many at once. */
const MAX_PREVIEWS = 10;
const TICKS_EACH = 1_000;

/** How many runs a backfill would launch. @param {{path: string, from: string, to: string}} props */
function BackfillCount({ path, from, to }) {
	const words = texts.schedules;
	const asked = useAnswer(async (signal) => {
		if (!from || !to) return "";
		let begin = utc(from);
		let count = 0;
		for (let call = 0; begin && call < MAX_PREVIEWS && !signal.aborted; call += 1) {
			const { data } = await post(`${path}/backfill`, { from: begin, to: utc(to), dryRun: true });
			count += data.count;
			begin = data.continueFrom;
		}
		return begin ? words.wouldFillMore(count, MAX_PREVIEWS * TICKS_EACH) : words.wouldFill(count);
	}, [from, to]);
	if (asked.error && !asked.isOld) return html`<p class="problem">${asked.error.message}</p>`;
	return html`<p role="status">${asked.isOld ? texts.loading : asked.answer}</p>`;
}
