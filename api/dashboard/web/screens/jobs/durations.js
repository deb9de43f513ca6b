// How long the newest runs took: in words, and as one point each over the time of its end.

import { html } from "../../parts.js";
import { duration, local } from "../../state/times.js";
import { texts } from "../../texts.js";
import { durationsOf, percentile, pointsOf } from "./percentiles.js";

const WIDTH = 1_000;
const HEIGHT = 100;

const FEWEST = 2;

export function Durations({ runs }) {
	const sorted = durationsOf(runs);
	if (sorted.length < FEWEST) return html`<p class="quiet">${texts.jobs.needMore}</p>`;
	const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => duration(percentile(sorted, share)));
	return html`<p>${texts.jobs.percentiles(p50, p95, p99)}</p>
		<${Plot} ...${pointsOf(runs)} />`;
}

/** A picture of what the words above and the table below say: whoever does not see it misses nothing. */
function Plot({ points, first, last, longest }) {
	return html`<figure class="plot" aria-hidden="true">
		<div class="plot-scale"><span>${duration(longest)}</span><span>${duration(longest / 2)}</span><span>0</span></div>
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
			${[0, 0.5, 1].map((share) => html`
				<path class="rule" key=${share} d=${`M0 ${share * HEIGHT}H${WIDTH}`} vector-effect="non-scaling-stroke" />
			`)}
			${points.map(({ run, x, y }) => html`<path key=${run.id} class="point status-${run.status}"
				d=${`M${x * WIDTH} ${(1 - y) * HEIGHT}h0.01`}>
				<title>${duration(run.durationMs)} · ${texts.status(run.status)} · ${local(run.completedAt)}</title>
			</path>`)}
		</svg>
		<figcaption><span>${local(first)}</span><span>${local(last)}</span></figcaption>
	</figure>`;
}
