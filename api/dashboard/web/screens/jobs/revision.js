// A new version of a job: its definition as JSON, of which only what was changed is sent.

import { useSignal } from "@preact/signals";

import { announce, html, into } from "../../parts.js";
import { asOf, navigate, send } from "../../state.js";
import { texts } from "../../texts.js";
import { changesBetween, revisable } from "./history.js";
import { isRounded, objectOf } from "./schema.js";

export function Revision({ job, again }) {
	const before = revisable(job);
	const written = useSignal(JSON.stringify(before, null, 2));
	const problem = useSignal({ message: "", issues: [] });
	const words = texts.jobs;
	if (asOf.value) return html`<p class="note">${texts.past.noActions}</p>`;
	const submit = async (event) => {
		event.preventDefault();
		try {
			const changes = changesBetween(before, JSON.parse(written.value));
			if (Object.keys(changes).length === 0) {
				problem.value = { message: words.unchanged, issues: [] };
				return;
			}
			// The number that follows: whoever has made a version meanwhile is not written over.
			const { data } = await send("PATCH", `/jobs/${job.slug}`, { ...changes, version: job.version + 1 });
			announce(words.revised(data.version));
			again();
			navigate({ view: "job", id: job.slug, tab: "versions" });
		} catch (error) {
			const message = error instanceof SyntaxError ? words.badJson : error.message;
			problem.value = { message, issues: error.issues ?? [] };
		}
	};
	const { message, issues } = problem.value;
	return html`<form class="card stack" onSubmit=${submit}>
		<p class="quiet">${words.revisionHint}</p>
		<textarea rows="22" aria-label=${words.definition}
			aria-invalid=${message ? "true" : undefined} aria-describedby=${message ? "revision-problem" : undefined}
			value=${written.value} onInput=${into(written)}></textarea>
		${isRounded(objectOf(written.value)) && html`<p class="note" role="status">${words.rounded}</p>`}
		${message && html`<div id="revision-problem" class="problem" role="alert">
			<p>${message}</p>
			${issues.length > 1 && html`<ul>${issues.map(({ path, message: said }) => html`<li key=${path + said}><code>${path}</code> ${said}</li>`)}</ul>`}
		</div>`}
		<div class="actions"><button class="main">${words.revise}</button></div>
	</form>`;
}
