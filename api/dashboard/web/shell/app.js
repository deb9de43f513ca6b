// The shell around all screens.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";

import { Announcer, Confirmations, Dialog, Empty, Failed, html, Icon, into, Link, Loading } from "../parts.js";
import { address, asOf, keepToken, showsPast, whenUnauthorized } from "../state.js";
import { environment } from "../state/preferences.js";
import { texts } from "../texts.js";
import { ConnectionLost, ConnectionState } from "./connection.js";
import { Navigation, PAGES, useMenus } from "./navigation.js";
import { openPalette, Palette, useKeys } from "./palette.js";
import { openPast, PastBar } from "./past.js";
import { openSettings, Settings } from "./settings.js";

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
		page && import(`../screens/${view}.js`).then(
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

// The top of the page: which service this is, search, and the moment that is shown.

function Header() {
	return html`<header class="header environment-${environment.colour}">
		<${Link} to=${{ view: "overview" }} class="brand">${texts.product}<//>
		${environment.name && html`<span class="environment">${environment.name}</span>`}
		<button class="search" onClick=${openPalette} aria-keyshortcuts="Control+K Meta+K">
			<${Icon} name="search" /><span>${texts.palette.title}</span><kbd>Ctrl K</kbd>
		</button>
		<button class="plain" onClick=${openPast} title=${texts.past.open} aria-label=${texts.past.open}>
			<${Icon} name="clock" />
		</button>
		<button class="plain" onClick=${openSettings} title=${texts.settings.title} aria-label=${texts.settings.title}>
			<${Icon} name="settings" />
		</button>
		<${ConnectionState} />
	</header>`;
}

// The question for a token, where the service asks for one.

const isAsked = signal(false);

whenUnauthorized(() => (isAsked.value = true));

function Access() {
	const token = useSignal("");
	if (!isAsked.value) return null;
	const submit = (event) => {
		event.preventDefault();
		keepToken(token.value.trim());
		location.reload(); // Whatever was refused is asked for again.
	};
	return html`<${Dialog} title=${texts.access.title} onClose=${() => (isAsked.value = false)}>
		<form class="stack" onSubmit=${submit}>
			<p>${texts.access.hint}</p>
			<label>
				${texts.access.token}
				<input
					type="password" autocomplete="off" required value=${token.value}
					onInput=${into(token)} />
			</label>
			<div class="actions"><button class="main">${texts.access.go}</button></div>
		</form>
	<//>`;
}
