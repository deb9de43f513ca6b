// How many ended in each stretch of time, and how many of them failed: bars, with the same said below them.

import { html } from "../../parts.js";

const WIDTH = 300;
const HEIGHT = 64;

/** @param {{buckets: {ago: number, all: number, failed: number}[], text: string, told: (bucket: object) => string}} what */
export function Bars({ buckets, text, told }) {
	const most = Math.max(...buckets.map(({ all }) => all), 1);
	const width = WIDTH / buckets.length;
	const bar = (name, count, index) => {
		const height = (count / most) * (HEIGHT - 2);
		return html`<rect
			class=${name} x=${index * width + 0.5} width=${width - 1} y=${HEIGHT - height} height=${height} />`;
	};
	return html`<figure class="bars">
		<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${text}>
			${buckets.map((bucket, index) => html`<g key=${bucket.ago}>
				<title>${told(bucket)}</title>
				${bar("ok", bucket.all, index)}${bar("bad", bucket.failed, index)}
			</g>`)}
			<path d=${`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
		</svg>
		<figcaption>${text}</figcaption>
	</figure>`;
}
