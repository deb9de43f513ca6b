// How the run came to be where it is: why, by which states, with what time.

import { Answered, Clock, html, Icon, lookOf, Sentence, Status, Table, Time } from "../parts.js";
import { get, moment, now, useAnswer, useSettled } from "../state.js";
import { duration } from "../state/times.js";
import { texts } from "../texts.js";
import { FAILED, Failure, RunsOfWorker } from "./run_failure.js";
import { pathOf, placed, segmentsOf } from "./segments.js";

/** @import { Column } from "../parts.js" */
/** @import { Asked } from "../state/loading.js" */
/** @import { Place as Spot, Segment } from "./segments.js" */

/** @param {{run: Api.Run, events: Api.Event[], related: Asked<Api.RelatedRuns>}} props */
export function Story({ run, events, related }) {
	const isOver = run.completedAt !== null;
	const segments = segmentsOf(events, isOver ? 0 : now.value);
	const attempts = segments.filter(({ kind }) => kind === "run");
	const hasFailed = FAILED.includes(run.status);
	return html`
		${hasFailed && html`<${Failure} run=${run} related=${related} worker=${attempts.at(-1)?.worker} />`}
		<div class="story">
			<div class="stack">
				${!hasFailed && html`<${Explanation} run=${run} />`}
				<section class="card stack">
					<h2>${texts.run.timeline}</h2>
					<${Timeline} segments=${segments} />
					<${Attempts} attempts=${attempts} isOver=${isOver} events=${events} known=${hasFailed ? run.errorMessage : null} />
				</section>
			</div>
			<section class="card"><h2>${texts.run.states}</h2><${Diagram} path=${pathOf(events)} /></section>
		</div>
	`;
}

/**
 * Attempts beside each other: what differs is seen in the columns. The `known` message is read elsewhere already.
 * @param {{attempts: Segment[], isOver: boolean, events: Api.Event[], known: string | null}} props
 */
function Attempts({ attempts, isOver, events, known }) {
	const words = texts.run;
	if (attempts.length === 0) return html`<p class="quiet">${isOver ? words.neverStarted : words.noAttempts}</p>`;
	/** @type {Map<number, string>} */
	const said = new Map();
	for (const { data: { error_message: message }, occurredAt } of events) {
		if (message && message !== known) said.set(Date.parse(occurredAt), message);
	}
	/** @type {Column<Segment>[]} */
	const columns = [
		{ name: "first", title: words.attempts, cell: ({ attempt = 0 }) => words.attempt(attempt) },
		{
			name: "status",
			title: texts.runs.columns.status,
			cell: ({ isOpen, outcome }) => html`<${Status} status=${isOpen ? "running" : outcome} />`,
		},
		{ name: "took", title: texts.runs.columns.took, cell: ({ from, to }) => duration(to - from) },
		{
			name: "started",
			title: words.facts.started,
			cell: ({ from }) => html`<${Time} at=${new Date(from).toISOString()} />`,
		},
		{ name: "worker", title: words.worker, cell: ({ worker }) => html`<${RunsOfWorker} worker=${worker} />` },
		{ name: "why", title: texts.runs.columns.details, cell: ({ to, isOpen }) => (isOpen ? "" : said.get(to)) },
	];
	return html`<${Table} label=${words.attempts} rows=${attempts} keyOf=${(/** @type {Segment} */ { number }) => number} columns=${columns} />`;
}

// What a run did with its time, as a bar: waits are pale, attempts strong, long idle time is collapsed and says so.

const WIDTH = 1_000;
const HEIGHT = 44;

