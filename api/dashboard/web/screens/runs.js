// The list of runs: filtered by the address, read page by page, with newer runs behind a pill instead of jumping rows.

/** @import { On } from "../parts.js" */
/** @import { Asked } from "../state/loading.js" */
/** @import { Word } from "./filter_bar.js" */
/** @import { Selected } from "./run_table.js" */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { announce, Answered, confirm, Empty, html, Icon, Link, MoreRows } from "../parts.js";
import {
	address, asOf, change, forgetPlace, get, keepPlace, keptPlace, mayAct, moment, pageOf, post, problemOf, useAnswer,
	useCounts, useJobs, useNewest, world,
} from "../state.js";
import { areDecided, belongsTo, STATUSES, withWord } from "../state/filters.js";
import { number, texts } from "../texts.js";
import { BulkDialog } from "./bulk.js";
import { FilterBar } from "./filter_bar.js";
import { RunTable } from "./run_table.js";
import { SavedViews } from "./saved_views.js";

const PAGE = 50;

/** Beyond that nobody wants to know how many are new, and the page need not remember them. */
const MAX_FRESH = 1_000;

/**
 * Runs, newest first; `known` is what the stream had told before, `hasNewer` where it is not the first page.
 * @typedef {{rows: Api.Run[], next: string | null, known: Map<string, Api.Run>, hasNewer?: boolean, stand?: Stand}} Page
 *
 * Where somebody stands in a list: its newest row, how many there are, and how far down that is.
 * @typedef {{newest: string, count: number, top: number}} Stand
 *
 * @typedef {{words: Word[], sort: string}} List
 */

/** @param {List} list @param {string | number | null} cursor @param {AbortSignal} [signal] @returns {Promise<Page>} */
async function load({ words, sort }, cursor, signal) {
	const known = world.peek().recent.runs;
	const query = [...words, ...moment.value, ["sort", sort], ["limit", PAGE]];
	const { rows, next } = await pageOf("/job-runs", query, cursor, signal);
	return { rows: rows.map((/** @type {Api.RunWithJob} */ { run }) => run), next, known };
}

/**
 * The same rows as when the list was left, from the newest of them on, as they are now; the first page if that cannot be.
 * @param {List} list @param {Stand | null} stand @param {AbortSignal} signal @returns {Promise<Page>}
 */
async function loadAgain(list, stand, signal) {
	let page = await load(list, null, signal);
	if (!stand?.newest || page.rows.length === 0) return page;
	if (page.rows[0].id !== stand.newest && !list.sort) {
		const cursor = await cursorFrom(stand.newest, signal);
		if (cursor !== null) page = { ...(await load(list, cursor, signal)), hasNewer: true };
	}
	while (page.next !== null && page.rows.length < Math.min(stand.count, MAX_AGAIN)) {
		const { rows, next } = await load(list, page.next, signal);
		page = { ...page, rows: [...page.rows, ...rows], next };
	}
	return { ...page, stand };
}

/** So many rows are read again at most, a page after the other. */
const MAX_AGAIN = 1_000;

/**
 * @param {string} id @param {AbortSignal} signal
 * @returns {Promise<number | null>} the cursor of the page that begins with a run: right behind its first event
 */
async function cursorFrom(id, signal) {
	try {
		const { data } = await get(`/job-runs/${id}/events`, [["limit", 1]], signal);
		return data[0].position + 1;
	} catch (error) {
		if (problemOf(error).status === 404) return null;
		throw error;
	}
}

export function Screen() {
	const { words, sort } = address.value;
	const key = JSON.stringify([words, sort]);
	const asked = useAnswer((signal) => loadAgain({ words, sort }, keptPlace(), signal), [key]);
	const selected = useSignal(/** @type {Set<string>} */ (new Set()));
	const jobs = useJobs();
	const setWords = (/** @type {Word[]} */ changed) => change({ words: changed });
	useEffect(() => {
		selected.value = new Set();
	}, [key, asOf.value]);
	return html`
		<div class="screen-head">
			<h1>${texts.runs.title}</h1>
			<div class="actions">
				<${SavedViews} words=${words} sort=${sort} />
				<${Link} to=${{ view: "bulk" }}>${texts.views.bulk}<//>
			</div>
		</div>
		<${FilterBar} words=${words} setWords=${setWords} jobs=${jobs} />
		<${StatusFilter} words=${words} setWords=${setWords} />
		<div class="list-controls">
			<${Selection} words=${words} selected=${selected} />
			<${Sort} sort=${sort} />
		</div>
		<${Answered} asked=${asked} lines=${10}>
			${(/** @type {Page} */ page) => html`
				<${Rows} page=${page} asked=${asked} words=${words} sort=${sort} selected=${selected} jobs=${jobs}
					key=${key + asOf.value} />
			`}
		<//>
	`;
}

