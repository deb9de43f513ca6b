// What this person prefers, kept in this browser alone.

import { signal } from "@preact/signals";

const PLACE = "apphub-jobs-";

/** @template T @param {string} name @param {T} first what it is until somebody chooses @returns {import("@preact/signals").Signal<T>} */
function preference(name, first) {
	const value = signal(keptOr(name, first));
	value.subscribe((now) => {
		try {
			localStorage.setItem(PLACE + name, JSON.stringify(now));
		} catch {
			// Some browsers keep nothing, or are full: then it lasts as long as the page.
		}
	});
	return value;
}

/** @template T @param {string} name @param {T} first @returns {T} */
function keptOr(name, first) {
	try {
		return JSON.parse(localStorage.getItem(PLACE + name) ?? "null") ?? first;
	} catch {
		return first;
	}
}

/** How times are written: `relative`, `local` or `utc`. */
export const timeStyle = preference("times", "relative");

/** `auto`, `light` or `dark`. */
export const scheme = preference("scheme", "auto");

/** Whether single keys do something; whoever speaks to their computer turns that off. */
export const keysAreOn = preference("keys", true);

/** Whether long lines of runs' logs are wrapped. */
export const linesAreWrapped = preference("wrap", false);

/** Lists of runs that somebody wants to see again; older ones have no order. */
export const savedViews = preference("views", /** @type {[name: string, filter: string, order?: string][]} */ ([]));

scheme.subscribe((now) => {
	if (now === "auto") delete document.documentElement.dataset.scheme;
	else document.documentElement.dataset.scheme = now;
});

/** @type {HTMLMetaElement | null} */
const meta = document.querySelector('meta[name="environment"]');

/** Which service this is, as its operator named it; where its colour is red, dangerous actions ask for the name. */
export const environment = { name: meta?.content ?? "", colour: meta?.dataset.colour ?? "grey" };
