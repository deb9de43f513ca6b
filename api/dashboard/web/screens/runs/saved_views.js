// Filters that somebody wants to see again, kept in this browser.

import { useSignal } from "@preact/signals";

import { html, Icon, into } from "../../parts.js";
import { format, parse } from "../../state/filters.js";
import { savedViews } from "../../state/preferences.js";
import { texts } from "../../texts.js";

export function SavedViews({ words, setWords }) {
	const name = useSignal("");
	const save = (event) => {
		event.preventDefault();
		const others = savedViews.value.filter(([kept]) => kept !== name.value);
		savedViews.value = [...others, [name.value, format(words)]];
		name.value = "";
	};
	const forget = (forgotten) => (savedViews.value = savedViews.value.filter(([kept]) => kept !== forgotten));
	return html`<details class="menu">
		<summary>${texts.runs.saved}</summary>
		<div class="menu-box stack">
			${savedViews.value.length > 0 && html`<ul>
				${savedViews.value.map(([kept, filter]) => html`<li key=${kept} class="group">
					<button class="plain" title=${filter} onClick=${() => setWords(parse(filter))}>${kept}</button>
					<button class="plain" aria-label=${texts.runs.forget(kept)} onClick=${() => forget(kept)}>
						<${Icon} name="close" />
					</button>
				</li>`)}
			</ul>`}
			<form class="group" onSubmit=${save}>
				<input
					required maxlength="60" aria-label=${texts.runs.viewName} placeholder=${texts.runs.viewName}
					value=${name.value} onInput=${into(name)} />
				<button disabled=${words.length === 0}>${texts.runs.save}</button>
			</form>
		</div>
	</details>`;
}
