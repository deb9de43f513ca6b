// A search in what the newest runs of a failure group printed: which of them hold a text, and where.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { html, into, Link, RunLink } from "../parts.js";
import { text } from "../state.js";
import { texts } from "../texts.js";
import { LogText, partsOf, patternOf, Search } from "./log_lines.js";
import { Part } from "./run_log.js";

/** As many as the service gives from the end of a log. */
const LAST_LINES = 1_000;

const AT_ONCE = 4;

/** So many lines of each run are shown. */
const SHOWN = 3;

/**
 * Of one run: how many lines hold the text, null where its log cannot be read; and the parts of the first of these.
 * @typedef {{run: Api.Run, hits: number | null, lines: ReturnType<typeof partsOf>[]}} Result
 *
 * What has come out so far, in the order of the runs.
 * @typedef {{sought: string, results: (Result | undefined)[]}} State
 */

/** What was searched for last in each group: still there when somebody comes back from one of its runs. @type {Map<string, State>} */
const searches = new Map();

/** @param {{runs: Api.Run[], group: string}} what newest first */
export function GroupLogs({ runs, group }) {
	const words = texts.failures.logs;
	const state = useSignal(searches.get(group) ?? null);
	const sought = useSignal(state.value?.sought ?? "");
	const searching = useRef(/** @type {AbortController | null} */ (null));
	const tell = (/** @type {State} */ found) => {
		state.value = found;
		searches.set(group, found);
	};
	const search = () => {
		searching.current?.abort();
		searching.current = new AbortController();
		searchAll(runs, sought.value, searching.current.signal, tell);
	};
	useEffect(() => {
		if (state.value?.results.includes(undefined)) search(); // It was left before its end.
		return () => searching.current?.abort();
	}, []);
	const submit = (/** @type {Event} */ event) => {
		event.preventDefault();
		search();
	};
	return html`<section class="stack">
		<form class="group" role="search" onSubmit=${submit}>
			<input type="search" required aria-label=${words.search} placeholder=${words.search} value=${sought.value}
				onInput=${into(sought)} />
			<button>${words.go}</button>
		</form>
		${state.value && html`<${Found} ...${state.value} />`}
	</section>`;
}

/** @param {State} props */
function Found({ sought, results }) {
	const words = texts.failures.logs;
	const done = results.filter((result) => result !== undefined);
	const holding = done.filter(({ hits }) => hits);
	const unread = done.filter(({ hits }) => hits === null).length;
	return html`<p class="quiet" role="status">
			${words.searched(holding.length, done.length, results.length)}${unread > 0 && ` ${words.unread(unread)}`}
		</p>
		<ul class="stack found-logs">
			${holding.map(({ run, hits, lines }) => html`<li key=${run.id}>
				<p><${RunLink} id=${run.id} /> · <${Link}
					to=${{ view: "run", id: run.id, tab: "log", words: [["attempt", run.attempt], ["find", sought]] }}>
					${words.hits(hits ?? 0)}<//></p>
				<pre class="json" tabindex="0"><code>${lines.map((parts) => html`${parts.map(Part)}${"\n"}`)}</code></pre>
			</li>`)}
		</ul>`;
}

/**
 * @param {Api.Run[]} runs @param {string} sought @param {AbortSignal} signal
 * @param {(found: State) => void} tell called as runs are searched
 */
async function searchAll(runs, sought, signal, tell) {
	const pattern = patternOf(sought);
	if (!pattern) return;
	/** @type {State["results"]} */
	const results = Array.from(runs, () => undefined);
	let next = 0;
	const searchNext = async () => {
		while (next < runs.length && !signal.aborted) {
			const place = next;
			next += 1;
			const result = await searchOne(runs[place], pattern, signal);
			if (signal.aborted) return;
			results[place] = result;
			tell({ sought, results: [...results] });
		}
	};
	tell({ sought, results });
	await Promise.all(Array.from({ length: AT_ONCE }, searchNext));
}

/** @param {Api.Run} run @param {RegExp} pattern @param {AbortSignal} signal @returns {Promise<Result>} */
async function searchOne(run, pattern, signal) {
	if (run.attempt === 0) return { run, hits: 0, lines: [] };
	const log = new LogText();
	try {
		const query = [["attempt", run.attempt], ["last", LAST_LINES]];
		for await (const { piece } of text(`/job-runs/${run.id}/logs`, query, signal)) log.add(piece);
	} catch {
		return { run, hits: null, lines: [] };
	}
	log.finish();
	const search = new Search(pattern);
	search.advance(log, () => false);
	const { hits } = search;
	return { run, hits: hits.length, lines: hits.slice(0, SHOWN).map((number) => partsOf(log.line(number), pattern)) };
}
