// Ctrl K: go anywhere by name. A box with suggestions, as WAI-ARIA describes it.

/** @import { On } from "../parts.js" */

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { Dialog, html } from "../parts.js";
import { all, change, mayAct, navigate, useAnswer, useJobs } from "../state.js";
import { keysAreOn } from "../state/preferences.js";
import { texts } from "../texts.js";
import { MAIN, PAGES } from "./navigation.js";
import { openPast } from "./past.js";
import { openSettings } from "./settings.js";

const MAX_ENTRIES = 12;

const RUN_ID = /^[0-9a-f]{8}[0-9a-f-]*$/i;

/** @typedef {{kind: string, name: string, go: () => unknown}} Entry */

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

const isOpen = signal(false);

export const openPalette = () => (isOpen.value = true);

export function Palette() {
	return isOpen.value ? html`<${Box} />` : null;
}

function Box() {
	const typed = useSignal("");
	const place = useSignal(0);
	const jobs = useJobs();
	/** @type {Api.Schedule[]} */
	const schedules = useAnswer((signal) => all("/schedules", [], signal), []).answer ?? [];
	const close = () => (isOpen.value = false);
	useEffect(() => document.getElementById(`palette-${place.value}`)?.scrollIntoView({ block: "nearest" }), [place.value]);
	const found = entriesFor(typed.value.trim(), jobs, schedules);
	const go = (/** @type {Entry} */ entry) => {
		close();
		entry.go();
	};
	const press = (/** @type {KeyboardEvent} */ event) => {
		const step = STEPS[event.key];
		if (step) {
			event.preventDefault();
			place.value = (place.value + step + found.length) % Math.max(found.length, 1);
		} else if (event.key === "Enter" && found[place.value]) {
			event.preventDefault();
			go(found[place.value]);
		}
	};
	const write = (/** @type {On} */ event) => {
		typed.value = event.target.value;
		place.value = 0;
	};
	return html`<${Dialog} title=${texts.palette.title} onClose=${close} className="palette">
		<input role="combobox" aria-expanded="true" aria-controls="palette-found"
			aria-activedescendant=${`palette-${place.value}`} aria-label=${texts.palette.prompt}
			placeholder=${texts.palette.prompt}
			autofocus
			value=${typed.value} onInput=${write} onKeyDown=${press} />
		<ul role="listbox" id="palette-found" aria-label=${texts.palette.title}>
			${found.map((entry, index) => html`<li role="option"
				id=${`palette-${index}`} key=${entry.kind + entry.name} aria-selected=${index === place.value}
				onClick=${() => go(entry)}>
				<span>${entry.name}</span><small>${entry.kind}</small>
			</li>`)}
		</ul>
		${found.length === 0 && html`<p class="quiet">${texts.palette.nothing}</p>`}
	<//>`;
}

/**
 * What fits what is typed: pages, jobs, schedules, actions; and always the runs that the text leads to.
 * @param {string} typed @param {Api.Definition[]} jobs @param {Api.Schedule[]} schedules @returns {Entry[]}
 */
function entriesFor(typed, jobs, schedules) {
	const words = texts.palette;
	const pages = MAIN.map((view) => ({ kind: words.page, name: texts.views[view], go: () => navigate({ view }) }));
	const bulk = { kind: words.page, name: texts.views.bulk, go: () => navigate({ view: "bulk" }) };
	const actions = [
		{ kind: words.action, name: texts.past.open, go: openPast },
		{ kind: words.action, name: texts.past.back, go: () => change({ asOf: "" }) },
		{ kind: words.action, name: texts.settings.title, go: openSettings },
	];
	const launching = (/** @type {string} */ slug) =>
		({ kind: words.action, name: words.launch(slug), go: () => navigate({ view: "job", id: slug, tab: "launch" }) });
	const ofJobs = jobs.flatMap(({ slug }) => [
		{ kind: words.job, name: slug, go: () => navigate({ view: "job", id: slug }) },
		...(mayAct.value ? [launching(slug)] : []),
	]);
	const ofSchedules = schedules.map(({ id }) => ({ kind: words.schedule, name: id, go: () => navigate({ view: "schedule", id }) }));
	const sought = typed.toLowerCase();
	const fitting = [...pages, bulk, ...ofJobs, ...ofSchedules, ...actions].filter(({ name }) => name.toLowerCase().includes(sought));
	return [...leadingToRuns(typed), ...fitting].slice(0, MAX_ENTRIES);
}

/** @param {string} typed @returns {Entry[]} */
function leadingToRuns(typed) {
	if (!typed) return [];
	const words = texts.palette;
	const search = {
		kind: words.action,
		name: words.search(typed),
		go: () => navigate({ view: "runs", words: [["search", typed]] }),
	};
	if (typed.length === 36 && RUN_ID.test(typed)) {
		return [{ kind: words.page, name: words.run(typed), go: () => navigate({ view: "run", id: typed }) }];
	}
	return RUN_ID.test(typed) ? [search] : [];
}

// Single keys, for those who want them: never while somebody writes, never with a modifier.

const ROWS = ".table tbody a.id, .table tbody .cell-first a";

const SECOND_KEY_MS = 1_500;

export function useKeys() {
	useEffect(() => {
		let leads = 0; // Until when the key after `g` counts.
		const press = (/** @type {KeyboardEvent} */ event) => {
			if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
				event.preventDefault();
				openPalette();
				return;
			}
			if (!keysAreOn.value || isWriting(event) || event.ctrlKey || event.metaKey || event.altKey) return;
			if (Date.now() < leads) {
				leads = 0;
				goTo(event.key);
			} else if (event.key === "g") {
				leads = Date.now() + SECOND_KEY_MS;
			} else if (ACTIONS[event.key]) {
				event.preventDefault();
				ACTIONS[event.key]();
			}
		};
		addEventListener("keydown", press);
		return () => removeEventListener("keydown", press);
	}, []);
}

/** @type {Record<string, () => unknown>} */
const ACTIONS = {
	"/": () => /** @type {HTMLElement | null} */ (document.querySelector("[data-filter]"))?.focus(),
	"?": openSettings,
	t: openPast,
	n: () => change({ asOf: "" }),
	j: () => step(1),
	k: () => step(-1),
};

/** @param {Event} event */
function isWriting({ target }) {
	return target instanceof Element && target.closest("input, textarea, select, [contenteditable], dialog") !== null;
}

/** @param {string} key */
function goTo(key) {
	const found = Object.entries(PAGES).find(([, page]) => page.key === key);
	if (found) navigate({ view: found[0] });
}

/** @param {number} by */
function step(by) {
	const rows = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(ROWS))];
	const place = rows.findIndex((row) => row === document.activeElement);
	rows[Math.min(Math.max(place + by, 0), rows.length - 1)]?.focus();
}
