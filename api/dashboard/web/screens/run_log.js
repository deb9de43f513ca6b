// What an attempt prints, as a terminal shows it, live: any length, searched both ways, each line with an address of its own.

/** @import { On } from "../parts.js" */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { attempt as attempted, Failed, html, into, Link } from "../parts.js";
import { address, asOf, change, get, problemOf, text } from "../state.js";
import { linesAreWrapped } from "../state/preferences.js";
import { texts } from "../texts.js";
import { layoutOf, lineAt, LogText, partsOf, patternOf, Search, stepTo } from "./log_lines.js";

/** As in the stylesheet; a wrapped line is as high as its rows together. */
const ROW_PX = 20;

/** So many rows are drawn above and below what can be seen. */
const MORE_ROWS = 20;

/** @param {{run: Api.Run}} props */
export function Log({ run }) {
	const given = Object.fromEntries(address.value.words);
	const attempt = numberIn(given.attempt, run.attempt) ?? Math.max(startedAttempts(run), 1);
	const linked = numberIn(given.line, Infinity);
	const find = given.find ?? "";
	const { log, version, isGrowing, error } = useLog(run.id, attempt);
	const words = texts.run.log;
	const choose = (/** @type {On<HTMLSelectElement>} */ { target }) => change({ words: [["attempt", target.value]] });
	return html`<section class="card stack log">
		${asOf.value && html`<p class="note">${texts.past.notHere}</p>`}
		${run.attempt > 1 && html`<label class="inline">
			${texts.run.attempts}
			<select value=${attempt} onChange=${choose}>
				${Array.from({ length: run.attempt }, (_, index) => html`
					<option key=${index} value=${index + 1}>${texts.run.attempt(index + 1)}</option>
				`)}
			</select>
		</label>`}
		${error && html`<${Failed} error=${error} />`}
		${log.dropped > 0 && html`<p class="note">${words.cut}</p>`}
		${log.end === 0 && !error
			? html`<p class="quiet">${version === 0 ? texts.loading : isGrowing ? words.emptyYet : words.empty}</p>`
			: html`<${Lines} log=${log} version=${version} isGrowing=${isGrowing} attempt=${attempt} linked=${linked} find=${find}
			save=${() => attempted(() => download(run.id, attempt))} key=${attempt} />`}
	</section>`;
}

/** How many attempts have started: between two, a run has the number of the next. @param {Api.Run} run */
export const startedAttempts = ({ startedAt, attempt }) => (startedAt ? attempt : attempt - 1);

/**
 * @param {string | undefined} written @param {number} most
 * @returns {number | null} what is written in the address, if it is a number from 1 up to the most
 */
function numberIn(written, most) {
	return /^[1-9][0-9]{0,8}$/.test(written ?? "") && Number(written) <= most ? Number(written) : null;
}

/**
 * @param {{log: LogText, version: number, isGrowing: boolean, attempt: number, linked: number | null, find: string,
 *   save: () => void}} props
 */
