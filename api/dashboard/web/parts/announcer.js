// What happens, said aloud to those who do not see it: one live region, seldom and short.

import { signal, useSignal } from "@preact/signals";

import { texts } from "../texts.js";
import { html } from "./html.js";

const said = signal({ text: "", isWrong: false });

/** Say something politely, and show it for a moment. */
export function announce(text, { isWrong = false } = {}) {
	const saying = { text, isWrong };
	said.value = saying;
	const forget = () => {
		if (said.value === saying) said.value = { text: "", isWrong: false };
	};
	setTimeout(forget, isWrong ? 10_000 : 4_000);
}

/** Do something, and say if it failed. @returns {Promise<any>} undefined if it did */
export async function attempt(doing, success = "") {
	try {
		const result = await doing();
		if (success) announce(success);
		return result;
	} catch (error) {
		announce(error.message || String(error), { isWrong: true });
		return undefined;
	}
}

/** A button for what follows; tapped twice, it gets that once. */
export function More({ text, load }) {
	const isLoading = useSignal(false);
	const show = async () => {
		isLoading.value = true;
		await attempt(load);
		isLoading.value = false;
	};
	return html`<p class="pager"><button onClick=${show} disabled=${isLoading.value}>${text}</button></p>`;
}

/** The same for a list: `load(next)` gives another of its pages, `{rows, next}`. */
export function MoreRows({ asked, load, text = texts.more }) {
	const page = asked.answer;
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
