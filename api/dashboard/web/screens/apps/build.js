// A build, with its log when that is asked for.

import { useSignal } from "@preact/signals";

import { Answered, attempt, Duration, html, RunLink, shortId, Status, Time } from "../../parts.js";
import { asOf, get, post, useAnswer } from "../../state.js";
import { texts } from "../../texts.js";

export function Build({ build, again }) {
	const {
		id, status, imageTag, errorMessage, commitSha, createdAt, startedAt, completedAt, durationMs,
		hasLogs, jobRunId,
	} = build;
	const isOpen = useSignal(false);
	const words = texts.apps;
	return html`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${shortId(id)}</span></h3>
			<${Status} status=${status} />
			<small><${Time} at=${createdAt} /> · <${Duration} from=${startedAt} to=${completedAt} ms=${durationMs} /></small>
			${jobRunId && html`<${RunLink} id=${jobRunId} />`}
			${status === "failed" && !asOf.value && html`
				<div class="actions"><button onClick=${() => attempt(() => post(`/builds/${id}/retry`).then(again))}>${words.rebuild}</button></div>
			`}
		</div>
		<p>
			${imageTag && html`<code>${imageTag}</code>`}${" "}
			${commitSha && html`<small class="id">${commitSha.slice(0, 12)}</small>`}
		</p>
		${errorMessage && html`<p class="problem">${errorMessage}</p>`}
		${hasLogs && html`<details onToggle=${({ target }) => (isOpen.value = target.open)}>
			<summary>${words.log}</summary>
			${isOpen.value && html`<${BuildLog} id=${id} status=${status} />`}
		</details>`}
	</article>`;
}

function BuildLog({ id, status }) {
	const asked = useAnswer((signal) => get(`/builds/${id}/logs`, [], signal), [id], {
		newer: [status],
		everyMs: status === "running" ? 2_000 : undefined,
	});
	return html`<${Answered} asked=${asked}>
		${({ data }) => html`<pre class="log-lines" tabindex="0" aria-label=${texts.apps.log}>${data.logs}</pre>`}
	<//>`;
}
