// A group of failures: its cause, how often, in which versions, a run of it; and what can be said or done about it.

import { signal, useSignal } from "@preact/signals";

import { attempt, html, JobLink, Link, RunLink, Status, Time } from "../../parts.js";
import { asOf, post } from "../../state.js";
import { texts } from "../../texts.js";
import { BulkDialog } from "../runs/bulk_dialog.js";
import { Details } from "./details.js";

const MAY = { open: ["resolve", "ignore"], resolved: ["reopen"], ignored: ["reopen"] };

const retrying = signal(null);

/** @param {{group: object, again: () => void, isOpen: boolean}} what `isOpen` where it is the only one */
export function Group({ group, again, isOpen }) {
	const shows = useSignal(isOpen);
	const {
		fingerprint, title, job, reason, frame, status, count, recovered, firstAt, lastAt, affectedVersions,
		sampleRun,
	} = group;
	const words = texts.failures;
	const say = (what) => attempt(() => post(`/failures/${fingerprint}/${what}`).then(again), words.done[what]);
	const runs = [["failureGroup", fingerprint]];
	return html`<li class="card stack">
		<div class="screen-head">
			<${Status} status=${status} />
			<h2 class="failure-title">${title}</h2>
			${!asOf.value && html`<div class="actions">
				${status === "open" && html`
					<button onClick=${() => (retrying.value = fingerprint)}>${words.retryAll} …</button>
				`}
				${MAY[status].map((what) => html`<button key=${what} onClick=${() => say(what)}>${words[what]}</button>`)}
			</div>`}
		</div>
		<p>
			<${JobLink} slug=${job} /> · <code>${reason}</code> ${frame && html`· <code>${frame}</code>`} ·${" "}
			${words.versions(affectedVersions)}
		</p>
		<p>
			<strong>${words.times(count)}</strong>${recovered > 0 && `, ${words.recovered(recovered)}`} ·${" "}
			${words.first} <${Time} at=${firstAt} /> · ${words.last} <${Time} at=${lastAt} /> · ${words.sample}:${" "}
			<${RunLink} id=${sampleRun} /> · <${Link} to=${{ view: "runs", words: runs }}>${texts.runs.title}<//>
		</p>
		<details open=${isOpen} onToggle=${({ target }) => (shows.value = target.open)}>
			<summary>${words.details}</summary>
			${shows.value && html`<${Details} group=${group} />`}
		</details>
		${retrying.value === fingerprint && html`
			<${BulkDialog} action="retry" words=${[["job", job], ...runs, ["retried", "false"]]} onClose=${() => (retrying.value = null)} />
		`}
	</li>`;
}
