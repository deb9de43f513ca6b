// Which pages there are, and the navigation between them.

import { useEffect } from "preact/hooks";

import { closeMenu, html, Link, OPEN_MENU } from "../parts.js";
import { address, asOf, world } from "../state.js";
import { number, texts } from "../texts.js";

// Which pages there are: what opens them; the code of each is `screens/NAME.js`.

/** @typedef {{key?: string, under?: string}} Page */

/** @type {Record<string, Page>} */
export const PAGES = /** @satisfies {Record<"overview" | keyof typeof import("../screens.js"), Page>} */ ({
	overview: { key: "o" },
	runs: { key: "r" },
	run: { under: "runs" },
	bulk: { under: "runs" },
	jobs: { key: "j" },
	job: { under: "jobs" },
	failures: { key: "f" },
	schedules: { key: "s" },
	schedule: { under: "schedules" },
	workers: { key: "w" },
	log: { key: "l" },
	apps: { key: "a" },
	app: { under: "apps" },
});

/** Those that stand in the navigation. */
export const MAIN = Object.keys(PAGES).filter((view) => PAGES[view].key);

// The pages, beside the content where there is room, above it where there is not.

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

// Menus close when one looks elsewhere, or presses Escape, as menus do.

export function useMenus() {
	useEffect(() => {
		const closeOthers = (/** @type {MouseEvent} */ event) => {
			// What was clicked may be gone already, as a view that somebody forgets.
			const clicked = event.composedPath();
			for (const menu of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll(OPEN_MENU))) {
				if (!clicked.includes(menu)) menu.open = false;
			}
		};
		const closeByKey = (/** @type {KeyboardEvent} */ { key }) => {
			if (key === "Escape") closeMenu(document.activeElement);
		};
		addEventListener("click", closeOthers);
		addEventListener("keydown", closeByKey);
		return () => {
			removeEventListener("click", closeOthers);
			removeEventListener("keydown", closeByKey);
		};
	}, []);
}
