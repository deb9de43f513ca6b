// Filters of runs with their order that somebody wants to see again: everybody's, which the service keeps, and one's own,
// which this browser keeps.

/** @import { On } from "../parts.js" */
/** @import { Word } from "./filter_bar.js" */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { announce, Answered, attempt, confirm, html, Icon, into, Time } from "../parts.js";
import { change, get, mayAct, moment, send, useAnswer, useRefresh } from "../state.js";
import { format, parse, wordsOf, written } from "../state/filters.js";
import { savedViews } from "../state/preferences.js";
import { texts } from "../texts.js";

/** The service's name of the order that stands in no address. */
const CREATED = "created";

/** @typedef {(view: {words: Word[], sort: string}) => void} Open */

/** @param {{words: Word[], sort: string}} props */
export function SavedViews({ words, sort }) {
	const isOpen = useSignal(false);
	const summary = useRef(/** @type {HTMLElement | null} */ (null));
	/** @type {Open} */
	const open = (view) => {
		change(view);
		isOpen.value = false;
		summary.current?.focus();
	};
	const toggle = (/** @type {On<HTMLDetailsElement>} */ { target }) => (isOpen.value = target.open);
	return html`<details class="menu" open=${isOpen.value} onToggle=${toggle}>
		<summary ref=${summary}>${texts.savedViews.title}</summary>
		<div class="menu-box stack">${isOpen.value && html`<${Menu} words=${words} sort=${sort} open=${open} />`}</div>
	</details>`;
}

/** @param {{words: Word[], sort: string, open: Open}} props */
function Menu({ words, sort, open }) {
	const asked = useAnswer((signal) => get("/views", moment.value, signal), []);
	useRefresh("views", asked.again);
	const forget = (/** @type {string} */ forgotten) => {
		savedViews.value = savedViews.value.filter(([name]) => name !== forgotten);
		announce(texts.savedViews.isDeleted(forgotten));
	};
	return html`
		<${Answered} asked=${asked} lines=${2}>
			${(/** @type {{data: Api.SavedView[]}} */ { data }) => data.length > 0 && html`
				<h2>${texts.savedViews.everybodys}</h2>
				<ul class="saved-views">
					${data.map((view) => html`<${SharedView} key=${view.name} view=${view} open=${open} again=${asked.again} />`)}
				</ul>
			`}
		<//>
		${savedViews.value.length > 0 && html`
			<h2>${texts.savedViews.mine}</h2>
			<ul class="saved-views">
				${savedViews.value.map(([name, filter, order = ""]) => html`<li key=${name}>
					<button class="plain" title=${filter} onClick=${() => open({ words: parse(filter), sort: order })}>
						<bdi>${name}</bdi>
					</button>
					<${Remove} label=${texts.savedViews.forget(name)} remove=${() => forget(name)} />
				</li>`)}
			</ul>
		`}
		<${Save} shared=${asked.answer?.data ?? []} words=${words} sort=${sort} again=${asked.again} />
	`;
}

/** @param {{view: Api.SavedView, open: Open, again: () => void}} props */
function SharedView({ view, open, again }) {
	const { name, filter, sort, savedBy, updatedAt } = view;
	const words = wordsOf(filter);
	const target = { words, sort: sort === CREATED ? "" : sort };
	const remove = async () => {
		const question = { title: texts.savedViews.remove(name), text: texts.savedViews.removeHint, action: texts.savedViews.go };
		if (!(await confirm(question))) return;
		await attempt(() => send("DELETE", pathOf(name)), texts.savedViews.isDeleted(name));
		again();
	};
	return html`<li>
		<button class="plain" title=${format(words)} onClick=${() => open(target)}><bdi>${name}</bdi></button>
		<small><bdi>${savedBy}</bdi> · <${Time} at=${updatedAt} /></small>
		${mayAct.value && html`<${Remove} label=${texts.savedViews.remove(name)} remove=${remove} />`}
	</li>`;
}

/** @param {{label: string, remove: () => void}} props */
const Remove = ({ label, remove }) =>
	html`<button class="plain" aria-label=${label} title=${label} onClick=${remove}><${Icon} name="close" /></button>`;

/**
 * Save what the list shows: in this browser, or where everybody finds it.
 * @param {{shared: Api.SavedView[], words: Word[], sort: string, again: () => void}} props
 */
function Save({ shared, words, sort, again }) {
	const name = useSignal("");
	const isShared = useSignal(false);
	const forMe = (/** @type {string} */ name) => {
		const others = savedViews.value.filter(([kept]) => kept !== name);
		savedViews.value = [...others, [name, format(words), sort]];
		return true;
	};
	const forEverybody = async (/** @type {string} */ name) => {
		const before = shared.find((view) => view.name === name);
		const question = { title: texts.savedViews.replace(name), text: texts.savedViews.replaceHint, action: texts.savedViews.goOn };
		if (before && !(await confirm(question))) return false;
		const content = { filter: written(words), sort: sort || CREATED };
		const answer = await attempt(() => send("PUT", pathOf(name), content));
		again();
		return answer !== undefined;
	};
	const choose = (/** @type {On<HTMLSelectElement>} */ { target }) => (isShared.value = target.value === "all");
	const save = async (/** @type {Event} */ event) => {
		event.preventDefault();
		const trimmed = name.value.trim();
		if (!(await (mayAct.value && isShared.value ? forEverybody : forMe)(trimmed))) return;
		announce(texts.savedViews.isSaved(trimmed));
		name.value = "";
	};
	const isWhole = words.length === 0 && !sort;
	return html`<form class="group" onSubmit=${save}>
		<input
			required maxlength="100" pattern=".*\\S.*" aria-label=${texts.savedViews.name} placeholder=${texts.savedViews.name}
			value=${name.value} onInput=${into(name)} />
		${mayAct.value && html`<select
			aria-label=${texts.savedViews.whose} value=${isShared.value ? "all" : "me"} onChange=${choose}>
			<option value="me">${texts.savedViews.forMe}</option>
			<option value="all">${texts.savedViews.forEverybody}</option>
		</select>`}
		<button disabled=${isWhole}>${texts.savedViews.save}</button>
		${isWhole && html`<small>${texts.savedViews.needsFilter}</small>`}
	</form>`;
}

const pathOf = (/** @type {string} */ name) => `/views/${encodeURIComponent(name)}`;
