// The chain of causes that the run stands in, up and down.

import { Answered, html, Link, shortId, Time } from "../../parts.js";
import { get, hadHappened, useAnswer } from "../../state.js";
import { texts } from "../../texts.js";
import { chainOf } from "./chain.js";

const MOST = 500;

export function Causes({ run, events }) {
	const correlation = events[0]?.correlationId;
	const asked = useAnswer(
		async (signal) =>
			correlation ? get("/events", [["correlation", correlation], ["limit", MOST]], signal) : { data: events },
		[correlation],
		{ newer: [run.status] },
	);
	return html`<section class="card stack">
		<p class="quiet">${texts.run.causesHint}</p>
		<${Answered} asked=${asked}>
			${({ data, meta }) => html`${meta?.next && html`<p class="note">${texts.ofFirst(MOST)}</p>`}<${Tree} subjects=${chainOf(data.filter(hadHappened))} current=${run.id} />`}
		<//>
	</section>`;
}

function Tree({ subjects, current }) {
	return html`<ul class="tree">
		${subjects.map((subject) => html`<li key=${subject.id}>
			<${Subject} subject=${subject} isCurrent=${subject.id === current} />
			${subject.children.length > 0 && html`<${Tree} subjects=${subject.children} current=${current} />`}
		</li>`)}
	</ul>`;
}

function Subject({ subject, isCurrent }) {
	const { type, id, app, at, last, cause } = subject;
	const page = type === "job_run" ? { view: "run", id } : app && { view: "app", id: app };
	const name = html`${type.replaceAll("_", " ")} <span class="id">${shortId(id)}</span>`;
	return html`<span class=${isCurrent ? "is-current" : ""} aria-current=${isCurrent ? "true" : undefined}>
			${page && !isCurrent ? html`<${Link} to=${page}>${name}<//>` : name}
		</span>${" "}
		<span class="tag">${last}</span>${" "}
		<small>${cause && `${texts.run.causedBy(cause)} · `}<${Time} at=${at} /></small>`;
}
