// The parts that screens are made of: markup, icons, messages, buttons, dialogs, JSON, links, tables, times, bars.

/** @import { Address } from "./state/address.js" */
/** @import { Problem } from "./state/api.js" */
/** @import { Asked } from "./state/loading.js" */

import { computed, signal, useSignal } from "@preact/signals";
import htm from "htm";
import { h } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { post, problemOf } from "./state/api.js";
import { now } from "./state/now.js";
import { environment, timeStyle } from "./state/preferences.js";
import { address, hrefOf, navigate, showsPast } from "./state/router.js";
import { duration, local, localMinute, relative, splitAtTimes, utc, utcMinute } from "./state/times.js";
import { texts } from "./texts.js";

// Markup in template strings: html`<p class="note">${text}</p>`.

export const html = htm.bind(h);

/**
 * What can stand in markup, and what happens at an element of the page.
 * @typedef {import("preact").ComponentChildren} Children
 * @typedef {import("@preact/signals").Signal<string>} Text
 */

/**
 * @template {HTMLElement} [E=HTMLInputElement]
 * @typedef {Event & {target: E, currentTarget: E}} On
 */

/** @param {Text} target @returns a handler that keeps what is written there */
export const into = (target) => (/** @type {On} */ event) => (target.value = event.target.value);

// Small pictures. Each status has a shape of its own, so that none is told by its colour alone.

/** @type {Record<string, string>} */
const PATHS = {
	pending: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M8 5v3.2h2.4",
	running: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5M6.6 5.4v5.2L10.6 8z",
	succeeded: "M3 8.6l3.2 3.2L13 4.6",
	failed: "M4 4l8 8M12 4l-8 8",
	canceled: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M4.2 4.2l7.6 7.6",
	expired: "M4 2.5h8M4 13.5h8M5 2.5c0 3.2 3 3.8 3 5.5s-3 2.3-3 5.5M11 2.5c0 3.2-3 3.8-3 5.5s3 2.3 3 5.5",
	search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9M10.4 10.4l3.4 3.4",
	clock: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M8 4.8V8l2.2 1.4",
	close: "M4 4l8 8M12 4l-8 8",
	copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
	next: "M6 3.5L10.5 8L6 12.5",
	play: "M5 3.5v9L12.5 8z",
	pause: "M5 3.5v9M11 3.5v9",
	warning: "M8 2.5l6 11H2zM8 6.5v3.2M8 11.4v.4",
	filter: "M2.5 3.5h11L9.3 8.4v4.1l-2.6 1V8.4z",
	settings: "M3 5h6M12 5h1M3 11h1M7 11h6M10.5 3.5v3M5.5 9.5v3",
};

/** @param {{name: string, label?: string}} props with a label it is read aloud, else it decorates */
export function Icon({ name, label }) {
	const naming = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
	return html`<svg class="icon icon-${name}" viewBox="0 0 16 16" ...${naming}><path d=${PATHS[name]} /></svg>`;
}

// What happens, said aloud to those who do not see it: one live region, seldom and short.

const said = signal({ text: "", isWrong: false });

/** Say something politely, and show it for a moment. @param {string} text */
export function announce(text, { isWrong = false } = {}) {
	const saying = { text, isWrong };
	said.value = saying;
	const forget = () => {
		if (said.value === saying) said.value = { text: "", isWrong: false };
	};
	setTimeout(forget, isWrong ? 10_000 : 4_000);
}

/** Do something, and say if it failed. @param {() => Promise<any>} doing @returns {Promise<any>} undefined if it did */
export async function attempt(doing, success = "") {
	try {
		const result = await doing();
		if (success) announce(success);
		return result;
	} catch (error) {
		announce(problemOf(error).message || String(error), { isWrong: true });
		return undefined;
	}
}

/**
 * A button for what follows; tapped twice, it gets that once.
 * @param {{text: string, load: () => Promise<void>}} props
 */
