// The next ticks of all schedules.

import { Answered, html, Link, Time } from "../../parts.js";
import { all, moment, useAnswer, useRefresh } from "../../state.js";
import { texts } from "../../texts.js";

const MOST = 5;

export function NextTicks() {
	const asked = useAnswer((signal) => all("/schedules", moment.value, signal), []);
	useRefresh("schedules", asked.again);
	return html`<section class="card stack">
		<h2>${texts.overview.ticks}</h2>
		<${Answered} asked=${asked} lines=${2}>${(schedules) => html`<${Next} schedules=${schedules} />`}<//>
	</section>`;
}

function Next({ schedules }) {
	const due = schedules
		.filter(({ nextAt, paused }) => nextAt && !paused)
		.sort((one, other) => one.nextAt.localeCompare(other.nextAt));
	if (due.length === 0) return html`<p class="quiet">${texts.overview.noTicks}</p>`;
	return html`<ul class="needs">
		${due.slice(0, MOST).map(({ id, job, nextAt }) => html`<li key=${id}>
			<${Link} to=${{ view: "schedule", id }}>${id}<//> <small>${job} · <${Time} at=${nextAt} /></small>
		</li>`)}
	</ul>`;
}
