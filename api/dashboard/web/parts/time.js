// When something was, and how long it took.

import { timeStyle } from "../state/preferences.js";
import { now } from "../state/now.js";
import { duration, local, relative, utc } from "../state/times.js";
import { html } from "./html.js";

/** @param {{at: string | null, full?: boolean}} what `full` shows both local time and UTC */
export function Time({ at, full = false }) {
	if (!at) return html`<span class="quiet">–</span>`;
	const both = `${local(at)} · ${utc(at)}`;
	if (full)
		return html`<time class="full" datetime=${at}>${local(at)} <span class="quiet">${utc(at)}</span></time>`;
	return html`<time datetime=${at} title=${both}>${written(at)}</time>`;
}

function written(at) {
	if (timeStyle.value === "utc") return utc(at);
	if (timeStyle.value === "local") return local(at);
	return relative(at, now.value);
}

/** How long a run has taken, or has been taking so far. */
export function Duration({ from, to, ms }) {
	if (ms !== undefined && ms !== null) return duration(ms);
	if (!from) return "–";
	const end = to ? Date.parse(to) : Math.max(now.value, Date.parse(from));
	return duration(end - Date.parse(from));
}
