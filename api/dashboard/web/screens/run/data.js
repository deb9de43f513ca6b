// What the run was given and what it left; and the same of another run beside it.

import { useSignal } from "@preact/signals";

import { Answered, Differences, html, into, Json } from "../../parts.js";
import { address, change, get, moment, useAnswer } from "../../state.js";
import { texts } from "../../texts.js";
import { differences } from "./differences.js";

const PARTS = ["parameters", "result", "metrics", "context"];

export function Data({ run }) {
	const { compare } = address.value;
	return html`<div class="cards">
			${PARTS.map((part) => html`<section class="card" key=${part}>
				<h2>${texts.run[part]}</h2>
				<${Json} value=${run[part]} label=${texts.run[part]} />
			</section>`)}
		</div>
		<section class="card stack">
			<h2>${texts.run.compare}</h2>
			<${Choice} />
			${compare && html`<${Comparison} run=${run} other=${compare} key=${compare} />`}
		</section>`;
}

function Choice() {
	const id = useSignal(address.value.compare);
	const submit = (event) => {
		event.preventDefault();
		change({ compare: id.value.trim() }, { replace: true });
	};
	return html`<form class="group" onSubmit=${submit}>
		<input class="id-input" aria-label=${texts.run.compareId} placeholder=${texts.run.compareId} value=${id.value}
			onInput=${into(id)} />
		<button>${texts.past.go}</button>
	</form>`;
}

function Comparison({ run, other }) {
	const asked = useAnswer((signal) => get(`/job-runs/${other}`, moment.value, signal), [other]);
	return html`<${Answered} asked=${asked}>${({ data }) => html`<${Compared} found=${differences(run, data.run)} />`}<//>`;
}

function Compared({ found }) {
	return found.length === 0 ? html`<p>${texts.run.same}</p>` : html`<${Differences} found=${found} />`;
}