/** @param {List & {page: Page, asked: Asked<Page>, selected: Selected, jobs: Api.Definition[]}} props */
function Rows({ page, asked, words, sort, selected, jobs }) {
	const runs = useNewest(page.rows, "runs", (run) => run.id);
	// The stream tells of other runs all the time.
	const table = useMemo(
		() => html`<${RunTable} runs=${runs} sort=${sort} selected=${mayAct.value ? selected : undefined} />`,
		[runs, mayAct.value],
	);
	const box = usePlace(page, asked.isOld);
	const show = () => {
		forgetPlace();
		asked.again();
	};
	useEffect(() => {
		selected.value = new Set(page.rows.map(({ id }) => id).filter((id) => selected.value.has(id)));
	}, [page]);
	const fresh = html`<${Fresh} page=${page} words=${words} sort=${sort} jobs=${jobs} show=${show} />`;
	if (runs.length === 0)
		return html`${fresh}<${Nothing} words=${words} />`;
	return html`
		${fresh}
		<div ref=${box}>${table}</div>
		<${MoreRows} asked=${asked} load=${(/** @type {string} */ next) => load({ words, sort }, next)} text=${texts.older} />
	`;
}

/**
 * Keep where somebody stands in the list, and lead back there.
 * @param {Page} page @param {boolean} isOld @returns a ref for what holds the rows
 */
function usePlace(page, isOld) {
	const box = useRef(/** @type {HTMLElement | null} */ (null));
	const latest = useRef({ page, isOld });
	latest.current = { page, isOld };
	useEffect(() => keepPlace(() => {
		const { page: { rows }, isOld } = latest.current;
		if (isOld || !box.current) return null;
		return { newest: rows[0].id, count: rows.length, top: box.current.getBoundingClientRect().top };
	}), []);
	useLayoutEffect(() => {
		if (page.stand && !isOld && box.current) scrollBy(0, box.current.getBoundingClientRect().top - page.stand.top);
	}, [page.stand, isOld]);
	return box;
}

/**
 * How many runs have been launched since, or have become such, that would stand here.
 * @param {List & {page: Page, jobs: Api.Definition[], show: () => void}} props
 */
function Fresh({ page, words, sort, jobs, show }) {
	const { known } = page;
	const fresh = useSignal({ known, ids: /** @type {Set<string>} */ (new Set()) });
	if (fresh.value.known !== known) fresh.value = { known, ids: new Set() };
	const { runs: recent, jobs: recentJobs } = world.value.recent;
	useEffect(() => {
		const { ids } = fresh.value;
		if (recent === known || jobs.length === 0 || asOf.value !== "" || ids.size >= MAX_FRESH) return;
		const shown = new Set(page.rows.map((run) => run.id));
		const names = new Map([...jobs, ...recentJobs.values()].map(({ slug, name }) => [slug, name]));
		const found = [...recent.values()].filter(
			(run) => known.get(run.id) !== run && !shown.has(run.id)
				&& belongsTo(run, { words, sort }, page, (slug) => names.get(slug)),
		);
		const more = found.filter(({ id }) => !ids.has(id));
		if (more.length > 0) fresh.value = { known, ids: new Set([...ids, ...more.map(({ id }) => id)]) };
	}, [recent, page, jobs]);
	const count = fresh.value.ids.size;
	if (count === 0 && !page.hasNewer) return null;
	const fewFresh = page.hasNewer ? texts.runs.newest : areDecided(words) ? texts.runs.fresh(count) : texts.runs.perhapsFresh;
	const text = count < MAX_FRESH ? fewFresh : texts.runs.manyFresh;
	return html`<p class="pager"><button class="pill" onClick=${show}>${text}</button></p>`;
}

/** @param {{words: Word[]}} props */
function Nothing({ words }) {
	if (words.length > 0) return html`<${Empty} title=${texts.runs.noMatch} hint=${texts.runs.noMatchHint}>
		<button onClick=${() => change({ words: [] })}>${texts.runs.clear}</button>
	<//>`;
	if (asOf.value) return html`<${Empty} title=${texts.runs.noneThen}>
		<button onClick=${() => change({ asOf: "" })}>${texts.past.back}</button>
	<//>`;
	return html`<${Empty} title=${texts.runs.empty} hint=${texts.runs.emptyHint} command=${texts.runs.emptyCommand} />`;
}