function Lines({ log, version, isGrowing, attempt, linked, find, save }) {
	const words = texts.run.log;
	const sought = useSignal(find);
	const current = useSignal(/** @type {number | null} */ (null));
	const pattern = useMemo(() => patternOf(sought.value), [sought.value]);
	const errors = useMemo(() => log.errors(), [log, version]);
	const isOfErrors = useSignal(false);
	const found = useSearch(log, version, pattern);
	const hits = isOfErrors.value ? found.filter((/** @type {number} */ number) => log.line(number).isError) : found;
	const focus = current.value ?? (linked === null ? null : linked - 1);
	const box = useBox(log, version, isOfErrors.value ? errors : null, focus, linked === null);
	const linkedTo = useRef(/** @type {number | null} */ (null)); // The last link that was followed.
	useEffect(() => {
		if (linked === null || linkedTo.current === linked || linked > box.layout.numberAt(box.layout.count)) return;
		linkedTo.current = linked;
		const { first, last } = box.visible();
		if (linked - 1 < first || linked - 1 > last) box.show(linked - 1);
	}, [linked, version]);
	const go = (/** @type {1 | -1} */ direction) => {
		const next = stepTo(hits, current.value, box.visible(), direction);
		if (next === null) return;
		current.value = next;
		box.show(next);
	};
	const seek = (/** @type {On} */ event) => {
		current.value = null;
		into(sought)(event);
	};
	const submit = (/** @type {Event} */ event) => {
		event.preventDefault();
		go(1);
	};
	const select = (/** @type {On} */ { target }) => (isOfErrors.value = target.checked);
	const wrap = (/** @type {On} */ { target }) => (linesAreWrapped.value = target.checked);
	const press = (/** @type {KeyboardEvent} */ event) => {
		if (event.key !== "Enter" || !event.shiftKey) return;
		event.preventDefault();
		go(-1);
	};
	const place = current.value === null ? -1 : hits.indexOf(current.value);
	const growth = box.sticks.value ? words.follows : words.grows;
	return html`<form class="group" role="search" onSubmit=${submit}>
			<input type="search" aria-label=${words.search} placeholder=${words.search} value=${sought.value}
				onInput=${seek} onKeyDown=${press} />
			<button type="button" aria-label=${words.previous} title=${words.previous} disabled=${hits.length === 0}
				onClick=${() => go(-1)}>↑</button>
			<button type="button" aria-label=${words.next} title=${words.next} disabled=${hits.length === 0}
				onClick=${() => go(1)}>↓</button>
			${pattern && html`<span class="quiet" role="status">
				${place === -1 ? words.found(hits.length) : words.hit(place + 1, hits.length)}</span>`}
			<span class="quiet">${words.lines(log.end)}${isGrowing ? ` · ${growth}` : ""}</span>
			<label class="check"><input type="checkbox" checked=${isOfErrors.value} disabled=${errors.length === 0}
				onChange=${select} />${words.errors(errors.length)}</label>
			<label class="check"><input type="checkbox" checked=${linesAreWrapped.value}
				onChange=${wrap} />${words.wrap}</label>
			<button type="button" disabled=${box.sticks.value} onClick=${box.toEnd}>${words.latest}</button>
			<button type="button" onClick=${save}>${words.download}</button>
		</form>
		<div class="log-box ${linesAreWrapped.value ? "is-wrapped" : ""}" ref=${box.element} tabindex="0" role="log"
			aria-live="off" aria-label=${texts.run.tabs.log} ...${box.handlers}>
			<div class="line is-ruler" aria-hidden="true"><span class="line-number"></span><span class="line-stream"></span><span class="line-text"
				><span>${"0".repeat(RULER)}</span></span></div>
			<${Window} log=${log} version=${version} box=${box} pattern=${pattern} attempt=${attempt}
				current=${current.value} linked=${linked} />
		</div>`;
}

/**
 * Only the lines that can be seen; spacers stand for the others.
 * @param {{log: LogText, box: ReturnType<typeof useBox>, pattern: RegExp | null, attempt: number, current: number | null,
 *   linked: number | null}} props
 */
function Window({ log, box, pattern, attempt, current, linked }) {
	const { begins, count } = box.layout;
	const { top, height } = box.view.value;
	const first = lineAt(Math.floor(top / ROW_PX) - MORE_ROWS, box.layout);
	const last = Math.min(lineAt(Math.ceil((top + height) / ROW_PX) + MORE_ROWS, box.layout) + 1, count);
	const numbers = Array.from({ length: last - first }, (_, index) => box.layout.numberAt(first + index));
	const drawn = useRef(/** @type {HTMLElement | null} */ (null));
	useLayoutEffect(() => drawn.current ? box.measure(drawn.current) : undefined);
	const target = (/** @type {number} */ number) => ({ ...address.value, words: [["attempt", attempt], ["line", number + 1]] });
	const classOf = (/** @type {number} */ number) => {
		if (number === current) return "is-current";
		return number + 1 === linked ? "is-linked" : "";
	};
	return html`<svg class="spacer" width="1" height=${begins(first) * ROW_PX} aria-hidden="true"></svg>
		<div ref=${drawn}>
			${numbers.map((number) => ({ number, line: log.line(number) })).map(({ number, line }) => html`
				<div class="line ${classOf(number)}" key=${number} data-number=${number}>
					<${Link} to=${target(number)} class="line-number" tabindex="-1" aria-label=${texts.run.log.line(number + 1)}>
						${number + 1}<//>
					<${StreamMark} isError=${line.isError} />
					<span class="line-text">${partsOf(line, pattern).map(Part)}</span>
				</div>`)}
		</div>
		<svg class="spacer" width="1" height=${(begins(count) - begins(last)) * ROW_PX} aria-hidden="true"></svg>`;
}

