// What a run did with its time, as a bar: waits are pale, attempts strong, long idle time is collapsed and says so.

import { html, lookOf } from "../../../parts.js";
import { duration, utc } from "../../../state/times.js";
import { texts } from "../../../texts.js";
import { placed } from "./segments.js";

const WIDTH = 1_000;
const HEIGHT = 44;

export function Timeline({ segments }) {
	if (segments.length === 0) return null;
	const places = placed(segments);
	const first = segments[0].from;
	const last = segments.at(-1).to;
	return html`<figure class="timeline">
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"
			aria-label=${places.map(spoken).join("; ")}>
			${places.map((place) => html`<${Bar} key=${place.number} place=${place} />`)}
		</svg>
		<ul class="timeline-legend" aria-hidden="true">
			${places.map((place) => html`
				<li key=${place.number}><span class="swatch ${lookOfSegment(place)}"></span>${spoken(place)}</li>
			`)}
		</ul>
		<figcaption>
			<span>${utc(first)}</span><span>${utc(last)}</span>
		</figcaption>
	</figure>`;
}

function Bar({ place }) {
	const { kind, start, width, isCollapsed } = place;
	const height = kind === "run" ? HEIGHT - 8 : 12;
	const x = start * WIDTH;
	const w = Math.max(width * WIDTH - 1, 2);
	return html`<g class="segment ${lookOfSegment(place)}">
		<title>${spoken(place)}</title>
		<rect x=${x} y=${(HEIGHT - height) / 2} width=${w} height=${height} />
		${isCollapsed && html`
			<path d=${`M${x + w / 2 - 6} 4L${x + w / 2 - 2} ${HEIGHT - 4}M${x + w / 2 + 2} 4L${x + w / 2 + 6} ${HEIGHT - 4}`} />
		`}
	</g>`;
}

function lookOfSegment({ kind, outcome, isOpen }) {
	if (kind !== "run") return `segment-${kind}`;
	return `segment-run status-${isOpen ? "running" : lookOf(outcome)}`;
}

function spoken({ kind, attempt, from, to, isCollapsed }) {
	const took = duration(to - from);
	if (kind === "run") return `${texts.run.attempt(attempt)} ${texts.run.ran(took)}`;
	const text = texts.run.waited(took);
	return isCollapsed ? texts.run.collapsed(text) : text;
}
