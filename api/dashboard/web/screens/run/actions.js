// What can be done to a run; and how the same is done from a terminal or a program.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { Answered, attempt, Copy, Dialog, html, orderWithReason } from "../../parts.js";
import { asOf, get, navigate, newKey, post, useAnswer } from "../../state.js";
import { token } from "../../state/api.js";
import { texts } from "../../texts.js";
import { LaunchForm } from "../jobs/launch_form.js";
import { asCommand, asCurl, asPython } from "./commands.js";

const OPEN = ["pending", "running"];

export function Actions({ run }) {
	const isRerunning = useSignal(false);
	const key = useRef(newKey());
	const isOpen = OPEN.includes(run.status);
	const isPast = asOf.value !== "";
	return html`<div class="actions">
		${isPast && html`<span class="quiet">${texts.past.noActions}</span>`}
		${!isPast && isOpen && html`
			<button class="danger" disabled=${run.cancelRequestedAt !== null} onClick=${() => cancel(run)}>${texts.run.cancel} …</button>
		`}
		${!isPast && !isOpen && html`<button onClick=${() => retry(run, key)}>${texts.run.retry}</button>`}
		${!isPast && html`<button onClick=${() => (isRerunning.value = true)}>${texts.run.rerun} …</button>`}
		<${CopyAs} run=${run} />
		${isRerunning.value && html`<${Rerun} run=${run} onClose=${() => (isRerunning.value = false)} />`}
	</div>`;
}

function cancel(run) {
	const words = texts.run;
	const question = { title: `${words.cancel} ${run.slug}`, text: words.cancelText, action: words.cancel };
	return orderWithReason(question, `/job-runs/${run.id}/cancel`, words.canceled);
}

async function retry(run, key) {
	const launched = await attempt(() => post(`/job-runs/${run.id}/retry`, undefined, { "Idempotency-Key": key.current }));
	if (!launched) return; // Asked again, it is the same request.
	key.current = newKey();
	navigate({ view: "run", id: launched.data.id });
}

function Rerun({ run, onClose }) {
	const job = useAnswer((signal) => get(`/jobs/${run.slug}`, [["limit", 1]], signal), []);
	return html`<${Dialog} title=${texts.run.rerun} onClose=${onClose} className="wide">
		<${Answered} asked=${job}>
			${({ data }) => html`<${LaunchForm} job=${data.job} parameters=${run.parameters} onLaunched=${onClose} />`}
		<//>
	<//>`;
}

function CopyAs({ run }) {
	const page = document.baseURI;
	const ways = { curl: asCurl(run, page, token() !== ""), CLI: asCommand(run, page), Python: asPython(run, page) };
	return html`<details class="menu">
		<summary>${texts.run.copyAs}</summary>
		<div class="menu-box stack">
			${Object.entries(ways).map(([name, text]) => html`<div key=${name}>
				<h3>${name}</h3>
				<div class="with-copy">
					<${Copy} text=${text} label=${texts.copyOf(name)} />
					<pre class="json"><code>${text}</code></pre>
				</div>
			</div>`)}
		</div>
	</details>`;
}