/** A short text, as a terminal would show it, with what was printed on stderr marked. @param {{text: string}} props */
export function Printed({ text: printed }) {
	const log = useMemo(() => logOf(printed), [printed]);
	return Array.from({ length: log.end }, (_, number) => {
		const line = log.line(number);
		return html`<${StreamMark} isError=${line.isError} />${partsOf(line, null).map(Part)}${"\n"}`;
	});
}

/** What a line was printed on, as `apphub-jobs runs logs` marks it on a terminal. @param {{isError: boolean}} props */
function StreamMark({ isError }) {
	if (!isError) return html`<span class="line-stream"></span>`;
	return html`<span class="line-stream" role="img" aria-label="stderr" title="stderr">!</span>`;
}

/** @param {string} printed */
function logOf(printed) {
	const log = new LogText();
	log.add(printed);
	log.finish();
	return log;
}

/** A part of a line, of those that look alike. @param {ReturnType<typeof partsOf>[number]} props */
export function Part({ text: shown, classes, isHit }) {
	const styled = classes ? html`<span class=${classes}>${shown}</span>` : shown;
	return isHit ? html`<mark>${styled}</mark>` : styled;
}

// The box in which lines are scrolled: at its end for as long as nobody scrolls up.

/** So many characters are measured to know the width of one. */
const RULER = 100;

const RECENT_MS = 200;

const KEYS_UP = ["ArrowUp", "PageUp", "Home"];

/**
 * @param {LogText} log @param {number} version @param {number[] | null} chosen the lines to show; null for all
 * @param {number | null} focus the line that is looked at, if there is one @param {boolean} sticksAtFirst whether it is the end
 */
