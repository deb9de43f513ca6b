// The status of a run, a build, an app or anything else: a shape, a colour and a word.

import { texts } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

/** Words of other subjects, and the status of a run that they look like. */
const LOOKS = {
	ready: "succeeded",
	completed: "succeeded",
	alive: "succeeded",
	launched: "succeeded",
	resolved: "succeeded",
	processing: "running",
	seed: "pending",
	draining: "pending",
	buffered: "pending",
	paused: "canceled",
	open: "failed",
	lost: "failed",
	aborted: "canceled",
	ignored: "canceled",
	skipped: "canceled",
	timed_out: "expired",
	handed_back: "canceled",
	error: "failed",
};

export const lookOf = (status) => LOOKS[status] ?? status;

export function Status({ status, label }) {
	const look = lookOf(status);
	return html`<span class="status status-${look}">
		<${Icon} name=${look} />${label ?? texts.statuses[status] ?? status}</span>
	`;
}
