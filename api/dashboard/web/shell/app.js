// The shell around all screens.

import { useSignal } from "@preact/signals";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";

import { Announcer, Confirmations, Empty, Failed, html, Loading } from "../parts.js";
import { address, asOf, showsPast } from "../state.js";
import { texts } from "../texts.js";
import { Access } from "./access.js";
import { ConnectionLost } from "./connection.js";
import { Header } from "./header.js";
import { useKeys } from "./keys.js";
import { useMenus } from "./menus.js";
import { Navigation } from "./navigation.js";
import { PAGES } from "./pages.js";
import { Palette } from "./palette.js";
import { PastBar } from "./past.js";
import { Settings } from "./settings.js";

export function App() {
	useKeys();
	useMenus();
	useEffect(() => {
		document.documentElement.toggleAttribute("data-past", asOf.value !== "");
	}, [asOf.value]);
	return html`
		<a class="skip" href="#content" onClick=${focusContent}>${texts.skip}</a>
		<${Header} />
		<${Navigation} />
		<main id="content" tabindex="-1"><${PastBar} /><${ConnectionLost} /><${Screen} /></main>
		<${Palette} />
		<${Settings} />
		<${Access} />
		<${Confirmations} />
		<${Announcer} />
	`;
}

function focusContent(event) {
	event.preventDefault(); // The address keeps what is shown, not where one stands on the page.
	document.getElementById("content").focus();
}

/** The screen of the address; its code is loaded when it is first needed. */
function Screen() {
	const { view, id } = address.value;
	const page = PAGES[view];
	const loaded = useSignal({});
	const isFirst = useRef(true);
	useEffect(() => {
		page && import(`../screens/${page.file}.js`).then(
			({ Screen: Found }) => (loaded.value = { view, Screen: Found }),
			(error) => (loaded.value = { view, error }),
		);
		document.title = `${titleOf(view, id)} · ${texts.product}`;
		if (!isFirst.current) document.getElementById("content").focus({ preventScroll: true });
		isFirst.current = false;
		scrollTo(0, 0);
	}, [view, id]);
	if (!page) return html`<${Empty} title=${texts.errors.noView} />`;
	const { Screen: Shown, error } = loaded.value;
	if (loaded.value.view !== view) return html`<${Loading} />`;
	if (error) return html`<${Failed} error=${error} again=${() => location.reload()} />`;
	return html`<div class="screen screen-${view}">
		${asOf.value && !showsPast.value && html`<p class="note">${texts.past.notHere}</p>`}
		<${Guarded} key=${`${view} ${id}`} screen=${Shown} />
	</div>`;
}

/** A screen that breaks says so, and everything around it goes on. */
function Guarded({ screen: Shown }) {
	const [error, reset] = useErrorBoundary();
	return error ? html`<${Failed} error=${error} again=${reset} />` : html`<${Shown} />`;
}

function titleOf(view, id) {
	const name = texts.views[view] ?? texts.errors.noView;
	return id ? `${name} ${id}` : name;
}
