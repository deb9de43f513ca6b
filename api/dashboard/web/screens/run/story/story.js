// How the run came to be where it is: why, by which states, with what time.

import { html, Status, Table, Time } from "../../../parts.js";
import { now } from "../../../state.js";
import { duration } from "../../../state/times.js";
import { texts } from "../../../texts.js";
import { Diagram } from "./diagram.js";
import { Explanation } from "./explanation.js";
import { pathOf, segmentsOf } from "./segments.js";
import { Timeline } from "./timeline.js";

export function Story({ run, events }) {
	const isOver = run.completedAt !== null;
	const segments = segmentsOf(events, isOver ? 0 : now.value);
	const attempts = segments.filter(({ kind }) => kind === "run");
	return html`
		<div class="cards">
			<${Explanation} run=${run} />
			<section class="card"><h2>${texts.run.states}</h2><${Diagram} path=${pathOf(events)} /></section>
		</div>
		<section class="card stack">
			<h2>${texts.run.timeline}</h2>
			<${Timeline} segments=${segments} />
			<${Attempts} attempts=${attempts} events=${events} />
		</section>
	`;
}

/** Attempts beside each other: what differs is seen in the columns. */
function Attempts({ attempts, events }) {
	if (attempts.length === 0) return html`<p class="quiet">${texts.run.noAttempts}</p>`;
	const words = texts.run;
	const messages = events
		.filter(({ data }) => data.error_message)
		.map(({ data, occurredAt }) => [Date.parse(occurredAt), data.error_message]);
	const said = new Map(messages);
	const columns = [
		{ name: "first", title: words.attempts, cell: ({ attempt }) => words.attempt(attempt) },
		{
			name: "status",
			title: texts.runs.columns.status,
			cell: ({ isOpen, outcome }) => html`<${Status} status=${isOpen ? "running" : outcome} />`,
		},
		{ name: "took", title: texts.runs.columns.took, cell: ({ from, to }) => duration(to - from) },
		{
			name: "started",
			title: words.facts.started,
			cell: ({ from }) => html`<${Time} at=${new Date(from).toISOString()} />`,
		},
		{ name: "worker", title: words.worker, cell: ({ worker }) => html`<code>${worker}</code>` },
		{ name: "why", title: texts.runs.columns.why, cell: ({ to, isOpen }) => (isOpen ? "" : said.get(to)) },
	];
	return html`<${Table} label=${words.attempts} rows=${attempts} keyOf=${({ number }) => number} columns=${columns} />`;
}
