// Which events: by type, by what they are of, by who caused them, from which position on.

import { html } from "../../parts.js";
import { texts } from "../../texts.js";

const NAMES = ["type", "subject", "actor", "after"];

const EXAMPLES = { type: "job_run.started", actor: "worker:…", after: "0" };

export function LogFilter({ given, onChange }) {
	const submit = (event) => {
		event.preventDefault();
		const written = new FormData(event.target);
		const words = NAMES.map((name) => [name, written.get(name).trim()]).filter(([, value]) => value !== "");
		onChange(given.correlation ? [...words, ["correlation", given.correlation]] : words);
	};
	return html`<form class="group log-filter" role="search" onSubmit=${submit}>
		${NAMES.map((name) => html`<label key=${name}>
			${texts.log[name]}
			<input name=${name} defaultValue=${given[name] ?? ""} placeholder=${EXAMPLES[name]}
				data-filter=${name === NAMES[0]} />
		</label>`)}
		<button>${texts.past.go}</button>
		${given.correlation && html`<span class="tag">correlation ${given.correlation}</span>`}
	</form>`;
}
