// Bulk operations: how far each has got, live, and the means to stop it.

/** @import { On } from "../parts.js" */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import {
	announce, Answered, Dialog, Empty, Guard, html, into, isGuarded, MoreRows, orderWithReason, shortId, Status, Time,
} from "../parts.js";
import { address, asOf, get, inPath, mayAct, moment, navigate, newKey, pageOf, post, problemOf, useAnswer, useNewest, world } from "../state.js";
import { conditions } from "../state/filters.js";
import { environment } from "../state/preferences.js";
import { texts } from "../texts.js";
import { RunTable } from "./run_table.js";

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(
		async (signal) => {
			if (!id) return load(null, signal);
			const { data } = await get(`/bulk/${inPath(id)}`, moment.value, signal);
			return { rows: [data], next: null };
		},
		[id],
	);
	return html`<h1>${texts.views.bulk}</h1>
		<${Answered} asked=${asked} list=${id && "bulk"}>
			${(/** @type {{rows: Api.BulkOperation[]}} */ { rows }) => html`
				<${List} operations=${rows} />
				<${MoreRows} asked=${asked} load=${load} text=${texts.older} />
			`}
		<//>`;
}

/** @param {string | null} cursor @param {AbortSignal} [signal] */
const load = (cursor, signal) => pageOf("/bulk", moment.value, cursor, signal);

/** @param {{operations: Api.BulkOperation[]}} props */
function List({ operations }) {
	const newest = withNew(useNewest(operations, "bulk", ({ id }) => id));
	if (newest.length === 0) return html`<${Empty} title=${texts.bulk.empty} hint=${texts.bulk.emptyHint} />`;
	return html`<ul class="stack">
		${newest.map((operation) => html`<${Operation} key=${operation.id} operation=${operation} />`)}
	</ul>`;
}

/**
 * In the list of all, those that others have ordered since come first.
 * @param {Api.BulkOperation[]} operations newest first @returns {Api.BulkOperation[]}
 */
function withNew(operations) {
	if (address.value.id || asOf.value) return operations;
	const newest = operations[0]?.createdAt ?? "";
	const since = [...world.value.recent.bulk.values()].filter(({ createdAt }) => createdAt > newest);
	return [...since.sort((one, other) => other.createdAt.localeCompare(one.createdAt)), ...operations];
}

/** @param {{operation: Api.BulkOperation}} props */
function Operation({ operation }) {
	const { id, action, filter, status, total, done, refused, reason, requestedBy, createdAt, refusals } =
		operation;
	const words = texts.bulk;
	const question = { title: words.abort, text: words.abortHint, action: words.abort };
	const abort = () => orderWithReason(question, `/bulk/${id}/abort`, words.aborted);
	return html`<li class="card stack">
		<div class="screen-head">
			<h2>${texts.bulk.title(action)}</h2>
			<span class="id">${shortId(id)}</span> <${Status} status=${status} />
			${status === "running" && mayAct.value && html`
				<div class="actions"><button class="danger" onClick=${abort}>${texts.bulk.abort} …</button></div>
			`}
		</div>
		<p class="command"><code>${filter.join("  ")}</code></p>
		<progress max=${Math.max(total, 1)} value=${total === 0 ? 1 : done + refused}
			aria-label=${texts.bulk.running(operation)}>
		</progress>
		<p>${texts.bulk.running(operation)}</p>
		<p class="quiet"><bdi>${reason}</bdi> · <bdi>${requestedBy}</bdi> · <${Time} at=${createdAt} /></p>
		${action !== "cancel" && !asOf.value && html`<${Launched} operation=${operation} isOpen=${address.value.id === id} />`}
		${refusals.length > 0 && html`<ul class="refused">
			${refusals.slice(0, 10).map(({ run, why }) => html`<li key=${run}>${texts.bulk.one(run, why)}</li>`)}
		</ul>`}
	</li>`;
}

// What became of the runs that it launched: did it help?

const LAUNCHED_SHOWN = 10;
const LAUNCHED_EVERY_MS = 3_000;

/** @param {{operation: Api.BulkOperation, isOpen: boolean}} props */
function Launched({ operation, isOpen }) {
	const shows = useSignal(isOpen);
	const toggle = (/** @type {On<HTMLDetailsElement>} */ { target }) => (shows.value = target.open);
	return html`<details open=${isOpen} onToggle=${toggle}>
		<summary>${texts.bulk.launched}</summary>
		${shows.value && html`<${LaunchedRuns} operation=${operation} />`}
	</details>`;
}