export function More({ text, load }) {
	const isLoading = useSignal(false);
	const show = async () => {
		isLoading.value = true;
		await attempt(load);
		isLoading.value = false;
	};
	return html`<p class="pager"><button onClick=${show} disabled=${isLoading.value}>${text}</button></p>`;
}

/**
 * The same for a list: `load(next)` gives another of its pages.
 * @typedef {{rows: any[], next: any}} Page `next` is null in the last one
 * @param {{asked: Asked<Page>, load: (next: any) => Promise<Page>, text?: string}} props
 */
export function MoreRows({ asked, load, text = texts.more }) {
	const page = asked.answer;
	if (page === undefined) return null;
	const more = async () => {
		const { rows, next } = await load(page.next);
		asked.set(page, { ...page, rows: [...page.rows, ...rows], next });
	};
	return page.next !== null && html`<${More} text=${text} load=${more} />`;
}

export function Announcer() {
	const { text, isWrong } = said.value;
	return html`<div class="announcer ${isWrong ? "is-wrong" : ""}" role="status" aria-live="polite">${text}</div>`;
}

// Text to be taken along.

/** @param {{text: string, label?: string}} props */
export function Copy({ text, label = texts.copy }) {
	const copied = useSignal(false);
	const copy = async () => {
		try {
			await navigator.clipboard.writeText(text); // Browsers have one only where connections are encrypted.
		} catch {
			announce(texts.copyByHand, { isWrong: true });
			return;
		}
		copied.value = true;
		announce(texts.copied);
		setTimeout(() => (copied.value = false), 1_500);
	};
	return html`<button class="plain" onClick=${copy} title=${label} aria-label=${label}>
		<${Icon} name=${copied.value ? "succeeded" : "copy"} />
	</button>`;
}

// Menus, which the shell closes when somebody looks elsewhere (`shell/navigation.js`).

export const OPEN_MENU = "details.menu[open]";

/** Close the menu around an element, and go back to what opened it. @param {Element | null} inside */
export function closeMenu(inside) {
	const menu = /** @type {HTMLDetailsElement | null | undefined} */ (inside?.closest(OPEN_MENU));
	if (!menu) return;
	menu.open = false;
	menu.querySelector("summary")?.focus();
}

/** A command for a terminal. @param {{text: string}} props */
export const Command = ({ text }) =>
	html`<p class="command"><code>${text}</code><${Copy} text=${text} label=${texts.copyCommand} /></p>`;

// A window above the page that takes the keyboard, and gives it back; and the question before something dangerous.

/** @param {{title: string, onClose: () => void, children: Children, className?: string}} props */
export function Dialog({ title, onClose, children, className = "" }) {
	const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
	// Not after the next paint: whoever types on at once types into it.
	useLayoutEffect(() => {
		const before = /** @type {HTMLElement | null} */ (document.activeElement);
		const dialog = element.current;
		dialog?.showModal();
		return () => {
			// A browser that closes it gives the focus back at once, and somebody may have gone on since.
			const { activeElement, body } = document;
			if (activeElement === body || dialog?.contains(activeElement)) before?.focus();
		};
	}, []);
	const closeOutside = (/** @type {On<HTMLElement> & MouseEvent} */ { currentTarget, clientX, clientY }) => {
		const { left, right, top, bottom } = currentTarget.getBoundingClientRect();
		if (clientX < left || clientX > right || clientY < top || clientY > bottom) onClose();
	};
	return html`<dialog
		ref=${element} class="dialog ${className}" aria-label=${title} onClose=${onClose} onMouseDown=${closeOutside}>
		<header>
			<h2>${title}</h2>
			<button class="plain" onClick=${onClose} aria-label=${texts.close}><${Icon} name="close" /></button>
		</header>
		${children}
	</dialog>`;
}

/**
 * @typedef {{title: string, text: string, action: string, asksReason?: boolean}} Question
 * @typedef {{reason: string} | null} Decision null where the person thought better of it
 */

const asked = signal(/** @type {(Question & {resolve: (decision: Decision) => void}) | null} */ (null));

