// What an attempt prints, live: any length, searched, and at its end for as long as one looks at the end.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { attempt as attempted, Failed, html } from "../parts.js";
import { asOf, text } from "../state.js";
import { texts } from "../texts.js";
import { allOf, noLines, placesOf, seen, withPiece } from "./log_lines.js";

/** As in the stylesheet; lines are not wrapped, so that each is as high. */
const LINE_PX = 20;

export function Log({ run }) {
	const chosen = useSignal(null);
	const attempt = chosen.value ?? run.attempt;
	const { so, isFollowing, error } = useLog(run.id, attempt);
	const lines = useMemo(() => allOf(so), [so]);
	const words = texts.run.log;
	return html`<section class="card stack log">
		${asOf.value && html`<p class="note">${texts.past.notHere}</p>`}
		${run.attempt > 1 && html`<label class="inline">
			${texts.run.attempts}
			<select value=${attempt} onChange=${(event) => (chosen.value = Number(event.target.value))}>
				${Array.from({ length: run.attempt }, (_, index) => html`
					<option key=${index} value=${index + 1}>${texts.run.attempt(index + 1)}</option>
				`)}
			</select>
		</label>`}
		${error && html`<${Failed} error=${error} />`}
		${so.dropped > 0 && html`<p class="note">${words.cut}</p>`}
		${lines.length === 0 && !error
			? html`<p class="quiet">${isFollowing ? texts.loading : words.empty}</p>`
			: html`<${Lines} lines=${lines} dropped=${so.dropped} isFollowing=${isFollowing}
			download=${() => attempted(() => download(run.id, attempt))} key=${attempt} />`}
	</section>`;
}

function Lines({ lines, dropped, isFollowing, download: save }) {
	const box = useRef(null);
	const view = useSignal({ top: 0, height: 480 });
	const isAtEnd = useSignal(true);
	const sought = useSignal("");
	const place = useSignal(0);
	const words = texts.run.log;
	const found = useMemo(() => placesOf(lines, sought.value), [lines, sought.value]);
	const jump = (line) => box.current.scrollTo({ top: Math.max(line * LINE_PX - view.value.height / 2, 0) });
	const step = (event) => {
		event.preventDefault();
		if (found.length === 0) return;
		place.value = (place.value + 1) % found.length;
		jump(found[place.value]);
	};
	const seek = (event) => {
		sought.value = event.target.value;
		place.value = -1;
	};
	const scroll = () => {
		const { scrollTop, clientHeight, scrollHeight } = box.current;
		view.value = { top: scrollTop, height: clientHeight };
		isAtEnd.value = scrollHeight - scrollTop - clientHeight < 2 * LINE_PX;
	};
	const toEnd = () => (box.current.scrollTop = box.current.scrollHeight);
	useEffect(() => {
		if (isAtEnd.value) toEnd();
	}, [lines]);
	const { first, last } = seen(view.value.top, view.value.height, LINE_PX, lines.length);
	const current = found[place.value];
	return html`<form class="group" role="search" onSubmit=${step}>
			<input
				type="search" aria-label=${words.search} placeholder=${words.search} value=${sought.value} onInput=${seek} />
			${sought.value && html`<span class="quiet" role="status">${words.found(found.length)}</span>`}
			<span class="quiet">${words.lines(dropped + lines.length)}${isFollowing ? ` · ${words.follows}` : ""}</span>
			<button type="button" disabled=${isAtEnd.value} onClick=${toEnd}>${words.latest}</button>
			<button type="button" onClick=${save}>${words.download}</button>
		</form>
		<div class="log-box" ref=${box} onScroll=${scroll} tabindex="0" role="log" aria-live="off"
			aria-label=${texts.run.tabs.log}>
			<${Window} lines=${lines} dropped=${dropped} first=${first} last=${last} current=${current} found=${new Set(found)} />
		</div>`;
}

/** Only the lines that can be seen; spacers stand for the others. */
function Window({ lines, dropped, first, last, current, found }) {
	const shown = lines.slice(first, last);
	const classOf = (place) => {
		if (place === current) return "is-current";
		return found.has(place) ? "is-found" : "";
	};
	return html`<svg class="spacer" width="1" height=${first * LINE_PX} aria-hidden="true"></svg>
		${shown.map((line, index) => html`<div class="line ${classOf(first + index)}" key=${first + index}>
			<span class="line-number" aria-hidden="true">${dropped + first + index + 1}</span>${line || " "}
		</div>`)}
		<svg class="spacer" width="1" height=${(lines.length - last) * LINE_PX} aria-hidden="true"></svg>`;
}

/** Read it anew, for a link could not carry a token. */
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

/** @returns {{so: import("./lines.js").Lines, isFollowing: boolean, error: Error | null}} */
function useLog(id, attempt) {
	const state = useSignal({ so: noLines(), isFollowing: true, error: null });
	useEffect(() => {
		const ending = new AbortController();
		state.value = { so: noLines(), isFollowing: true, error: null };
		follow(id, attempt, ending.signal, (part) => (state.value = { ...state.value, ...part }));
		return () => ending.abort();
	}, [id, attempt]);
	return state.value;
}

async function follow(id, attempt, signal, tell) {
	let so = noLines();
	let offset = 0;
	let timer = null;
	const draw = () => {
		timer = null;
		if (!signal.aborted) tell({ so, error: null });
	};
	while (!signal.aborted) {
		try {
			const query = [["attempt", attempt], ["offset", offset], ["follow", true]];
			for await (const { piece, bytes } of text(`/job-runs/${id}/logs`, query, signal)) {
				so = withPiece(so, piece);
				offset += bytes;
				timer ??= setTimeout(draw, TOGETHER_MS);
			}
			clearTimeout(timer);
			draw();
			tell({ isFollowing: false });
			return;
		} catch (error) {
			if (signal.aborted) return;
			const isRefused = error.status >= 400 && error.status < 500;
			tell(isRefused ? { error, isFollowing: false } : { error });
			if (isRefused) return;
			await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
		}
	}
}