/** @param {{operation: Api.BulkOperation}} props */
function LaunchedRuns({ operation: { id, done } }) {
	const asked = useAnswer(
		(signal) => get(`/bulk/${id}/runs`, [["limit", LAUNCHED_SHOWN]], signal),
		[id],
		{ newer: [done], everyMs: LAUNCHED_EVERY_MS },
	);
	const content = (/** @type {{data: Api.Run[], meta: Api.BulkRunsMeta}} */ { data: runs, meta }) => html`<div class="stack">
		${runs.length === 0 && html`<p class="quiet">${texts.bulk.none}</p>`}
		<p>
			${Object.entries(meta.counts ?? {}).filter(([, count]) => count > 0).map(([status, count]) => html`
				<span class="tag" key=${status}>${texts.bulk.went(count, status)}</span>${" "}
			`)}
		</p>
		${meta.hasMore && html`<p class="quiet">${texts.bulk.newest(runs.length)}</p>`}
		${runs.length > 0 && html`<${RunTable} runs=${runs} />`}
	</div>`;
	return html`<${Answered} asked=${asked} lines=${3}>${content}<//>`;
}

// A bulk operation before it is ordered: what it would come to, why, and for reruns with which other parameters.

/**
 * @typedef {{action: Api.BulkOperation["action"], filter: string[]}} BulkOrder
 * @param {{action: BulkOrder["action"], words: [string, string][], onClose: () => void}} props
 */
export function BulkDialog({ action, words, onClose }) {
	/** @type {BulkOrder} */
	const order = { action, filter: conditions(words) };
	const preview = useAnswer(() => post("/bulk", { ...order, dryRun: true }), []);
	return html`<${Dialog} title=${texts.bulk.title(action)} onClose=${onClose} className="wide">
		<p class="command"><code>${order.filter.join("  ")}</code></p>
		<${Answered} asked=${preview}>
			${(/** @type {{data: Api.BulkPreview}} */ { data }) => html`
				<${Preview} preview=${data} /><${Order} order=${order} count=${data.count} onClose=${onClose} />
			`}
		<//>
	<//>`;
}

/** More would push the order itself out of sight. */
const SAMPLE_SHOWN = 5;

/** @param {{preview: Api.BulkPreview}} props */
function Preview({ preview }) {
	const { count, position, sample, refused } = preview;
	return html`<div class="stack">
		<p>
			<strong>${texts.bulk.preview(count)}</strong>,${" "}
			<span class="quiet">${texts.bulk.asOfPosition(position)}</span>
		</p>
		${refused.length > 0 && html`<div>
			<p>${texts.bulk.refused(refused.length)}</p>
			<ul class="refused">
				${refused.slice(0, 5).map(({ run, why }) => html`<li key=${run}>${texts.bulk.one(run, why)}</li>`)}
			</ul>
		</div>`}
		${sample.length > 0 && html`<div><h3>${texts.bulk.sample}</h3><${RunTable} runs=${sample.slice(0, SAMPLE_SHOWN)} isBrief /></div>`}
	</div>`;
}

/** @param {{order: BulkOrder, count: number, onClose: () => void}} props */
function Order({ order, count, onClose }) {
	const reason = useSignal("");
	const patch = useSignal("");
	const name = useSignal("");
	const problem = useSignal("");
	const sent = useRef({ body: "", key: "" }); // The same order twice, after a lost answer, is one operation.
	const mayGo = count > 0 && reason.value.trim() !== "" && (!isGuarded || name.value === environment.name);
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		try {
			const parameters = patch.value.trim() && JSON.parse(patch.value);
			const body = { ...order, reason: reason.value, ...(parameters && { patch: { parameters } }) };
			const text = JSON.stringify(body);
			if (sent.current.body !== text) sent.current = { body: text, key: newKey() };
			const { data } = await post("/bulk", body, { "Idempotency-Key": sent.current.key });
			announce(texts.bulk.title(order.action));
			onClose();
			navigate({ view: "bulk", id: data.id });
		} catch (error) {
			problem.value = error instanceof SyntaxError ? texts.jobs.badJson : problemOf(error).message;
		}
	};
	return html`<form class="stack" onSubmit=${submit}>
		<label>${texts.reason}<input required maxlength="1000" value=${reason.value} onInput=${into(reason)} /></label>
		${order.action === "rerun" && html`
			<label>${texts.bulk.patch}<textarea rows="3" placeholder="{}" value=${patch.value} onInput=${into(patch)}></textarea></label>
		`}
		<${Guard} name=${name} />
		${problem.value && html`<p class="problem" role="alert">${problem.value}</p>`}
		<div class="actions">
			<button type="button" onClick=${onClose}>${texts.leaveIt}</button>
			<button class="danger" disabled=${!mayGo}>${texts.bulk.go(texts.bulk.actions[order.action], count)}</button>
		</div>
	</form>`;
}
