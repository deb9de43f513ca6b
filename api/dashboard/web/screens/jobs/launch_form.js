// A launch: parameters as a form where their schema allows it, and always as JSON. What is wrong the service says.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { announce, html, into } from "../../parts.js";
import { navigate, newKey, post } from "../../state.js";
import { texts } from "../../texts.js";
import { Fields } from "./fields.js";
import { fieldsOf, isRounded, objectOf } from "./schema.js";

export function LaunchForm({ job, parameters, onLaunched = () => {} }) {
	const words = texts.jobs;
	const fields = fieldsOf(job.parametersSchema);
	const typed = useSignal(parameters); // Another version keeps it.
	const value = typed.value ?? presentValues(job.defaultParameters);
	const raw = useSignal(null);
	const delay = useSignal("");
	const problem = useSignal({ message: "", issues: [] });
	const sent = useRef({ body: "", key: "" }); // The same order twice, after a lost answer, is one launch.
	const isRaw = raw.value !== null || !fields?.length;
	const written = raw.value ?? JSON.stringify(value, null, 2);
	const show = (asJson) => {
		if (asJson) raw.value = written;
		else take(written) && (raw.value = null);
	};
	const take = (text) => {
		const read = objectOf(text);
		if (!read) problem.value = { message: words.badJson, issues: [] };
		else typed.value = read;
		return read !== null;
	};
	const submit = async (event) => {
		event.preventDefault();
		if (isRaw && !take(written)) return;
		problem.value = { message: "", issues: [] };
		const body = { parameters: typed.value ?? value, ...(delay.value && { delayMs: Number(delay.value) }) };
		try {
			const text = JSON.stringify(body);
			if (sent.current.body !== text) sent.current = { body: text, key: newKey() };
			const { data } = await post(`/jobs/${job.slug}/run`, body, { "Idempotency-Key": sent.current.key });
			announce(words.launched(data.id));
			onLaunched();
			navigate({ view: "run", id: data.id });
		} catch (error) {
			problem.value = { message: error.message, issues: error.issues ?? [] };
			requestAnimationFrame(() => event.target.querySelector("[aria-invalid]")?.focus()); // Once it is drawn.
		}
	};
	return html`<form class="stack launch" onSubmit=${submit} noValidate>
		${fields?.length > 0 && html`
			<label class="check"><input type="checkbox" checked=${isRaw} onChange=${({ target }) => show(target.checked)} />${words.raw}</label>
		`}
		${isRaw
			? html`<textarea rows="10" aria-label=${texts.run.parameters}
			aria-invalid=${problem.value.message ? "true" : undefined} value=${written}
			onInput=${into(raw)}></textarea>`
			: html`<${Fields} fields=${fields} value=${value} path="" issues=${problem.value.issues}
			onChange=${(changed) => (typed.value = changed)} />`}
		<label>${words.delay}<input type="number" min="0" value=${delay.value} onInput=${into(delay)} /></label>
		${isRounded(isRaw ? objectOf(written) : value) && html`<p class="note" role="status">${words.rounded}</p>`}
		${problem.value.message && html`<p class="problem" role="alert">${problem.value.message}</p>`}
		<div class="actions"><button class="main">${words.launch}</button></div>
	</form>`;
}

/** Defaults that are null stand for "to be given". */
function presentValues(defaults) {
	return Object.fromEntries(Object.entries(defaults ?? {}).filter(([, value]) => value !== null));
}
