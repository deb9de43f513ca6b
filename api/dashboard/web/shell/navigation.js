// The pages, beside the content where there is room, above it where there is not.

import { useEffect } from "preact/hooks";

import { html, Link } from "../parts.js";
import { address, asOf, world } from "../state.js";
import { number, texts } from "../texts.js";
import { MAIN, PAGES } from "./pages.js";

export function Navigation() {
	const { view } = address.value;
	const current = PAGES[view]?.under ?? view;
	useEffect(() => {
		document.querySelector(".navigation [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
	}, [current]);
	return html`<nav class="navigation" aria-label=${texts.menu}>
		<ul>
			${MAIN.map((name) => html`<li key=${name}>
				<${Link} to=${{ view: name }} aria-current=${name === current ? "page" : undefined}>
					${texts.views[name]} ${name === "runs" && html`<${Open} />`}
				<//>
			</li>`)}
		</ul>
	</nav>`;
}

/** How many runs have not ended: live, so not in the past. */
function Open() {
	const { counts } = world.value;
	if (!counts || asOf.value) return null;
	const open = counts.pending + counts.running;
	return open > 0 ? html`<span class="count">${number(open)}</span>` : null;
}