/** Ask before something that cannot be undone. @param {Question} question @returns {Promise<Decision>} */
export function confirm(question) {
	return new Promise((resolve) => (asked.value = { ...question, resolve }));
}

/**
 * Ask why, then do it.
 * @param {Question} question @param {string} path @param {string} [success]
 * @returns {Promise<any>} undefined where the person thought better of it, or it was refused
 */
export async function orderWithReason(question, path, success) {
	const answer = await confirm({ ...question, asksReason: true });
	if (!answer) return undefined;
	return attempt(() => post(path, answer.reason ? { reason: answer.reason } : undefined), success);
}

export function Confirmations() {
	const question = asked.value;
	if (!question) return null;
	const answer = (/** @type {Decision} */ given) => {
		asked.value = null;
		question.resolve(given);
	};
	return html`<${Question} question=${question} answer=${answer} />`;
}

/** Whether the name of the environment must be written before something dangerous. */
export const isGuarded = environment.colour === "red" && environment.name !== "";

/** @param {{name: Text}} props */
export function Guard({ name }) {
	if (!isGuarded) return null;
	return html`<label>
		${texts.guard(environment.name)}<input autocomplete="off" value=${name.value} onInput=${into(name)} />
	</label>`;
}

/** @param {{question: Question, answer: (decision: Decision) => void}} props */
function Question({ question, answer }) {
	const reason = useSignal("");
	const name = useSignal("");
	const mayGo = !isGuarded || name.value === environment.name;
	const submit = (/** @type {Event} */ event) => {
		event.preventDefault();
		if (mayGo) answer({ reason: reason.value });
	};
	return html`<${Dialog} title=${question.title} onClose=${() => answer(null)}>
		<form onSubmit=${submit} class="stack">
			<p>${question.text}</p>
			${question.asksReason && html`<label>
				${texts.reason}
				<input value=${reason.value} onInput=${into(reason)} maxlength="1000" />
			</label>`}
			<${Guard} name=${name} />
			<div class="actions">
				<button type="button" onClick=${() => answer(null)}>${texts.leaveIt}</button>
				<button class="danger" disabled=${!mayGo}>${question.action}</button>
			</div>
		</form>
	<//>`;
}

// A JSON value, folded where it is long.

const LONG = 2_000;

/** Characters that turn the direction of what follows, such as of the closing quote. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

const escaped = (/** @type {string} */ character) => `\\u${character.charCodeAt(0).toString(16)}`;

/** @param {{value: unknown, label: string}} props */
export function Json({ value, label }) {
	if (value === null || value === undefined) return html`<p class="quiet">${texts.none}</p>`;
	const text = JSON.stringify(value, null, 2).replace(TURNING, escaped);
	const shown = html`<pre class="json" tabindex="0" aria-label=${label}><code>${text}</code></pre>`;
	return html`<div class="with-copy">
		<${Copy} text=${text} label=${texts.copyOf(label)} />
		${text.length > LONG
			? html`<details><summary>${texts.characters(text.length)}</summary>${shown}</details>`
			: shown}
	</div>`;
}

/** What changed, value by value. @param {{found: {path: string, before: unknown, after: unknown}[]}} props */
export function Differences({ found }) {
	return html`<dl class="differences">
		${found.map(({ path, before, after }) => html`<div key=${path}>
			<dt><code>${path}</code></dt>
			<dd><del><${Value} value=${before} /></del> <ins><${Value} value=${after} /></ins></dd>
		</div>`)}
	</dl>`;
}

/** A value in a line, folded where it is long. @param {{value: unknown}} props */
function Value({ value }) {
	const text = value === undefined ? "–" : JSON.stringify(value);
	return text.length > LONG ? html`<details><summary>${texts.characters(text.length)}</summary>${text}</details>` : text;
}

// A link within the dashboard: a real one, to be opened in a new tab or copied.

/** @param {{to: Partial<Address>, children?: Children, [attribute: string]: unknown}} props */
export function Link({ to, children, ...rest }) {
	const follow = (/** @type {MouseEvent} */ event) => {
		if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
		event.preventDefault();
		navigate(to);
	};
	return html`<a href=${hrefOf(to)} onClick=${follow} ...${rest}>${children}</a>`;
}

