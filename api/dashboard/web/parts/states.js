// What stands where there is nothing to show yet, nothing at all, or something went wrong.

import { texts } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { Command } from "./copy.js";

export function Loading({ lines = 4 }) {
	const bars = Array.from({ length: lines }, (_, index) => html`<span key=${index} class="bar"></span>`);
	return html`<div class="loading" role="status"><span class="unseen">${texts.loading}</span>${bars}</div>`;
}

/** Nothing is there: why that may be, and what to do about it, with a command where there is one. */
export function Empty({ title, hint, command, children }) {
	return html`<div class="empty">
		<h2>${title}</h2>
		${hint && html`<p>${hint}</p>`}
		${command && html`<${Command} text=${command} />`}
		${children}
	</div>`;
}

export function Failed({ error, again }) {
	const isAway = error.status === 0;
	return html`<div class="failed" role="alert">
		<h2><${Icon} name="warning" /> ${isAway ? texts.errors.unreachable : texts.errors.title}</h2>
		<p>${isAway ? texts.errors.unreachableHint : error.message}</p>
		${error.code && !isAway && html`<p class="quiet">${texts.errors.code(error.status, error.code)}</p>`}
		${isAway && html`<${Command} text="apphub-jobs doctor" />`}
		${again && html`<button onClick=${again}>${texts.again}</button>`}
	</div>`;
}

/**
 * Whatever state a question is in; what was asked before stays for a moment, and cannot be used.
 * @param {{asked: {answer: any, error: Error | null, isOld: boolean, again: () => void}, children: (answer: any) => any}} what
 */
export function Answered({ asked, children, lines }) {
	if (asked.answer === undefined) {
		return asked.error
			? html`<${Failed} error=${asked.error} again=${asked.again} />`
			: html`<${Loading} lines=${lines} />`;
	}
	return html`${asked.error && html`<${Failed} error=${asked.error} again=${asked.again} />`}
		<div class="answer" inert=${asked.isOld}>${children(asked.answer)}</div>`;
}
