// A job or a schedule, paused with a reason and resumed.

import { post } from "../state/api.js";
import { attempt } from "./announcer.js";
import { orderWithReason } from "./dialog.js";
import { html } from "./html.js";

export function Pausing({ paused, name, path, words, again }) {
	const question = { title: `${words.pause} ${name}`, text: words.pauseText, action: words.pause };
	const pause = async () => (await orderWithReason(question, `${path}/pause`)) && again();
	const resume = () => attempt(() => post(`${path}/resume`).then(again));
	return paused
		? html`<button onClick=${resume}>${words.resume}</button>`
		: html`<button onClick=${pause}>${words.pause} …</button>`;
}