function useBox(log, version, chosen, focus, sticksAtFirst) {
	/** @type {import("preact").RefObject<HTMLElement>} */
	const element = useRef(/** @type {any} */ (null)); // Nothing reads it before it is drawn.
	const view = useSignal({ top: 0, height: 480, columns: 80 });
	const sticks = useSignal(sticksAtFirst);
	const lastTop = useRef(0);
	const seen = useRef({ first: 0, last: 0 }); // What could be seen stays, however lines are wrapped.
	const ends = useRef({ before: 0, now: 0, at: 0 }); // How far one could scroll before and after the last change.
	const measured = useRef({ columns: /** @type {number | null} */ (null), rows: new Map() });
	const corrections = useSignal(0);
	const columns = linesAreWrapped.value ? view.value.columns : null;
	if (measured.current.columns !== columns) measured.current = { columns, rows: new Map() };
	const layout = useMemo(
		() => layoutOf(log, columns, measured.current.rows, chosen),
		[log, version, chosen, columns, corrections.value],
	);
	/** @returns {{first: number, last: number}} the numbers of the lines that can be seen in full */
	const visible = () => {
		const { top, height } = view.value;
		const numberAt = (/** @type {number} */ row) => layout.numberAt(lineAt(row, layout));
		return { first: numberAt(Math.ceil(top / ROW_PX)), last: numberAt(Math.floor((top + height) / ROW_PX) - 1) };
	};
	const endNow = () => element.current.scrollHeight - element.current.clientHeight;
	// Of a scroll to the end the page may hear after more was printed.
	const recentEnd = () => (performance.now() - ends.current.at < RECENT_MS ? ends.current.before : endNow());
	const see = () => {
		const { scrollTop: top, clientHeight: height } = element.current;
		view.value = { ...view.value, top, height };
		seen.current = visible();
	};
	const topOf = (/** @type {number} */ number) => layout.begins(layout.indexOf(number)) * ROW_PX;
	const scrollTo = (/** @type {number} */ top) => {
		element.current.scrollTop = top;
		lastTop.current = element.current.scrollTop;
		see();
	};
	/** Scroll to where a line can be seen. @param {number} number */
	const show = (number) => {
		sticks.value = false;
		scrollTo(Math.max(topOf(number) - element.current.clientHeight / 2, 0));
	};
	const toEnd = () => {
		sticks.value = true;
		scrollTo(element.current.scrollHeight);
	};
	const leave = () => {
		if (element.current.scrollTop > 0) sticks.value = false;
	};
	/** Whether somebody scrolled up. Where lines became fewer rows, a browser does so itself, to the end. */
	const isScrolledUp = () => {
		const { scrollTop } = element.current;
		return scrollTop < lastTop.current && scrollTop < endNow() - ROW_PX;
	};
	// What the page itself does ends nothing: it leaves `lastTop` where it has scrolled to.
	const scrolled = () => {
		const { scrollTop } = element.current;
		if (isScrolledUp()) sticks.value = false;
		else if (scrollTop > lastTop.current && scrollTop > recentEnd() - ROW_PX) sticks.value = true;
		lastTop.current = scrollTop;
		see();
	};
	useLayoutEffect(() => {
		ends.current = { before: ends.current.now, now: endNow(), at: performance.now() };
		// Of somebody's scrolling a page hears only before the next frame: more lines may come first.
		if (sticks.value && isScrolledUp()) sticks.value = false;
		if (sticks.value) toEnd();
	}, [version, chosen === null, columns, corrections.value, view.value.height]);
	useLayoutEffect(() => {
		if (sticks.value) return;
		const { first, last } = seen.current;
		if (focus !== null && focus >= first && focus <= last) show(focus);
		else scrollTo(topOf(first));
	}, [chosen === null, columns]);
	useLayoutEffect(() => {
		const observer = new ResizeObserver(() => {
			const ruler = /** @type {HTMLElement} */ (element.current.querySelector(".is-ruler .line-text"));
			const width = /** @type {HTMLElement} */ (ruler.firstElementChild).getBoundingClientRect().width / RULER;
			const { clientHeight: height } = element.current;
			view.value = { ...view.value, height, columns: Math.max(Math.floor(ruler.clientWidth / width), 1) };
			if (sticks.peek()) toEnd(); // At once: a browser has scrolled already where the box has grown.
		});
		observer.observe(element.current);
		return () => observer.disconnect();
	}, []);
	return {
		element,
		view,
		sticks,
		layout,
		toEnd,
		visible,
		show,
		/** Compare drawn lines with where they were thought to end: no font is as regular as that. @param {HTMLElement} drawn */
		measure: (drawn) => {
			if (columns === null) return;
			let isChanged = false;
			for (const line of /** @type {Iterable<HTMLElement>} */ (drawn.children)) {
				const number = Number(line.dataset.number);
				const index = layout.indexOf(number);
				const rows = Math.max(Math.round(line.offsetHeight / ROW_PX), 1);
				if (rows === layout.begins(index + 1) - layout.begins(index)) continue;
				measured.current.rows.set(number, rows);
				isChanged = true;
			}
			if (isChanged) corrections.value += 1;
		},
		handlers: {
			onScroll: scrolled,
			onWheel: (/** @type {WheelEvent} */ { deltaY }) => deltaY < 0 && leave(),
			onTouchMove: leave,
			onKeyDown: (/** @type {KeyboardEvent} */ { key }) => KEYS_UP.includes(key) && leave(),
		},
	};
}

/** For so long a search goes on before the page may do something else. */
const SEARCH_MS = 8;

