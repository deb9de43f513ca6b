// Single keys, for those who want them: never while somebody writes, never with a modifier.

import { useEffect } from "preact/hooks";

import { change, navigate } from "../state.js";
import { keysAreOn } from "../state/preferences.js";
import { PAGES } from "./pages.js";
import { openPalette } from "./palette.js";
import { openPast } from "./past.js";
import { openSettings } from "./settings.js";

const ROWS = ".table tbody a.id, .table tbody .cell-first a";

const SECOND_KEY_MS = 1_500;

export function useKeys() {
	useEffect(() => {
		let leads = 0; // Until when the key after `g` counts.
		const press = (event) => {
			if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
				event.preventDefault();
				openPalette();
				return;
			}
			if (!keysAreOn.value || isWriting(event) || event.ctrlKey || event.metaKey || event.altKey) return;
			if (Date.now() < leads) {
				leads = 0;
				goTo(event.key);
			} else if (event.key === "g") {
				leads = Date.now() + SECOND_KEY_MS;
			} else if (ACTIONS[event.key]) {
				event.preventDefault();
				ACTIONS[event.key]();
			}
		};
		addEventListener("keydown", press);
		return () => removeEventListener("keydown", press);
	}, []);
}

const ACTIONS = {
	"/": () => document.querySelector("[data-filter]")?.focus(),
	"?": openSettings,
	t: openPast,
	n: () => change({ asOf: "" }),
	j: () => step(1),
	k: () => step(-1),
};

function isWriting({ target }) {
	return target.closest?.("input, textarea, select, [contenteditable], dialog") !== null;
}

function goTo(key) {
	const found = Object.entries(PAGES).find(([, page]) => page.key === key);
	if (found) navigate({ view: found[0] });
}

function step(by) {
	const rows = [...document.querySelectorAll(ROWS)];
	const place = rows.indexOf(document.activeElement);
	rows[Math.min(Math.max(place + by, 0), rows.length - 1)]?.focus();
}