// One button a status; as long as nothing else is filtered, with how many runs there are in it.

/** @param {{words: Word[], setWords: (words: Word[]) => void}} props */
function StatusFilter({ words, setWords }) {
	const counts = useCounts();
	const chosen = (words.find(([name]) => name === "status")?.[1] ?? "").split(",").filter(Boolean);
	const isOnlyFilter = words.every(([name]) => name === "status");
	const toggle = (/** @type {string} */ status) => {
		const now = chosen.includes(status) ? chosen.filter((one) => one !== status) : [...chosen, status];
		const others = words.filter(([name]) => name !== "status");
		setWords(now.length > 0 ? withWord(others, ["status", now.join(",")]) : others);
	};
	return html`<div class="status-filter" role="group" aria-label=${texts.runs.columns.status}>
		${STATUSES.map((status) => html`<button
			key=${status} class="status status-${status}" aria-pressed=${chosen.includes(status)}
			onClick=${() => toggle(status)}>
			<${Icon} name=${status} />${status}
			${isOnlyFilter && counts && html`<span class="count">${number(counts[status])}</span>`}
		</button>`)}
	</div>`;
}

/** The order of the list; but for the first one, runs that have not ended are left out. @param {{sort: string}} props */
function Sort({ sort }) {
	const choose = (/** @type {On<HTMLSelectElement>} */ { target }) => change({ sort: target.value });
	return html`<label class="inline">${texts.runs.sort}
		<select value=${sort} onChange=${choose}>
			${Object.entries(texts.runs.orders).map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
		</select>
	</label>
	${sort && html`<small>${texts.runs.onlyEnded}</small>`}`;
}

// What can be done to many runs at once: to those that are ticked, or to all that match the filter.

/** So many of the ticked runs are asked for at the same time. */
const AT_ONCE = 4;

/** @typedef {Api.BulkOperation["action"]} Action */

/** @param {{words: Word[], selected: Selected}} props */
function Selection({ words, selected }) {
	const ordering = useSignal(/** @type {Action | ""} */ (""));
	if (!mayAct.value) return null;
	const count = selected.value.size;
	return html`<div class="selection">
		${count > 0
			? html`<span>${texts.runs.selected(count)}</span><${OfTicked} selected=${selected} />`
			: html`<span>${texts.runs.allMatching}:</span>
			${ACTIONS.map((action) => html`
				<button key=${action} onClick=${() => (ordering.value = action)}>${texts.bulk.actions[action]} …</button>
			`)}`}
		${ordering.value && html`
			<${BulkDialog} action=${ordering.value} words=${words} onClose=${() => (ordering.value = "")} />
		`}
	</div>`;
}

/** @type {Action[]} */
const ACTIONS = ["cancel", "retry", "rerun"];

/** @param {{selected: Selected}} props */
function OfTicked({ selected }) {
	const isActing = useSignal(false);
	const act = async (/** @type {Action} */ action) => {
		const ids = [...selected.value];
		const answer = await confirm({
			title: texts.bulk.title(action),
			text: texts.runs.selected(ids.length),
			action: texts.bulk.go(texts.bulk.actions[action], ids.length),
			asksReason: action === "cancel",
		});
		if (!answer) return;
		const body = action === "cancel" && answer.reason ? { reason: answer.reason } : undefined;
		isActing.value = true;
		const refused = await each(ids, (id) => post(`/job-runs/${id}/${action}`, body));
		isActing.value = false;
		selected.value = new Set();
		const done = texts.bulk.ofTicked(ids.length - refused.length, ids.length);
		announce([done, ...refused.slice(0, 3)].join("\n"), { isWrong: refused.length > 0 });
	};
	return html`
		<button class="danger" disabled=${isActing.value} onClick=${() => act("cancel")}>${texts.bulk.actions.cancel} …</button>
		<button disabled=${isActing.value} onClick=${() => act("retry")}>${texts.bulk.actions.retry} …</button>
		<button class="plain" onClick=${() => (selected.value = new Set())}>${texts.runs.clearSelection}</button>
	`;
}

/**
 * @param {string[]} ids @param {(id: string) => Promise<unknown>} ask
 * @returns {Promise<string[]>} what was refused, in words
 */
async function each(ids, ask) {
	const waiting = [...ids];
	/** @type {string[]} */
	const refused = [];
	const work = async () => {
		for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
			try {
				await ask(id);
			} catch (error) {
				refused.push(texts.bulk.one(id, problemOf(error).message));
			}
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	return refused;
}