/** @param {{segments: Segment[]}} props */
function Timeline({ segments }) {
	if (segments.length === 0) return null;
	const places = placed(segments);
	const first = segments[0].from;
	const last = segments[segments.length - 1].to;
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
			${[first, last].map((at) => html`<${Clock} key=${at} at=${new Date(at).toISOString()} />`)}
		</figcaption>
	</figure>`;
}

/** @param {{place: Spot}} props */
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

/** @param {Spot} spot */
function lookOfSegment({ kind, outcome = "", isOpen }) {
	if (kind !== "run") return `segment-${kind}`;
	return `segment-run status-${isOpen ? "running" : lookOf(outcome)}`;
}

/** @param {Spot} spot */
function spoken({ kind, attempt = 0, from, to, isCollapsed }) {
	const took = duration(to - from);
	if (kind === "run") return `${texts.run.attempt(attempt)} ${texts.run.ran(took)}`;
	const text = texts.run.waited(took);
	return isCollapsed ? texts.run.collapsed(text) : text;
}

// The machine of states, with the way that this run took through it.

/** @type {Record<string, [x: number, y: number]>} */
const PLACES = {
	pending: [62, 90],
	running: [212, 90],
	succeeded: [390, 24],
	failed: [390, 68],
	expired: [390, 112],
	canceled: [390, 156],
};

const DIAGRAM_WIDTH = 104;
const DIAGRAM_HEIGHT = 30;

const WAYS = [
	["pending", "running"],
	["running", "pending"],
	["running", "succeeded"],
	["running", "failed"],
	["running", "expired"],
	["running", "canceled"],
	["pending", "canceled"],
	["pending", "expired"],
];

/** @param {{path: string[]}} props */
function Diagram({ path }) {
	/** @type {Map<string, number>} */
	const went = new Map();
	for (let step = 1; step < path.length; step += 1) {
		const key = `${path[step - 1]} ${path[step]}`;
		went.set(key, (went.get(key) ?? 0) + 1);
	}
	return html`<svg class="diagram" viewBox="0 0 452 184" role="img" aria-label=${path.join(", ")}>
		<defs>
			${["", "taken-"].map((name) => html`<marker key=${name} id=${`${name}arrow`} class=${`${name}arrow`}
				viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
				<path d="M0 0L6 3L0 6z" />
			</marker>`)}
		</defs>
		${WAYS.map(([from, to]) => html`
			<${Way} key=${`${from} ${to}`} from=${from} to=${to} times=${went.get(`${from} ${to}`) ?? 0} />
		`)}
		${Object.keys(PLACES).map((status) => html`
			<${Place} key=${status} status=${status} wasThere=${path.includes(status)} isThere=${path.at(-1) === status} />
		`)}
	</svg>`;
}

/** @param {{status: string, wasThere: boolean, isThere: boolean}} props */
function Place({ status, wasThere, isThere }) {
	const [x, y] = PLACES[status];
	const was = wasThere ? "was-there" : "";
	const state = isThere ? "is-there" : was;
	return html`<g class="place status-${status} ${state}" aria-hidden="true">
		<rect x=${x - DIAGRAM_WIDTH / 2} y=${y - DIAGRAM_HEIGHT / 2} width=${DIAGRAM_WIDTH} height=${DIAGRAM_HEIGHT} rx="15" />
		<text x=${x} y=${y + 4.5}>${status}</text>
	</g>`;
}

/** @param {{from: string, to: string, times: number}} props */
function Way({ from, to, times }) {
	const line = lineOf(from, to);
	return html`<g class="way ${times > 0 ? "was-taken" : ""}" aria-hidden="true">
		<path d=${line} marker-end=${times > 0 ? "url(#taken-arrow)" : "url(#arrow)"} />
		${times > 1 && html`<text x="137" y=${from === "pending" ? 76 : 114}>${times} ×</text>`}
	</g>`;
}

/** @param {string} from @param {string} to */
function lineOf(from, to) {
	const [x, y] = PLACES[from];
	const [toX, toY] = PLACES[to];
	if (from === "pending" && to === "running") return `M${x + DIAGRAM_WIDTH / 2} ${y - 5}H${toX - DIAGRAM_WIDTH / 2}`;
	if (to === "pending") return `M${x - DIAGRAM_WIDTH / 2} ${y + 5}H${toX + DIAGRAM_WIDTH / 2}`;
	if (from === "pending")
		return `M${x} ${y + DIAGRAM_HEIGHT / 2}Q${x} ${toY + 8} ${x + 80} ${toY + 8}H${toX - DIAGRAM_WIDTH / 2}`;
	return `M${x + DIAGRAM_WIDTH / 2} ${y}C${x + 90} ${y} ${toX - 90} ${toY} ${toX - DIAGRAM_WIDTH / 2} ${toY}`;
}

// Why the run waits, or how it ended, in the service's own words: which reason decides, and what would change it.

/** What a run waits for changes without an event of its own. */
const EVERY_MS = 3_000;

/** @param {{run: Api.Run}} props */
function Explanation({ run }) {
	const everyMs = run.status === "pending" ? EVERY_MS : undefined;
	const asked = useAnswer(
		(signal) => get(`/job-runs/${run.id}/explain`, moment.value, signal),
		[run.id],
		{ newer: [useSettled(run.updatedAt)], everyMs },
	);
	return html`<section class="card explanation">
		<h2>${run.completedAt ? texts.run.outcome : texts.run.explain}</h2>
		<${Answered} asked=${asked} lines=${2}>${(/** @type {Api.Explained} */ { data }) => html`<${Told} explanation=${data} hasEnded=${run.completedAt !== null} />`}<//>
	</section>`;
}

/**
 * How it ended may quote what a handler raised: that is left as it was. Why it waits the reasons say, word by word like the summary,
 * and how it ended the summary alone.
 * @param {{explanation: Api.Explanation, hasEnded: boolean}} props
 */
function Told({ explanation, hasEnded }) {
	const { status, summary, reasons, nextChangeAt, unknown } = explanation;
	const isSaid = status === "pending" && reasons.some(({ binding }) => binding);
	const by = reasons.find(({ code }) => code === "canceled")?.details.by;
	return html`
		${!isSaid && html`<p class="summary">${hasEnded ? summary : html`<${Sentence} text=${summary} />`}</p>`}
		${typeof by === "string" && html`<p class="quiet">${texts.run.canceledBy} <bdi>${by}</bdi></p>`}
		${reasons.length > 0 && !hasEnded && html`<ul class="stack">
			${reasons.map((reason) => html`<${Reason} key=${reason.code} reason=${reason} />`)}
		</ul>`}
		${nextChangeAt && html`<p class="quiet">${texts.run.until} <${Time} at=${nextChangeAt} /></p>`}
		${unknown.map((text) => html`<p class="note" key=${text}>${text}</p>`)}
	`;
}

/** @param {{reason: Api.Reason}} props */
function Reason({ reason }) {
	const { code, message, binding, since } = reason;
	return html`<li class=${binding ? "reason is-binding" : "reason"}>
		${binding && html`<${Icon} name="next" label=${texts.run.binding} />`}
		<span><bdi><${Sentence} text=${message} /></bdi> <code class="quiet">${code}</code> ${since && html`<small><${Time} at=${since} /></small>`}</span>
	</li>`;
}
