// What can be done to many runs at once: to those that are ticked, or to all that match the filter.

import { useSignal } from "@preact/signals";

import { announce, confirm, html } from "../../parts.js";
import { asOf, post } from "../../state.js";
import { texts } from "../../texts.js";
import { BulkDialog } from "./bulk_dialog.js";

/** So many of the ticked runs are asked for at the same time. */
const AT_ONCE = 4;

export function Selection({ words, selected }) {
	const ordering = useSignal(null);
	if (asOf.value) return null;
	const count = selected.value.size;
	return html`<div class="selection">
		${count > 0
			? html`<span>${texts.runs.selected(count)}</span><${OfTicked} selected=${selected} />`
			: html`<span>${texts.runs.allMatching}:</span>
			${Object.keys(texts.bulk.actions).map((action) => html`<button key=${action} onClick=${() => (ordering.value = action)}>${texts.bulk.actions[action]} …</button>`)}`}
		${ordering.value && html`
			<${BulkDialog} action=${ordering.value} words=${words} onClose=${() => (ordering.value = null)} />
		`}
	</div>`;
}

function OfTicked({ selected }) {
	const act = async (action) => {
		const ids = [...selected.value];
		const answer = await confirm({
			title: texts.bulk.title(action),
			text: texts.runs.selected(ids.length),
			action: texts.bulk.go(texts.bulk.actions[action], ids.length),
			asksReason: action === "cancel",
		});
		if (!answer) return;
		const body = action === "cancel" && answer.reason ? { reason: answer.reason } : undefined;
		const refused = await each(ids, (id) => post(`/job-runs/${id}/${action}`, body));
		selected.value = new Set();
		if (refused.length > 0) announce(refused.slice(0, 3).join("\n"), { isWrong: true });
	};
	return html`
		<button class="danger" onClick=${() => act("cancel")}>${texts.bulk.actions.cancel} …</button>
		<button onClick=${() => act("retry")}>${texts.bulk.actions.retry} …</button>
		<button class="plain" onClick=${() => (selected.value = new Set())}>${texts.runs.clearSelection}</button>
	`;
}

/** @returns {Promise<string[]>} what was refused, in words */
async function each(ids, ask) {
	const waiting = [...ids];
	const refused = [];
	const work = async () => {
		for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
			try {
				await ask(id);
			} catch (error) {
				refused.push(texts.bulk.one(id, error.message));
			}
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	return refused;
}
