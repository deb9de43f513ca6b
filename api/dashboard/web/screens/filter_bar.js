// The filter as it is written, with suggestions; each condition that holds is a chip that can be taken away.

/** @import { On } from "../parts.js" */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { html, Icon } from "../parts.js";
import { condition, parse, suggestions, withoutWord, withWord } from "../state/filters.js";
import { texts } from "../texts.js";

/** @typedef {[string, string]} Word a condition: its name and its value */

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/** @param {{words: Word[], setWords: (words: Word[]) => void, jobs: Api.Definition[]}} props */
export function FilterBar({ words, setWords, jobs }) {
	const typed = useSignal("");
	const place = useSignal(-1);
	const isOpen = useSignal(false);
	const input = useRef(/** @type {HTMLInputElement | null} */ (null));
	const last = typed.value.split(/\s+/).at(-1) ?? "";
	const found = isOpen.value ? suggestions(last, knownOf(jobs)) : [];
	const add = (/** @type {string} */ text) => {
		typed.value = "";
		place.value = -1;
		setWords(parse(text).reduce(withWord, words));
	};
	const take = (/** @type {string} */ suggestion) => {
		const before = typed.value.slice(0, typed.value.length - last.length);
		if (/[^=]$/.test(suggestion)) add(before + suggestion);
		else typed.value = before + suggestion; // The value is still to be written.
		place.value = -1;
		input.current?.focus();
	};
	/** @param {Event} event @param {string} suggestion */
	const choose = (event, suggestion) => {
		event.preventDefault(); // Else the box would lose the focus, and its suggestions.
		take(suggestion);
	};
	const press = (/** @type {KeyboardEvent} */ event) => {
		const step = STEPS[event.key];
		if (step && found.length > 0) {
			event.preventDefault();
			place.value = Math.min(Math.max(place.value + step, -1), found.length - 1);
		} else if (event.key === "Enter") {
			event.preventDefault();
			if (found[place.value]) take(found[place.value]);
			else add(typed.value);
		} else if (event.key === "Escape") {
			isOpen.value = false;
			place.value = -1;
		} else if (event.key === "Backspace" && typed.value === "" && words.length > 0) {
			setWords(withoutWord(words, words.length - 1));
		}
	};
	const write = (/** @type {On} */ event) => {
		typed.value = event.target.value;
		place.value = -1;
		isOpen.value = true;
	};
	return html`<div class="filter" role="search">
		<div class="filter-box">
			<${Icon} name="filter" />
			${words.map((word, index) => html`
				<${Chip} key=${condition(word)} word=${word} remove=${() => setWords(withoutWord(words, index))} />
			`)}
			<input ref=${input} data-filter role="combobox" aria-label=${texts.runs.filter}
				aria-expanded=${found.length > 0} aria-controls="filter-found" aria-autocomplete="list"
				aria-activedescendant=${place.value >= 0 ? `filter-${place.value}` : undefined} autocomplete="off"
				placeholder=${words.length === 0 ? texts.runs.prompt : ""}
				value=${typed.value} onInput=${write} onKeyDown=${press} onFocus=${() => (isOpen.value = true)}
				onBlur=${() => (isOpen.value = false)} />
			${words.length > 0 && html`<button
				class="plain" onClick=${() => setWords([])} aria-label=${texts.runs.clear} title=${texts.runs.clear}>
				<${Icon} name="close" />
			</button>`}
		</div>
		<ul role="listbox" id="filter-found" class="filter-found" aria-label=${texts.runs.filter}
			hidden=${found.length === 0}>
			${found.map((one, index) => html`<li role="option" key=${one}
				id=${`filter-${index}`} aria-selected=${index === place.value}
				onMouseDown=${(/** @type {Event} */ event) => choose(event, one)}>
				${one}
			</li>`)}
		</ul>
	</div>`;
}

/** @param {{word: Word, remove: () => void}} props */
export function Chip({ word, remove }) {
	const text = condition(word);
	return html`<span class="chip ${word[0].endsWith("!") ? "is-negated" : ""}">
		${text}
		<button type="button" class="plain" onClick=${remove} aria-label=${texts.runs.remove(text)}><${Icon} name="close" /></button>
	</span>`;
}

/** Slugs, and the names of parameters that jobs declare. @param {Api.Definition[]} jobs */
function knownOf(jobs) {
	const names = jobs.flatMap(({ parametersSchema }) => Object.keys(parametersSchema?.properties ?? {}));
	return { jobs: jobs.map(({ slug }) => slug), parameters: [...new Set(names)].sort() };
}
