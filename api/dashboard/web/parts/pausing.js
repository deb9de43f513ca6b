// A job or a schedule, paused with a reason and resumed.

import { post } from "../state/api.js";
import { texts } from "../texts.js";
import { attempt } from "./announcer.js";
import { orderWithReason } from "./dialog.js";
import { html } from "./html.js";

export function Pausing({ paused, name, path, text, again }) {
	const question = { title: `${texts.pause} ${name}`, text, action: texts.pause };
	const pause = async () => (await orderWithReason(question, `${path}/pause`)) && again();
	const resume = () => attempt(() => post(`${path}/resume`).then(again));
	return paused
		? html`<button onClick=${resume}>${texts.resume}</button>`
		: html`<button onClick=${pause}>${texts.pause} …</button>`;
}