/** @param {{id: string, children?: Children}} props */
export const RunLink = ({ id, children }) =>
	html`<${Link} to=${{ view: "run", id }} class="id">${children ?? shortId(id)}<//>`;

/** A job's name; some are blank. @param {{name: string, slug: string}} job */
export const jobName = ({ name, slug }) => name.trim() || slug;

/** @param {{slug: string, children?: Children}} props */
export const JobLink = ({ slug, children }) => html`<${Link} to=${{ view: "job", id: slug }}>${children ?? slug}<//>`;

/** The start of an id, by which it can be looked for: it tells the microsecond in which a run was launched. */
export const shortId = (/** @type {string} */ id) => id.slice(0, 18);

/** Views of one thing: the address keeps which one is open. @param {{tabs: Record<string, string>, current: string}} props */
export function Tabs({ tabs, current }) {
	const target = (/** @type {string} */ tab) => ({ ...address.value, tab, words: [] });
	const follow = (/** @type {string} */ tab) => (/** @type {Event} */ event) => {
		event.preventDefault();
		navigate(target(tab));
	};
	return html`<nav class="tabs">
		${Object.entries(tabs).map(([tab, title]) => html`<a key=${tab} href=${hrefOf(target(tab))}
			aria-current=${tab === current ? "page" : undefined} onClick=${follow(tab)}>
			${title}</a>
		`)}
	</nav>`;
}

// A job or a schedule, paused with a reason and resumed.

/** @param {{paused: boolean, name: string, path: string, text: string, again: () => void}} props */
export function Pausing({ paused, name, path, text, again }) {
	const question = { title: `${texts.pause} ${name}`, text, action: texts.pause };
	const pause = async () => (await orderWithReason(question, `${path}/pause`, texts.isPaused(name))) && again();
	const resume = () => attempt(() => post(`${path}/resume`).then(again), texts.isResumed(name));
	return paused
		? html`<button onClick=${resume}>${texts.resume}</button>`
		: html`<button onClick=${pause}>${texts.pause} …</button>`;
}

/** What stands where one would act, if one might. */
export const NoActions = () =>
	html`<p class="note">${address.value.asOf ? texts.past.noActions : texts.access.noActions}</p>`;

// What stands where there is nothing to show yet, nothing at all, or something went wrong.

export function Loading({ lines = 4 }) {
	const bars = Array.from({ length: lines }, (_, index) => html`<span key=${index} class="bar"></span>`);
	return html`<div class="loading" role="status"><span class="unseen">${texts.loading}</span>${bars}</div>`;
}

/**
 * Nothing is there: why that may be, and what to do about it, with a command where there is one.
 * @param {{title: string, hint?: string, command?: string, children?: Children}} props
 */
export function Empty({ title, hint, command, children }) {
	return html`<div class="empty">
		<h2>${title}</h2>
		${hint && html`<p>${hint}</p>`}
		${command && html`<${Command} text=${command} />`}
		${children}
	</div>`;
}

/** What was wrong with a request stays wrong, however often it is sent. */
const FINAL = [400, 404];

/** @param {{error: Problem, again?: () => void}} props */
export function Failed({ error, again }) {
	const { status, code } = error;
	const isAway = status === 0;
	const isFinal = status !== undefined && FINAL.includes(status);
	return html`<div class="failed" role="alert">
		<h2><${Icon} name="warning" /> ${isAway ? texts.errors.unreachable : texts.errors.title}</h2>
		<p>${isAway ? texts.errors.unreachableHint : error.message}</p>
		${status && code ? html`<p class="quiet">${texts.errors.code(status, code)}</p>` : null}
		${isAway && html`<${Command} text="apphub-jobs doctor" />`}
		${again && !isFinal && html`<button onClick=${again}>${texts.again}</button>`}
	</div>`;
}

const NOT_FOUND = 404;

