// Schedules: when each launches what, and what became of its last tick.

import { Answered, Empty, html, JobLink, Link, NoActions, RunLink, Status, Table, Time } from "../parts.js";
import { address, all, mayAct, moment, navigate, useAnswer, useRefresh } from "../state.js";
import { texts } from "../texts.js";
import { ScheduleForm } from "./schedule_form.js";
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
		<${Answered} asked=${asked}>${(schedules) => html`<${List} schedules=${schedules} />`}<//>`;
}

function List({ schedules }) {
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
		{
			name: "last",
			title: words.last,
			cell: ({ lastTick }) =>
				lastTick ? html`<${LastTick} tick=${lastTick} />` : html`<span class="quiet">–</span>`,
		},
	];
	return html`<${Table} label=${texts.schedules.title} rows=${schedules} keyOf=${({ id }) => id} columns=${columns} />`;
}

function LastTick({ tick }) {
	return html`<${Status} status=${tick.outcome} />${" "}
		<small><${Time} at=${tick.dueAt} /></small>${" "}
		${tick.runId ? html`<${RunLink} id=${tick.runId} />` : html`<small>${tick.reason ?? ""}</small>`}`;
}
