// Schedules: when each launches what, and what became of its runs.

import { Answered, Empty, html, JobLink, Link, NoActions, RunLink, Status, Table, Time } from "../parts.js";
import { address, all, asOf, mayAct, moment, navigate, useAnswer, useRefresh } from "../state.js";
import { texts } from "../texts.js";
import { ScheduleForm } from "./schedule_form.js";
import { lastFailure, Rate, runsOf, Strip } from "./schedule_runs.js";
import { inWords } from "./schedule_words.js";

export function Screen() {
	return address.value.tab === "new" ? html`<${Creating} />` : html`<${All} />`;
}

function Creating() {
	return html`<div class="screen-head"><h1>${texts.schedules.create}</h1></div>
		${mayAct.value ? html`<${ScheduleForm} />` : html`<${NoActions} />`}`;
}

function All() {
	const asked = useAnswer(load, []);
	useRefresh("schedules", asked.again);
	useRefresh("runs", asked.again, (runs) => [...runs.values()].some(isOfSchedule));
	return html`<div class="screen-head">
			<h1>${texts.schedules.title}</h1>
			${mayAct.value && html`<div class="actions">
				<button class="main" onClick=${() => navigate({ view: "schedules", tab: "new" })}>${texts.schedules.create}</button>
			</div>`}
		</div>
		<${Answered} asked=${asked}>${(answer) => html`<${List} ...${answer} />`}<//>`;
}

const LAST = 8;

/** All schedules, and of the present what became of their runs. */
async function load(signal) {
	const schedules = await all("/schedules", moment.value, signal);
	const ids = schedules.map(({ id }) => id);
	return { schedules, runs: asOf.value || ids.length === 0 ? null : await runsOf(ids, LAST, signal) };
}

const isOfSchedule = ({ requestedBy }) => requestedBy?.startsWith("schedule:");

function List({ schedules, runs }) {
	const words = texts.schedules.columns;
	if (schedules.length === 0)
		return html`<${Empty}
			title=${texts.schedules.empty} hint=${texts.schedules.emptyHint} command=${texts.schedules.emptyCommand} />`;
	const columns = [
		{
			name: "first",
			title: words.schedule,
			cell: ({ id, job }) =>
				html`<${Link} to=${{ view: "schedule", id }}><strong>${id}</strong><//>${" "}
					<small><${JobLink} slug=${job} /></small>`,
		},
		{ name: "when", title: words.when, cell: (schedule) => inWords(schedule) },
		{
			name: "next",
			title: words.next,
			cell: ({ nextAt, paused }) => paused ? html`<${Status} status="paused" />` : html`<${Time} at=${nextAt} />`,
		},
		...(runs ? columnsOfRuns(runs) : [{ name: "last", title: words.last, cell: ({ lastTick }) => html`<${LastTick} tick=${lastTick} />` }]),
	];
	return html`<${Table} label=${texts.schedules.title} rows=${schedules} keyOf=${({ id }) => id} columns=${columns} />`;
}

function columnsOfRuns(runs) {
	const words = texts.schedules.columns;
	return [
		{
			name: "state",
			title: words.state,
			cell: (schedule) => html`<${Health} schedule=${schedule} runs=${runs.get(schedule.id)} />`,
		},
		{ name: "runs", title: words.runs, cell: ({ id }) => html`<${Strip} runs=${runs.get(id)} />` },
		{ name: "week", title: words.week, cell: ({ id }) => html`<${Rate} id=${id} runs=${runs.get(id)} />` },
	];
}

/** Of what its last run came to it says more than that it ticks. */
function Health({ schedule, runs }) {
	const { paused, lastTick } = schedule;
	const failure = lastFailure(runs);
	const skipped = lastTick?.outcome === "skipped" && lastTick.reason !== "paused";
	return html`
		${failure && html`<${RunLink} id=${failure.id}><${Status} status="failed" label=${texts.schedules.lastFailed} /><//>`}
		${paused && html` <${Status} status="paused" />`}
		${!failure && !paused && html`<${Status} status="ready" label=${texts.schedules.active} />`}
		${skipped && html` <small><${LastTick} tick=${lastTick} /></small>`}
	`;
}

/** A tick is launched or skipped: neither says how a run went. */
function LastTick({ tick }) {
	if (!tick) return html`<span class="quiet">–</span>`;
	return html`<span class="tag">${tick.outcome}</span>${" "}
		<small><${Time} at=${tick.dueAt} /></small>${" "}
		${tick.runId ? html`<${RunLink} id=${tick.runId} />` : html`<small>${tick.reason?.replaceAll("_", " ") ?? ""}</small>`}`;
}
