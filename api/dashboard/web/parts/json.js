// A JSON value, folded where it is long.

import { html } from "./html.js";
import { Copy } from "./copy.js";
import { texts } from "../texts.js";

const LONG = 2_000;

export function Json({ value, label }) {
	if (value === null || value === undefined) return html`<p class="quiet">${texts.none}</p>`;
	const text = JSON.stringify(value, null, 2);
	const shown = html`<pre class="json" tabindex="0" aria-label=${label}><code>${text}</code></pre>`;
	return html`<div class="with-copy">
		<${Copy} text=${text} label=${texts.copyOf(label)} />
		${text.length > LONG
			? html`<details><summary>${texts.characters(text.length)}</summary>${shown}</details>`
			: shown}
	</div>`;
}

/** What changed, value by value. */
export function Differences({ found }) {
	return html`<dl class="differences">
		${found.map(({ path, before, after }) => html`<div key=${path}>
			<dt><code>${path}</code></dt>
			<dd><del>${shown(before)}</del> <ins>${shown(after)}</ins></dd>
		</div>`)}
	</dl>`;
}

const shown = (value) => (value === undefined ? "–" : JSON.stringify(value));
