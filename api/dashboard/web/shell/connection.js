// Whether what is shown is the present: said in the header, and across the page once the connection is lost.

import { useEffect, useRef } from "preact/hooks";

import { announce, html, Icon, Time } from "../parts.js";
import { asOf, connection, lacksToken, now, retryNow } from "../state.js";
import { texts } from "../texts.js";

const PATIENCE_MS = 1_500;

export function ConnectionState() {
	if (lacksToken.value) return null; // Nothing is wrong with the connection.
	const state = asOf.value ? "past" : connection.value.state;
	return html`<span
		class="connection connection-${state}" title=${state === "live" ? texts.connection.liveHint : undefined}>
		<span class="dot"></span>${texts.connection[state]}
	</span>`;
}

/** Shown only once it has lasted a moment: a restart of a second is nobody's business. */
export function ConnectionLost() {
	const { state, since = now.value } = connection.value;
	const isLong = state === "lost" && now.value - since > PATIENCE_MS;
	const wasLong = useRef(false);
	useEffect(() => {
		if (isLong) announce(texts.connection.lost);
		else if (wasLong.current && state === "live") announce(texts.connection.again);
		wasLong.current = isLong || (wasLong.current && state !== "live");
	}, [isLong, state]);
	if (!isLong || asOf.value) return null;
	const at = new Date(since).toISOString();
	return html`<div class="bar-note is-lost" role="status">
		<${Icon} name="warning" />
		<p>
			<strong>${texts.connection.lost}.</strong> ${texts.connection.lostHint} <${Time} at=${at} />.${" "}
			${texts.connection.lostNext}
		</p>
		<button onClick=${retryNow}>${texts.connection.now}</button>
	</div>`;
}
