// A window above the page that takes the keyboard, and gives it back; and the question before something dangerous.

import { signal, useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { post } from "../state/api.js";
import { environment } from "../state/preferences.js";
import { texts } from "../texts.js";
import { attempt } from "./announcer.js";
import { html, into } from "./html.js";
import { Icon } from "./icons.js";

export function Dialog({ title, onClose, children, className = "" }) {
	const element = useRef(null);
	// Not after the next paint: whoever types on at once types into it.
	useLayoutEffect(() => {
		const before = document.activeElement;
		element.current.showModal();
		return () => before?.focus?.();
	}, []);
	const closeOutside = ({ clientX, clientY }) => {
		const { left, right, top, bottom } = element.current.getBoundingClientRect();
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

const asked = signal(null);

/**
 * Ask before something that cannot be undone.
 * @param {{title: string, text: string, action: string, asksReason?: boolean}} question
 * @returns {Promise<{reason: string} | null>} null where the person thought better of it
 */
export function confirm(question) {
	return new Promise((resolve) => (asked.value = { ...question, resolve }));
}

/** Ask why, then do it. @returns {Promise<any>} undefined where the person thought better of it, or it was refused */
export async function orderWithReason(question, path, success) {
	const answer = await confirm({ ...question, asksReason: true });
	if (!answer) return undefined;
	return attempt(() => post(path, answer.reason ? { reason: answer.reason } : undefined), success);
}

export function Confirmations() {
	const question = asked.value;
	if (!question) return null;
	const answer = (given) => {
		asked.value = null;
		question.resolve(given);
	};
	return html`<${Question} question=${question} answer=${answer} />`;
}

/** Whether the name of the environment must be written before something dangerous. */
export const isGuarded = environment.colour === "red" && environment.name !== "";

/** @param {{name: import("@preact/signals").Signal<string>}} what */
export function Guard({ name }) {
	if (!isGuarded) return null;
	return html`<label>
		${texts.guard(environment.name)}<input autocomplete="off" value=${name.value} onInput=${into(name)} />
	</label>`;
}

function Question({ question, answer }) {
	const reason = useSignal("");
	const name = useSignal("");
	const mayGo = !isGuarded || name.value === environment.name;
	const submit = (event) => {
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
