// Text to be taken along.

import { useSignal } from "@preact/signals";

import { announce } from "./announcer.js";
import { texts } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

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

/** A command for a terminal. */
export const Command = ({ text }) =>
	html`<p class="command"><code>${text}</code><${Copy} text=${text} label=${texts.copyCommand} /></p>`;
