// A launch: parameters as a form where their schema allows it, and always as JSON. What is wrong the service says.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { announce, html, into } from "../parts.js";
import { navigate, newKey, post } from "../state.js";
import { texts } from "../texts.js";
import { emptyOf, fieldsOf, isRounded, issuesAt, objectOf, withValue } from "./schema.js";

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

// Fields of a launch form: one for each kind of value, each with what the service said about it.

function Fields({ fields, value, path, issues, onChange }) {
	return fields.map((field) => html`<${Field} key=${field.name} field=${field} value=${value?.[field.name]}
		path=${`${path}/${escaped(field.name)}`} issues=${issues}
		onChange=${(changed) => onChange(withValue(value ?? {}, field.name, changed))} />`);
}

const escaped = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

function Field({ field, value, path, issues, onChange }) {
	const wrong = issuesAt(issues, path);
	const id = `field${path}`;
	const described =
		[field.hint && `${id}-hint`, wrong.length > 0 && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
	const common = {
		id,
		"aria-describedby": described,
		"aria-invalid": wrong.length > 0 ? "true" : undefined,
		"aria-required": field.isRequired,
	};
	const Input = INPUTS[field.kind];
	const isGroup = field.kind === "object" || field.kind === "array";
	const control = html`<${Input}
		field=${field} value=${value} path=${path} issues=${issues} common=${common} onChange=${onChange} />`;
	return html`<div class="field">
		${isGroup
			? html`<fieldset aria-describedby=${described}>
			<legend>${field.title}</legend>
			${control}
			</fieldset>`
			: html`<label for=${id}>
				${field.title} ${field.isRequired && html`<small>${texts.jobs.required}</small>`}</label>
			${control}`}
		${field.hint && html`<small id=${`${id}-hint`}>${field.hint}</small>`}
		${wrong.length > 0 && html`<p class="problem" id=${`${id}-wrong`}>${wrong.join("; ")}</p>`}
	</div>`;
}

const INPUTS = {
	string: ({ field, value, common, onChange }) =>
		html`<input
			...${common} value=${value ?? ""} type=${{ date: "date", email: "email", uri: "url" }[field.format] ?? "text"}
			onInput=${({ target }) => onChange(target.value === "" && !field.isRequired ? undefined : target.value)} />`,
	integer: NumberInput,
	number: NumberInput,
	boolean: ({ value, common, onChange }) =>
		html`<input
			...${common} type="checkbox" checked=${value === true} onChange=${({ target }) => onChange(target.checked)} />`,
	choice: ChoiceInput,
	object: ({ field, value, path, issues, onChange }) =>
		html`<${Fields} fields=${field.fields} value=${value} path=${path} issues=${issues} onChange=${onChange} />`,
	array: ArrayInput,
	json: JsonInput,
};

function NumberInput({ field, value, common, onChange }) {
	const take = ({ target }) => onChange(target.value === "" ? undefined : target.valueAsNumber);
	return html`<input
		...${common} type="number" step=${field.kind === "integer" ? 1 : "any"} value=${value ?? ""} onInput=${take} />`;
}

function ChoiceInput({ field, value, common, onChange }) {
	const place = field.choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(value));
	const take = ({ target }) => onChange(target.value === "-1" ? undefined : field.choices[Number(target.value)]);
	return html`<select ...${common} value=${place} onChange=${take}>
		${(place < 0 || !field.isRequired) && html`<option value="-1">–</option>`}
		${field.choices.map((choice, index) => html`<option key=${index} value=${index}>${String(choice)}</option>`)}
	</select>`;
}

function ArrayInput({ field, value, path, issues, onChange }) {
	const items = Array.isArray(value) ? value : [];
	const set = (place, item) => onChange(items.map((one, index) => (index === place ? item : one)));
	return html`${items.map((item, index) => html`<div class="array-item" key=${index}>
			<${Field}
				field=${{ ...field.item, title: `${index + 1}` }} value=${item} path=${`${path}/${index}`}
				issues=${issues} onChange=${(changed) => set(index, changed ?? null)} />
			<button type="button" class="plain" onClick=${() => onChange(items.filter((_, place) => place !== index))}>
				${texts.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${() => onChange([...items, emptyOf(field.item)])}>${texts.jobs.item}</button>`;
}

/** For what has no field of its own; what is no JSON is a text. */
function JsonInput({ value, common, onChange }) {
	const take = ({ target }) => {
		try {
			onChange(JSON.parse(target.value));
		} catch {
			onChange(target.value === "" ? undefined : target.value);
		}
	};
	return html`<textarea ...${common} rows="3" onChange=${take}
		defaultValue=${value === undefined ? "" : JSON.stringify(value)}></textarea>`;
}
