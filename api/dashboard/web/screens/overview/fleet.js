// Who works: workers and their slots.

import { Answered, Empty, html, Link } from "../../parts.js";
import { all, asOf, useAnswer } from "../../state.js";
import { texts } from "../../texts.js";

const EVERY_MS = 5_000;

export function Fleet() {
	const asked = useAnswer((signal) => all("/workers", [], signal), [], { everyMs: EVERY_MS });
	return html`<section class="card stack">
		<h2>${texts.overview.workers}</h2>
		${asOf.value && html`<p class="note">${texts.past.notHere}</p>`}
		<${Answered} asked=${asked} lines=${2}>
			${(known) => html`<${Workers} workers=${known.filter(({ state }) => state !== "lost")} />`}
		<//>
	</section>`;
}

function Workers({ workers }) {
	const words = texts.overview;
	if (workers.length === 0) return html`<${Empty} title=${words.noWorkers} command=${words.startWorker} />`;
	const busy = workers.reduce((sum, worker) => sum + worker.busy, 0);
	const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
	return html`<p>
			<${Link} to=${{ view: "workers" }}>${texts.workers.count(workers.length)}<//>,${" "}
			${words.slots(busy, slots)}
		</p>
		<meter min="0" max=${slots} value=${busy} aria-label=${words.slots(busy, slots)}></meter>`;
}
