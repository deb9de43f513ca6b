// Everything at a glance: how many runs are in which state, what needs a person, what has ended lately, who works.

import { html, Link, Status } from "../../parts.js";
import { useCounts } from "../../state.js";
import { STATUSES } from "../../state/filters.js";
import { number, texts } from "../../texts.js";
import { Attention } from "./attention.js";
import { Fleet } from "./fleet.js";
import { Lately } from "./lately.js";
import { OldestWaiting } from "./oldest.js";
import { NextTicks } from "./ticks.js";

export function Screen() {
	return html`
		<div class="screen-head"><h1>${texts.overview.title}</h1></div>
		<${Counts} />
		<div class="cards">
			<${Attention} />
			<${Lately} />
			<${Fleet} />
			<${OldestWaiting} />
			<${NextTicks} />
		</div>
	`;
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
