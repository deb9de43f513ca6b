// The machine of states, with the way that this run took through it.

import { html } from "../../../parts.js";

const PLACES = {
	pending: [62, 90],
	running: [212, 90],
	succeeded: [390, 24],
	failed: [390, 68],
	expired: [390, 112],
	canceled: [390, 156],
};

const WIDTH = 104;
const HEIGHT = 30;

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

/** @param {{path: string[]}} what */
export function Diagram({ path }) {
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

function Place({ status, wasThere, isThere }) {
	const [x, y] = PLACES[status];
	const was = wasThere ? "was-there" : "";
	const state = isThere ? "is-there" : was;
	return html`<g class="place status-${status} ${state}" aria-hidden="true">
		<rect x=${x - WIDTH / 2} y=${y - HEIGHT / 2} width=${WIDTH} height=${HEIGHT} rx="15" />
		<text x=${x} y=${y + 4.5}>${status}</text>
	</g>`;
}

function Way({ from, to, times }) {
	const line = lineOf(from, to);
	return html`<g class="way ${times > 0 ? "was-taken" : ""}" aria-hidden="true">
		<path d=${line} marker-end=${times > 0 ? "url(#taken-arrow)" : "url(#arrow)"} />
		${times > 1 && html`<text x="137" y=${from === "pending" ? 76 : 114}>${times} ×</text>`}
	</g>`;
}

function lineOf(from, to) {
	const [x, y] = PLACES[from];
	const [toX, toY] = PLACES[to];
	if (from === "pending" && to === "running") return `M${x + WIDTH / 2} ${y - 5}H${toX - WIDTH / 2}`;
	if (to === "pending") return `M${x - WIDTH / 2} ${y + 5}H${toX + WIDTH / 2}`;
	if (from === "pending")
		return `M${x} ${y + HEIGHT / 2}Q${x} ${toY + 8} ${x + 80} ${toY + 8}H${toX - WIDTH / 2}`;
	return `M${x + WIDTH / 2} ${y}C${x + 90} ${y} ${toX - 90} ${toY} ${toX - WIDTH / 2} ${toY}`;
}
