// The shell around all screens.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";

import { Announcer, Confirmations, Empty, Failed, html, Icon, into, Link, Loading } from "../parts.js";
import { Screen as Overview } from "../screens/overview.js";
import { address, asOf, connection, keepPlace, keptPlace, lacksToken, me, showsPast, signIn } from "../state.js";
import { problemOf } from "../state/api.js";
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
		<main id="content" tabindex="-1">
			${lacksToken.value ? html`<${SignIn} />` : html`<${PastBar} /><${ConnectionLost} /><${Screen} />`}
		</main>
		<${Palette} />
		<${Settings} />
		<${Confirmations} />
		<${Announcer} />
	`;
}

/** @param {Event} event */
function focusContent(event) {
	event.preventDefault(); // The address keeps what is shown, not where one stands on the page.
	content()?.focus();
}

const content = () => document.getElementById("content");

/** The screens that are loaded: the overview comes with the shell, all others come together. */
const loaded = signal(/** @type {{screens: Record<string, () => any>, error?: Error}} */ ({ screens: { overview: Overview } }));

const loadOthers = () => import("../screens.js").then(
	(others) => (loaded.value = { screens: { overview: Overview, ...others } }),
	(error) => (loaded.value = { ...loaded.value, error }),
);

const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 1_000));

/** The screen of the address. */
function Screen() {
	const { view, id } = address.value;
	const { screens, error } = loaded.value;
	const isPage = Object.hasOwn(PAGES, view);
	const isLoaded = view in screens;
	useEffect(() => {
		// What is not needed yet is loaded, too: an outage later does not keep any screen from being opened.
		isPage && !isLoaded ? loadOthers() : whenIdle(loadOthers);
	}, []);
	const isFirst = useRef(true);
	useEffect(() => {
		document.title = `${titleOf(view, id)} · ${texts.product}`;
		if (!isFirst.current) content()?.focus({ preventScroll: true });
		isFirst.current = false;
		scrollTo(0, 0);
		return view === KEEPS_ROWS ? undefined : keepScrolled();
	}, [view, id]);
	const isBack = isPage && !isLoaded && Boolean(error) && connection.value.state === "live";
	useEffect(() => {
		if (isBack && mayReload()) reload(); // A browser does not try again to load a module.
	}, [isBack]);
	if (!isPage) return html`<${Empty} title=${texts.errors.noView} hint=${texts.errors.noViewHint}>
		<${Link} to=${{ view: "overview" }}>${texts.errors.toOverview}<//>
	<//>`;
	if (isLoaded) return html`<div class="screen screen-${view}">
		${asOf.value && !showsPast.value && html`<p class="note">${texts.past.notHere}</p>`}
		<${Guarded} key=${`${view} ${id}`} screen=${screens[view]} />
	</div>`;
	if (!error) return html`<${Loading} />`;
	return html`<${Failed} error=${new Error(isBack ? texts.errors.notLoaded : texts.errors.loadedLater)} again=${reload} />`;
}

/** When the page was loaded anew by itself, in this tab. */
const RELOADED = "apphub-jobs-reloaded";

/** A page that cannot be loaded although the service is there is not loaded over and over. */
const RELOAD_EVERY_MS = 60_000;

const mayReload = () => !(Date.now() - Number(sessionStorage.getItem(RELOADED)) < RELOAD_EVERY_MS);

function reload() {
	sessionStorage.setItem(RELOADED, String(Date.now()));
	location.reload();
}

/** A list that leads back to the same rows by itself. */
const KEEPS_ROWS = "runs";

/** What somebody does who wants to be elsewhere on the page. */
const MOVES = ["wheel", "touchmove", "keydown", "mousedown"];

/** So long a page may take to be as long again; and then, until nothing is added to it any more. */
const GROWS_MS = 10_000;
const SETTLES_MS = 2_000;

/**
 * Keep how far down somebody is, and lead back to where they were, once the page is as long again, unless they move on.
 * @returns {() => void} call it when the page is left
 */
function keepScrolled() {
	const forget = keepPlace(() => ({ scrolled: scrollY }));
	const top = keptPlace()?.scrolled ?? 0;
	const growing = new ResizeObserver(() => {
		scrollTo(0, top);
		if (scrollY < top - 1) return;
		clearTimeout(timer);
		timer = setTimeout(stop, SETTLES_MS);
	});
	const stop = () => {
		growing.disconnect();
		clearTimeout(timer);
		for (const move of MOVES) removeEventListener(move, stop);
	};
	let timer = setTimeout(stop, GROWS_MS);
	for (const move of MOVES) addEventListener(move, stop);
	const page = content();
	if (page && top > 0) growing.observe(page);
	return () => {
		stop();
		forget();
	};
}

/** A screen that breaks says so, and everything around it goes on. @param {{screen: () => any}} props */
function Guarded({ screen: Shown }) {
	const [error, reset] = useErrorBoundary();
	return error ? html`<${Failed} error=${error} again=${reset} />` : html`<${Shown} />`;
}

/** @param {string} view @param {string} id */
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
			${me.value?.isOpen === false && html`<bdi class="me">${me.value.principal}</bdi>`}
		</button>
		<${ConnectionState} />
	</header>`;
}

/** Instead of a screen, where the service asks for a token. */
function SignIn() {
	const token = useSignal("");
	const wrong = useSignal("");
	const isChecking = useSignal(false);
	const words = texts.access;
	if (lacksToken.value === "waits") return html`<${Loading} />`;
	const submit = async (/** @type {Event} */ event) => {
		event.preventDefault();
		isChecking.value = true;
		try {
			await signIn(token.value.trim());
		} catch (error) {
			wrong.value = words.wrong(problemOf(error));
			isChecking.value = false;
		}
	};
	return html`<form class="sign-in card stack" onSubmit=${submit}>
		<h1>${words.title}</h1>
		${lacksToken.value === "refused" && html`<p class="note">${words.refused}</p>`}
		<p>${words.hint}</p>
		<label>
			${words.token}
			<input
				type="password" autocomplete="off" required autofocus value=${token.value} onInput=${into(token)}
				aria-describedby="sign-in-problem" aria-invalid=${wrong.value ? "true" : undefined} />
		</label>
		<p class="problem" id="sign-in-problem" role="alert">${wrong.value}</p>
		<div class="actions"><button class="main" disabled=${isChecking.value}>${words.signIn}</button></div>
	</form>`;
}
