// Fields of a launch form: one for each kind of value, each with what the service said about it.

import { html } from "../../parts.js";
import { texts } from "../../texts.js";
import { emptyOf, issuesAt, withValue } from "./schema.js";

export function Fields({ fields, value, path, issues, onChange }) {
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