/**
 * @param {LogText} log @param {number} version @param {RegExp | null} pattern
 * @returns {number[]} the numbers of the lines that hold what is sought, as far as they are known
 */
function useSearch(log, version, pattern) {
	const search = useMemo(() => pattern && new Search(pattern), [log, pattern]);
	const rounds = useSignal(0);
	useEffect(() => {
		if (search === null) return undefined;
		/** @type {number | undefined} */
		let timer;
		const go = () => {
			const begun = performance.now();
			const isDone = search.advance(log, () => performance.now() - begun > SEARCH_MS);
			rounds.value += 1;
			if (!isDone) timer = setTimeout(go);
		};
		go();
		return () => clearTimeout(timer);
	}, [search, version]);
	return rounds.value >= 0 && search !== null ? search.hits : [];
}

/** Read it anew, for a link could not carry a token. @param {string} id @param {number} attempt */
async function download(id, attempt) {
	const pieces = [];
	for await (const { piece } of text(`/job-runs/${id}/logs`, [["attempt", attempt]])) pieces.push(piece);
	const link = document.createElement("a");
	link.href = URL.createObjectURL(new Blob(pieces, { type: "text/plain" }));
	link.download = `${id}-${attempt}.log`;
	link.click();
	URL.revokeObjectURL(link.href);
}

// A log as it grows: read to its end, and followed for as long as its attempt goes on, through lost connections.

const PAUSE_MS = 1_000;

/** Pieces are put together for so long: then the page is drawn once. */
const TOGETHER_MS = 80;

/**
 * A higher version: more was printed.
 * @typedef {{log: LogText, version: number, isGrowing: boolean, error: Error | null}} Growing
 */

/** @param {string} id @param {number} attempt @returns {Growing} */
function useLog(id, attempt) {
	/** @returns {Growing} */
	const beginning = () => ({ log: new LogText(), version: 0, isGrowing: true, error: null });
	const state = useSignal(beginning());
	useEffect(() => {
		const ending = new AbortController();
		state.value = beginning();
		const { log } = state.value;
		/** @type {(part: Partial<Growing>) => void} */
		const tell = (part) => (state.value = { ...state.value, version: state.value.version + 1, ...part });
		follow(id, attempt, log, ending.signal, tell);
		return () => ending.abort();
	}, [id, attempt]);
	return state.value;
}

/**
 * @param {string} id @param {number} attempt @param {LogText} log @param {AbortSignal} signal
 * @param {(part: Partial<Growing>) => void} tell
 */
async function follow(id, attempt, log, signal, tell) {
	let offset = 0;
	/** @type {number | undefined} */
	let timer;
	const draw = () => {
		timer = undefined;
		if (!signal.aborted) tell({ error: null });
	};
	while (!signal.aborted) {
		try {
			const query = [["attempt", attempt], ["offset", offset], ["follow", true]];
			for await (const { piece, bytes } of text(`/job-runs/${id}/logs`, query, signal)) {
				log.add(piece);
				offset += bytes;
				timer ??= setTimeout(draw, TOGETHER_MS);
			}
			clearTimeout(timer);
			timer = undefined;
			const isAtEnd = await isOver(id, attempt, signal);
			if (signal.aborted) return;
			if (isAtEnd) log.finish();
			tell({ error: null, isGrowing: !isAtEnd });
			if (isAtEnd) return;
		} catch (thrown) {
			if (signal.aborted) return;
			const error = problemOf(thrown);
			const isRefused = error.status !== undefined && error.status >= 400 && error.status < 500;
			tell(isRefused ? { error, isGrowing: false } : { error });
			if (isRefused) return;
		}
		await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
	}
}

/**
 * Whether nothing more can come: a service that stops ends what it sends, too.
 * @param {string} id @param {number} attempt @param {AbortSignal} signal
 */
async function isOver(id, attempt, signal) {
	const { data: { run } } = await get(`/job-runs/${id}`, [], signal);
	return run.completedAt !== null || run.attempt > attempt;
}
