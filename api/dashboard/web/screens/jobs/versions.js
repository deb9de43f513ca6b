// Every version of a job, and what each changed: read from the log, where all of them are.

import { Answered, Differences, html, Time } from "../../parts.js";
import { all, hadHappened, useAnswer } from "../../state.js";
import { texts } from "../../texts.js";
import { historyOf } from "./history.js";

const PAGE = 1_000;

export function Versions({ job }) {
	const query = [["subject", job.id]];
	const asked = useAnswer(
		async (signal) => historyOf((await all("/events", query, signal, PAGE)).filter(hadHappened)),
		[job.id],
		{ newer: [job.version, job.paused?.at] },
	);
	return html`<${Answered} asked=${asked}>
		${(history) => html`<ol class="events">
			${history.map((change) => html`<${Change} key=${change.position} change=${change} />`)}
		</ol>`}
	<//>`;
}

function Change({ change }) {
	const { kind, version, at, by, reason, changes } = change;
	return html`<li class="card">
		<header>
			<h2>${kind} ${version && texts.jobs.versionOf(version)}</h2>
			<span class="quiet"><${Time} at=${at} full /> · ${by}</span>
		</header>
		${reason && html`<p>${reason}</p>`}
		${changes.length > 0 && html`<${Differences} found=${changes} />`}
	</li>`;
}