/** Runs that may be meant, by the page that is not there. @type {Record<string, (id: string) => {text: string, word: [string, string]}>} */
const MEANT = {
	run: (id) => ({ text: texts.palette.search(id.slice(0, 13)), word: ["search", id.slice(0, 13)] }),
	job: (id) => ({ text: texts.missing.runsOf(id), word: ["job", id] }),
	schedule: (id) => ({ text: texts.missing.runsOf(id), word: ["actor", `schedule:${id}`] }),
};

/**
 * What a page is about is not there: why that may be, and where else to look.
 * @param {{error: Problem, list: string}} props `list`: the page of all of them
 */
function Missing({ error, list }) {
	const { view, id } = address.value;
	const words = texts.missing;
	const meant = MEANT[view]?.(id);
	return html`<${Empty} title=${words.title(texts.ones[view])} hint=${showsPast.value ? words.then : words.hints[view]}>
		<p><code>${id}</code> <span class="quiet">${texts.errors.code(NOT_FOUND, error.code ?? "")}</span></p>
		${showsPast.value && html`<button class="main" onClick=${() => navigate({ ...address.value, asOf: "" })}>${texts.past.back}</button>`}
		<ul class="needs">
			${meant && html`<li><${Link} to=${{ view: "runs", words: [meant.word] }}>${meant.text}<//></li>`}
			<li><${Link} to=${{ view: list }}>${words.all(texts.views[list])}<//></li>
		</ul>
	<//>`;
}

/** Why what is below is no longer the present. An outage is said across the page already. @param {{error: Problem, again: () => void}} props */
const Outdated = ({ error, again }) =>
	error.status === 0
		? html`<p class="note" role="status">${texts.errors.outdated}</p>`
		: html`<${Failed} error=${error} again=${again} />`;

/**
 * Whatever state a question is in; what was asked before stays for a moment, and cannot be used.
 * @param {{asked: Asked<any>, children: (answer: any) => Children, lines?: number, list?: string}} props
 *   `list`, where it is what the page is about: the page of all of them
 */
export function Answered({ asked, children, lines, list }) {
	if (list && asked.error?.status === NOT_FOUND) return html`<${Missing} error=${asked.error} list=${list} />`;
	if (asked.answer === undefined) {
		return asked.error
			? html`<${Failed} error=${asked.error} again=${asked.again} />`
			: html`<${Loading} lines=${lines} />`;
	}
	return html`${asked.error && html`<${Outdated} error=${asked.error} again=${asked.again} />`}
		<div class="answer" inert=${asked.isOld}>${children(asked.answer)}</div>`;
}

// The status of a run, a build, an app or anything else: a shape, a colour and a word.

/** By the status of a run, words of other subjects that look like it. */
/** @type {Record<string, string[]>} */
const LOOKS = {
	pending: ["seed", "draining", "buffered"],
	running: ["processing"],
	succeeded: ["ready", "completed", "alive", "launched", "resolved"],
	failed: ["open", "lost", "error"],
	canceled: ["paused", "aborted", "ignored", "skipped", "handed_back"],
	expired: ["timed_out"],
};

export const lookOf = (/** @type {string} */ status) => Object.keys(LOOKS).find((look) => LOOKS[look].includes(status)) ?? status;

/** @param {{status: string, label?: string}} props */
export function Status({ status, label }) {
	const look = lookOf(status);
	return html`<span class="status status-${look}">
		<${Icon} name=${look} />${label ?? texts.status(status)}</span>
	`;
}

// A table that becomes a list of cards where there is no room, and says what it is either way.

/**
 * @template Row
 * @typedef {{title: Children, cell: (row: Row) => unknown, name: string, isTitleHidden?: boolean}} Column
 */

/**
 * @param {{label: string, rows: any[], keyOf: (row: any) => string, columns: Column<any>[],
 *   rowClass?: (row: any) => string}} props
 */
