// The status of a run, a build, an app or anything else: a shape, a colour and a word.

import { texts } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

/** By the status of a run, words of other subjects that look like it. */
const LOOKS = {
	pending: ["seed", "draining", "buffered"],
	running: ["processing"],
	succeeded: ["ready", "completed", "alive", "launched", "resolved"],
	failed: ["open", "lost", "error"],
	canceled: ["paused", "aborted", "ignored", "skipped", "handed_back"],
	expired: ["timed_out"],
};

export const lookOf = (status) => Object.keys(LOOKS).find((look) => LOOKS[look].includes(status)) ?? status;

export function Status({ status, label }) {
	const look = lookOf(status);
	return html`<span class="status status-${look}">
		<${Icon} name=${look} />${label ?? texts.status(status)}</span>
	`;
}
