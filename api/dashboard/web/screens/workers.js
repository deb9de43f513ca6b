// Workers: who they are, what they can do, when they last gave a sign of life.

/** @import { Column } from "../parts.js" */

import { Answered, attempt, confirm, Empty, html, Link, Status, Table, Time } from "../parts.js";
import { all, mayAct, post, useAnswer } from "../state.js";
import { texts } from "../texts.js";

const EVERY_MS = 3_000;

export function Screen() {
	const asked = useAnswer((signal) => all("/workers", [], signal), [], { everyMs: EVERY_MS });
	return html`<div class="screen-head"><h1>${texts.workers.title}</h1></div>
		<${Answered} asked=${asked}>${(/** @type {Api.Worker[]} */ workers) => html`<${List} workers=${workers} again=${asked.again} />`}<//>`;
}

/** @param {{workers: Api.Worker[], again: () => void}} props */
function List({ workers, again }) {
	const words = texts.workers.columns;
	if (workers.length === 0)
		return html`<${Empty}
			title=${texts.workers.empty} hint=${texts.workers.emptyHint} command=${texts.overview.startWorker} />`;
	/** @type {Column<Api.Worker>[]} */
	const columns = [
		{
			name: "first",
			title: words.worker,
			cell: ({ id, host, pid }) => html`<strong class="id">${id}</strong> <small>${texts.workers.at(host, pid)}</small>
				<${Link} to=${{ view: "runs", words: [["worker", id]] }}>${texts.workers.runs}<//>`,
		},
		{ name: "status", title: words.state, cell: ({ state }) => html`<${Status} status=${state} />` },
		{
			name: "slots",
			title: words.slots,
			cell: ({ busy, slots, sharedBusy, sharedSlots }) =>
				html`<meter min="0" max=${slots} value=${busy} aria-label=${texts.overview.slots(busy, slots)}>
					</meter>${" "}
					<small>${texts.overview.slots(busy, slots)}</small>
					${sharedSlots > 0 && html`<br /><small>${texts.workers.shared(sharedBusy, sharedSlots)}</small>`}`,
		},
		{
			name: "labels",
			title: words.labels,
			cell: ({ labels }) => Object.entries(labels).map(([name, value]) => html`
				<span class="tag" key=${name}>${name}=${value}</span>${" "}
			`),
		},
		{ name: "handlers", title: words.handlers, cell: ({ entryPoints }) => html`<${Handlers} names=${entryPoints} />` },
		{ name: "beat", title: words.beat, cell: ({ lastBeatAt }) => html`<${Time} at=${lastBeatAt} />` },
		{ name: "version", title: words.version, cell: ({ version }) => version },
		{
			name: "action",
			title: texts.actions,
			isTitleHidden: true,
			cell: (worker) =>
				worker.state === "alive" && mayAct.value &&
				html`<button onClick=${() => drain(worker, again)}>${texts.workers.drain} …</button>`,
		},
	];
	return html`<${Table} label=${texts.workers.title} rows=${workers} keyOf=${(/** @type {Api.Worker} */ { id }) => id} columns=${columns} />`;
}

/** @param {{names: string[] | null}} props */
function Handlers({ names }) {
	if (names === null) return texts.workers.any;
	return html`<details>
		<summary>${texts.workers.handlers(names.length)}</summary>
		<ul>${names.map((name) => html`<li key=${name}><code>${name}</code></li>`)}</ul>
	</details>`;
}

/** @param {Api.Worker} worker @param {() => void} again */
async function drain({ id }, again) {
	const words = texts.workers;
	const answer = await confirm({ title: `${words.drain} ${id}`, text: words.drainText, action: words.drain });
	if (answer) await attempt(() => post(`/workers/${id}/drain`).then(again), words.drained);
}