export function Table({ label, rows, keyOf, columns, rowClass = () => "" }) {
	return html`<table role="table" class="table" aria-label=${label}>
		<thead role="rowgroup">
			<tr role="row">
				${columns.map(({ name, title, isTitleHidden }) => html`
					<th role="columnheader" scope="col" key=${name} class="cell-${name}">
						${isTitleHidden ? html`<span class="unseen">${title}</span>` : title}
					</th>
				`)}
			</tr>
		</thead>
		<tbody role="rowgroup">
			${rows.map((row) => html`<tr role="row" key=${keyOf(row)} class=${rowClass(row)}>
				${columns.map(({ name, title, cell }) => html`
					<td role="cell" key=${name} class="cell-${name}" data-title=${title}><div>${cell(row)}</div></td>
				`)}
			</tr>`)}
		</tbody>
	</table>`;
}

// When something was, and how long it took.

/** @param {{at: string | null, full?: boolean}} props `full` shows both local time and UTC */
export function Time({ at, full = false }) {
	// Drawn anew when what is written changes, not whenever the clock ticks.
	const text = useMemo(() => computed(() => at && written(at)), [at]);
	if (!at) return html`<span class="quiet">–</span>`;
	if (full)
		return html`<time class="full" datetime=${at}>${local(at)} <span class="quiet">${utc(at)}</span></time>`;
	return html`<time datetime=${at} title=${`${local(at)} · ${utc(at)}`}>${text.value}</time>`;
}

/** A sentence of the service, with its times as this person reads them. @param {{text: string}} props */
export const Sentence = ({ text }) => splitAtTimes(text).map((part, index) => (index % 2 ? html`<${Clock} at=${part} hasDistance />` : part));

/**
 * A time that is not only said by how long ago it was, such as after `at`, `by` and `since`, or below a chart.
 * @param {{at: string, hasDistance?: boolean}} props
 */
export function Clock({ at, hasDistance = false }) {
	const distance = hasDistance && timeStyle.value === "relative" ? ` (${relative(at, now.value)})` : "";
	return html`<time class="full" datetime=${at} title=${utc(at)}>${absolute(at)}${distance}</time>`;
}

/** @param {string} at */
const written = (at) => (timeStyle.value === "relative" ? relative(at, now.value) : absolute(at));

/** A moment where its distance says nothing, such as in a chart: in UTC for those who prefer that. @param {string | number} at */
export const absolute = (at) => (timeStyle.value === "utc" ? utc(at) : local(at));

/** The same without seconds. @param {string | number} at */
export const absoluteMinute = (at) => (timeStyle.value === "utc" ? utcMinute(at) : localMinute(at));

/**
 * How long a run has taken, or has been taking so far.
 * @param {{from?: string | null, to?: string | null, ms?: number | null}} props
 */
export function Duration({ from, to, ms }) {
	if (ms !== undefined && ms !== null) return duration(ms);
	if (!from) return "–";
	const end = to ? Date.parse(to) : Math.max(now.value, Date.parse(from));
	return duration(end - Date.parse(from));
}

// How many ended in each stretch of time, and how many of them failed: bars, with the same said below them.

const WIDTH = 300;
const HEIGHT = 64;

/**
 * @typedef {import("./state/statistics.js").Ended} Ended
 * @param {{buckets: Ended[], text: string, told: (bucket: Ended) => string}} props
 */
export function Bars({ buckets, text, told }) {
	const most = Math.max(...buckets.map(({ all }) => all), 1);
	const width = WIDTH / buckets.length;
	/** @param {"ok" | "bad"} name @param {number} count @param {number} index */
	const bar = (name, count, index) => {
		const height = (count / most) * (HEIGHT - 2);
		return html`<rect
			class=${name} x=${index * width + 0.5} width=${width - 1} y=${HEIGHT - height} height=${height} />`;
	};
	return html`<figure class="bars">
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${text}>
			${buckets.map((bucket, index) => html`<g key=${bucket.ago}>
				<title>${told(bucket)}</title>
				${bar("ok", bucket.all, index)}${bar("bad", bucket.failed, index)}
			</g>`)}
			<path d=${`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
		</svg>
		<figcaption>${text}</figcaption>
	</figure>`;
}
