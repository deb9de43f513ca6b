// Every event of the run, what caused it, and what it says.

import { html, Json, Link, Time } from "../../parts.js";
import { texts } from "../../texts.js";

/** So many are shown whatever they say. */
export const MOST_EVENTS = 500;

export function Events({ events }) {
	const known = new Map(events.map((event) => [event.eventId, event]));
	return html`${events.length >= MOST_EVENTS && html`<p class="note">${texts.ofFirst(MOST_EVENTS)}</p>`}<ol class="events">
		${events.map((event) => html`
			<${Event} key=${event.position} event=${event} cause=${known.get(event.causationId)} />
		`)}
	</ol>`;
}

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
