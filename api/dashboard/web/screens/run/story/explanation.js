// Why the run waits, or how it ended, in the service's own words: which reason decides, and what would change it.

import { Answered, html, Icon, Time } from "../../../parts.js";
import { get, moment, useAnswer, useSettled } from "../../../state.js";
import { texts } from "../../../texts.js";

/** What a run waits for changes without an event of its own. */
const EVERY_MS = 3_000;

export function Explanation({ run }) {
	const everyMs = run.status === "pending" ? EVERY_MS : undefined;
	const asked = useAnswer(
		(signal) => get(`/job-runs/${run.id}/explain`, moment.value, signal),
		[run.id],
		{ newer: [useSettled(run.updatedAt)], everyMs },
	);
	return html`<section class="card explanation">
		<h2>${texts.run.explain}</h2>
		<${Answered} asked=${asked} lines=${2}>${({ data }) => html`<${Told} explanation=${data} />`}<//>
	</section>`;
}

function Told({ explanation }) {
	const { summary, reasons, nextChangeAt, unknown } = explanation;
	return html`
		<p class="summary">${summary}</p>
		${reasons.length > 0 && html`<ul class="stack">
			${reasons.map((reason) => html`<${Reason} key=${reason.code} reason=${reason} />`)}
		</ul>`}
		${nextChangeAt && html`<p class="quiet">${texts.run.until} <${Time} at=${nextChangeAt} /></p>`}
		${unknown.map((text) => html`<p class="note" key=${text}>${text}</p>`)}
	`;
}

function Reason({ reason }) {
	const { code, message, binding, since } = reason;
	return html`<li class=${binding ? "reason is-binding" : "reason"}>
		${binding && html`<${Icon} name="next" label=${texts.run.binding} />`}
		<span>${message} <code class="quiet">${code}</code> ${since && html`<small><${Time} at=${since} /></small>`}</span>
	</li>`;
}
