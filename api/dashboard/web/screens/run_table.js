// Runs as rows. The row of a run stays where it is, whatever becomes of the run.

import { Duration, html, JobLink, RunLink, shortId, Status, Table, Time } from "../parts.js";
import { texts } from "../texts.js";

/** @import { Signal } from "@preact/signals" */
/** @import { Column } from "../parts.js" */

/** @typedef {Signal<Set<string>>} Selected the ids of the runs that are ticked */

/** The time that stands in a row: that by which the list is sorted. */
const TIMES = /** @type {const} */ ({ created: "createdAt", started: "startedAt", ended: "completedAt" });

/**
 * @param {{runs: Api.Run[], selected?: Selected, sort?: string, isBrief?: boolean, isOfOneJob?: boolean, more?: Column<Api.Run>[]}} props
 */
export function RunTable({ runs, selected, sort = "", isBrief = false, isOfOneJob = false, more = [] }) {
	const words = texts.runs.columns;
	const at = sort === "started" || sort === "ended" ? sort : "created";
	/** @type {Column<Api.Run>[]} */
	const columns = [
		{ name: "first", title: words.run, cell: (run) => html`<${RunLink} id=${run.id} />` },
		{ name: "job", title: words.job, cell: (run) => html`<${JobLink} slug=${run.slug} />` },
		{ name: "status", title: words.status, cell: (run) => html`<${State} run=${run} />` },
		{
			name: "took",
			title: words.took,
			cell: (run) => html`<${Duration} from=${run.startedAt} to=${run.completedAt} ms=${run.durationMs} />`,
		},
		{ name: "created", title: words[at], cell: (run) => html`<${Time} at=${run[TIMES[at]]} />` },
	];
	if (!isBrief) columns.push({ name: "why", title: words.details, cell: (run) => html`<${Why} run=${run} />` });
	columns.push(...more);
	if (isOfOneJob) columns.splice(1, 1);
	if (selected) columns.unshift(selecting(runs, selected));
	return html`<${Table} label=${texts.runs.title} rows=${runs} keyOf=${idOf} columns=${columns}
		rowClass=${(/** @type {Api.Run} */ { id }) => (selected?.value.has(id) ? "is-selected" : "")} />`;
}

const idOf = (/** @type {Api.Run} */ { id }) => id;

/** @param {{run: Api.Run}} props */
function State({ run }) {
	const isRetried = run.attempt > 1;
	return html`<${Status} status=${run.status} />${" "}
		${isRetried && html`<small>${texts.runs.attemptOf(run.attempt, run.maxAttempts)}</small>`}`;
}

/** A line holds no more, and a browser would measure all of a large document. */
const MAX_SHOWN = 500;

/**
 * What a person wants to know of it: the error, or until when it waits, or with what it was launched.
 * @param {{run: Api.Run}} props
 */
function Why({ run }) {
	if (run.errorMessage) return html`<span class="one-line">${run.errorMessage}</span>`;
	if (run.status === "pending")
		return html`<small>${texts.runs.dueAt} <${Time} at=${run.scheduledAt} /></small>`;
	const parameters = Object.entries(run.parameters ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
	return html`<span class="one-line quiet">${parameters.join(" ").slice(0, MAX_SHOWN)}</span>`;
}

/** @param {Api.Run[]} runs @param {Selected} selected @returns {Column<Api.Run>} */
function selecting(runs, selected) {
	const toggle = (/** @type {string} */ id) => {
		const changed = new Set(selected.value);
		if (!changed.delete(id)) changed.add(id);
		selected.value = changed;
	};
	const isAll = runs.length > 0 && runs.every(({ id }) => selected.value.has(id));
	const toggleAll = () => (selected.value = isAll ? new Set() : new Set(runs.map(({ id }) => id)));
	return {
		name: "select",
		title: html`<input type="checkbox" aria-label=${texts.runs.selectAll} checked=${isAll} onChange=${toggleAll} />`,
		cell: ({ id }) =>
			html`<input type="checkbox" aria-label=${texts.runs.select(shortId(id))} checked=${selected.value.has(id)}
				onChange=${() => toggle(id)} />`,
	};
}
