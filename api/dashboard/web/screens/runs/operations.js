// Bulk operations: how far each has got, live, and the means to stop it.

import { Answered, Empty, html, MoreRows, orderWithReason, shortId, Status, Time } from "../../parts.js";
import { address, asOf, get, moment, pageOf, useAnswer, useNewest } from "../../state.js";
import { texts } from "../../texts.js";

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(
		async (signal) => {
			if (!id) return load(null, signal);
			const { data } = await get(`/bulk/${id}`, moment.value, signal);
			return { rows: [data], next: null };
		},
		[id],
	);
	return html`<h1>${texts.views.bulk}</h1>
		<${Answered} asked=${asked}>
			${({ rows }) => html`<${List} operations=${rows} /><${MoreRows} asked=${asked} load=${load} text=${texts.older} />`}
		<//>`;
}

const load = (cursor, signal) => pageOf("/bulk", moment.value, cursor, signal);

function List({ operations }) {
	const newest = useNewest(operations, "bulk", ({ id }) => id);
	if (newest.length === 0) return html`<${Empty} title=${texts.bulk.empty} hint=${texts.bulk.emptyHint} />`;
	return html`<ul class="stack">
		${newest.map((operation) => html`<${Operation} key=${operation.id} operation=${operation} />`)}
	</ul>`;
}

function Operation({ operation }) {
	const { id, action, filter, status, total, done, refused, reason, requestedBy, createdAt, refusals } =
		operation;
	const words = texts.bulk;
	const question = { title: words.abort, text: words.abortHint, action: words.abort };
	const abort = () => orderWithReason(question, `/bulk/${id}/abort`, words.abort);
	return html`<li class="card stack">
		<div class="screen-head">
			<h2>${texts.bulk.title(action)}</h2>
			<span class="id">${shortId(id)}</span> <${Status} status=${status} />
			${status === "running" && !asOf.value && html`
				<div class="actions"><button class="danger" onClick=${abort}>${texts.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${filter.join("  ")}</code></p>
		<progress max=${Math.max(total, 1)} value=${total === 0 ? 1 : done + refused}
			aria-label=${texts.bulk.running(operation)}>
		</progress>
		<p>${texts.bulk.running(operation)}</p>
		<p class="quiet">${reason} · ${requestedBy} · <${Time} at=${createdAt} /></p>
		${refusals.length > 0 && html`<ul class="refused">
			${refusals.slice(0, 10).map(({ run, why }) => html`<li key=${run}>${texts.bulk.one(run, why)}</li>`)}
		</ul>`}
	</li>`;
}
