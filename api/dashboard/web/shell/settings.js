// What this person prefers, and which keys there are.

/** @import { On, Text } from "../parts.js" */

import { signal } from "@preact/signals";

import { Dialog, html, into } from "../parts.js";
import { me, signOut } from "../state.js";
import { keysAreOn, scheme, timeStyle } from "../state/preferences.js";
import { zone } from "../state/times.js";
import { texts } from "../texts.js";

const isOpen = signal(false);

export const openSettings = () => (isOpen.value = true);

export function Settings() {
	if (!isOpen.value) return null;
	const words = texts.settings;
	return html`<${Dialog} title=${words.title} onClose=${() => (isOpen.value = false)}>
		<div class="stack">
			<${Account} />
			<${Choice} label=${words.scheme} preference=${scheme} words=${words.schemes} />
			<${Choice} label=${words.times} preference=${timeStyle} words=${words.timeStyles(zone())} />
			<label class="check">
				<input type="checkbox" checked=${keysAreOn.value} onChange=${setKeys} />
				${words.keys}<small>${words.keysHint}</small>
			</label>
			<dl class="keys">
				${words.shortcuts.map(([key, does]) => html`<div key=${key}>
					<dt><kbd>${key}</kbd></dt>
					<dd>${does}</dd>
				</div>`)}
			</dl>
		</div>
	<//>`;
}

/** Whose token the page sends, and what it allows. */
function Account() {
	if (me.value === null) return null;
	const { principal, role, isOpen } = me.value;
	const words = texts.access;
	if (isOpen) return html`<p class="quiet">${words.open}</p>`;
	return html`<div class="account">
		<p>${words.signedInAs} <bdi>${principal}</bdi> · ${words.roles[role]}</p>
		<button onClick=${signOut}>${words.signOut}</button>
	</div>`;
}

const setKeys = (/** @type {On} */ { target }) => (keysAreOn.value = target.checked);

/** @param {{label: string, preference: Text, words: Record<string, string>}} props */
function Choice({ label, preference, words }) {
	return html`<label>
		${label}
		<select value=${preference.value} onChange=${into(preference)}>
			${Object.entries(words).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
		</select>
	</label>`;
}
