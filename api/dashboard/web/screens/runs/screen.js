// The list of runs: filtered by the address, read page by page, with newer runs behind a pill instead of jumping rows.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { Answered, Empty, html, Link, MoreRows } from "../../parts.js";
import { address, asOf, change, moment, pageOf, useAnswer, useNewest, world } from "../../state.js";
import { texts } from "../../texts.js";
import { FilterBar } from "./filter_bar.js";
import { matches } from "./matching.js";
import { RunTable } from "./run_table.js";
import { SavedViews } from "./saved_views.js";
import { Selection } from "./selection.js";
import { StatusFilter } from "./status_filter.js";

const PAGE = 50;

/** Beyond that nobody wants to know how many are new, and the page need not remember them. */
const MOST_FRESH = 1_000;

/**
 * @returns {Promise<{rows: object[], next: string | null, known: Map<string, object>}>} one page, newest first; `known` is what
 *   the stream had told before
 */
async function load(words, cursor, signal) {
	const known = world.peek().recent.runs;
	const { rows, next } = await pageOf("/job-runs", [...words, ...moment.value, ["limit", PAGE]], cursor, signal);
	return { rows: rows.map(({ run }) => run), next, known };
}

export function Screen() {
	const { words } = address.value;
	const key = JSON.stringify(words);
	const asked = useAnswer((signal) => load(words, null, signal), [key]);
	const selected = useSignal(new Set());
	const setWords = (changed) => change({ words: changed });
	useEffect(() => {
		selected.value = new Set();
	}, [key, asOf.value]);
	return html`
		<div class="screen-head">
			<h1>${texts.runs.title}</h1>
			<div class="actions">
				<${SavedViews} words=${words} setWords=${setWords} />
				<${Link} to=${{ view: "bulk" }}>${texts.views.bulk}<//>
			</div>
		</div>
		<${FilterBar} words=${words} setWords=${setWords} />
		<${StatusFilter} words=${words} setWords=${setWords} />
		<${Selection} words=${words} selected=${selected} />
		<${Answered} asked=${asked} lines=${10}>
			${(page) => html`
				<${List} page=${page} asked=${asked} words=${words} selected=${selected} key=${key + asOf.value} />
			`}
		<//>
	`;
}

function List({ page, asked, words, selected }) {
	const runs = useNewest(page.rows, "runs", (run) => run.id);
	// The stream tells of other runs all the time.
	const table = useMemo(
		() => html`<${RunTable} runs=${runs} selected=${asOf.value ? undefined : selected} />`,
		[runs, asOf.value],
	);
	useEffect(() => {
		selected.value = new Set(page.rows.map(({ id }) => id).filter((id) => selected.value.has(id)));
	}, [page]);
	if (runs.length === 0)
		return html`<${Fresh} page=${page} words=${words} show=${asked.again} /><${Nothing} words=${words} />`;
	return html`
		<${Fresh} page=${page} words=${words} show=${asked.again} />
		${table}
		<${MoreRows} asked=${asked} load=${(next) => load(words, next)} text=${texts.older} />
	`;
}

/** How many runs have been launched since, that would stand here. */
function Fresh({ page, words, show }) {
	const { known } = page;
	const fresh = useSignal({ known, ids: new Set() });
	if (fresh.value.known !== known) fresh.value = { known, ids: new Set() };
	const recent = world.value.recent.runs;
	useEffect(() => {
		const { ids } = fresh.value;
		if (recent === known || asOf.value !== "" || ids.size >= MOST_FRESH) return;
		const shown = new Set(page.rows.map((run) => run.id));
		const newestAt = page.rows[0]?.createdAt ?? "";
		const found = [...recent.values()].filter(
			(run) => run.createdAt >= newestAt && known.get(run.id) !== run && !shown.has(run.id) && matches(words, run),
		);
		const more = found.filter(({ id }) => !ids.has(id));
		if (more.length > 0) fresh.value = { known, ids: new Set([...ids, ...more.map(({ id }) => id)]) };
	}, [recent, page]);
	const count = fresh.value.ids.size;
	if (count === 0) return null;
	const text = count < MOST_FRESH ? texts.runs.fresh(count) : texts.runs.manyFresh;
	return html`<p class="pager"><button class="pill" onClick=${show}>${text}</button></p>`;
}

function Nothing({ words }) {
	if (words.length > 0) return html`<${Empty} title=${texts.runs.noMatch} hint=${texts.runs.noMatchHint} />`;
	if (asOf.value) return html`<${Empty} title=${texts.runs.noneThen} />`;
	return html`<${Empty} title=${texts.runs.empty} hint=${texts.runs.emptyHint} command=${texts.runs.emptyCommand} />`;
}
