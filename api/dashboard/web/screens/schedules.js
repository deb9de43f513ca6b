// Schedules: when each launches what, and what became of its runs.

/** @import { Column } from "../parts.js" */

import { Answered, Empty, html, JobLink, Link, NoActions, RunLink, Status, Table, Time } from "../parts.js";
import { address, all, asOf, mayAct, moment, navigate, useAnswer, useRefresh } from "../state.js";
import { texts } from "../texts.js";
import { ScheduleForm } from "./schedule_form.js";
import { LastFailed, lastFailure, Rate, runsOf, Strip } from "./schedule_runs.js";
import { inWords } from "./schedule_words.js";

export function Screen() {
	return address.value.tab === "new" ? html`<${Creating} />` : html`<${All} />`;
}

function Creating() {
	return html`<div class="screen-head"><h1>${texts.schedules.create}</h1></div>
		${mayAct.value ? html`<${ScheduleForm} />` : html`<${NoActions} />`}`;
}

function All() {
	const asked = useAnswer((signal) => all("/schedules", moment.value, signal), []);
	useRefresh("schedules", asked.again);
	return html`<div class="screen-head">
			<h1>${texts.schedules.title}</h1>
			${mayAct.value && html`<div class="actions">
				<button class="main" onClick=${() => navigate({ view: "schedules", tab: "new" })}>${texts.schedules.create}</button>
			</div>`}
		</div>
		<${Answered} asked=${asked}>${(/** @type {Api.Schedule[]} */ schedules) => html`<${List} schedules=${schedules} />`}<//>`;
}

const LAST = 8;

/** However often they tick: to count the runs of many schedules takes the service a while. */
const EVERY_MS = 10_000;

/** By schedule. @typedef {Map<string, Api.RunsOfSchedule>} Runs */

/**
 * What became of the runs of schedules, null where the past is looked at.
 * @param {Api.Schedule[]} schedules @returns {Runs | null}
 */
function useRuns(schedules) {
	const ids = schedules.map(({ id }) => id);
	const load = async (/** @type {AbortSignal} */ signal) => (asOf.value ? null : runsOf(ids, LAST, signal));
	return useAnswer(load, [ids.join(",")], { everyMs: EVERY_MS }).answer ?? (asOf.value ? null : new Map());
}

/** @param {{schedules: Api.Schedule[]}} props */
function List({ schedules }) {
	const runs = useRuns(schedules);
	const words = texts.schedules.columns;
	if (schedules.length === 0)
		return html`<${Empty}
			title=${texts.schedules.empty} hint=${texts.schedules.emptyHint} command=${texts.schedules.emptyCommand} />`;
	/** @type {Column<Api.Schedule>[]} */
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
			cell: ({ nextAt, paused }) => paused && !runs ? html`<${Status} status="paused" />` : html`<${Time} at=${paused ? null : nextAt} />`,
		},
	];
	if (runs) columns.push(...columnsOfRuns(runs));
	else columns.push({ name: "last", title: words.last, cell: ({ lastTick }) => html`<${LastTick} tick=${lastTick} />` });
	return html`<${Table} label=${texts.schedules.title} rows=${schedules} keyOf=${(/** @type {Api.Schedule} */ { id }) => id} columns=${columns} />`;
}

/** @param {Runs} runs @returns {Column<Api.Schedule>[]} */
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

/**
 * Of what its last run came to it says more than that it ticks.
 * @param {{schedule: Api.Schedule, runs?: Api.RunsOfSchedule}} props
 */
function Health({ schedule, runs }) {
	const { paused, lastTick } = schedule;
	const failure = lastFailure(runs);
	const skipped = lastTick?.outcome === "skipped" && lastTick.reason !== "paused";
	return html`
		${failure && html`<${LastFailed} run=${failure} />`}
		${paused && html` <${Status} status="paused" />`}
		${runs && !failure && !paused && html`<${Status} status="ready" label=${texts.schedules.active} />`}
		${skipped && html` <small><${LastTick} tick=${lastTick} /></small>`}
	`;
}

/**
 * A tick is launched or skipped: neither says how a run went.
 * @param {{tick: Record<string, any> | null}} props
 */
function LastTick({ tick }) {
	if (!tick) return html`<span class="quiet">–</span>`;
	return html`<span class="tag">${tick.outcome}</span>${" "}
		<small><${Time} at=${tick.dueAt} /></small>${" "}
		${tick.runId ? html`<${RunLink} id=${tick.runId} />` : html`<small>${tick.reason?.replaceAll("_", " ") ?? ""}</small>`}`;
}
