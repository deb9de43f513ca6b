// A launch: parameters as a form, and always as JSON as well; then options. What is wrong the service says.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { announce, html, RunLink } from "../parts.js";
import { navigate, newKey, post } from "../state.js";
import { texts } from "../texts.js";
import { emptyOf, fits, formOf, initialOf, isRounded, issuesAt, matches, objectOf, unlisted, withValue } from "./schema.js";

/**
 * @param {object} given
 * @param {Api.Definition} given.job
 * @param {Api.Run} [given.origin] the run that is launched again, with its parameters and options
 * @param {() => void} [given.onLaunched]
 */
export function LaunchForm({ job, origin, onLaunched = () => {} }) {
	const words = texts.jobs;
	const draft = useSignal({ typed: origin?.parameters, raw: null }); // Another version keeps it.
	const options = useSignal(origin ? optionsOf(origin, job) : {});
	const problem = useSignal({ message: "", issues: [] });
	const sent = useRef({ body: "", key: "" }); // The same order twice, after a lost answer, is one launch.
	const submit = async (event) => {
		event.preventDefault();
		const parameters = parametersOf(draft.value, job);
		problem.value = { message: parameters ? "" : words.badJson, issues: [] };
		if (!parameters) return;
		try {
			const body = { ...bodyOf(options.value, origin), parameters };
			const text = JSON.stringify(body);
			if (sent.current.body !== text) sent.current = { body: text, key: newKey() };
			const { data } = await post(`/jobs/${job.slug}/run`, body, { "Idempotency-Key": sent.current.key });
			announce(words.launched(data.id));
			onLaunched();
			navigate({ view: "run", id: data.id });
		} catch (error) {
			const message = error instanceof SyntaxError ? words.badContext : error.message;
			problem.value = { message, issues: error.issues ?? [] };
			requestAnimationFrame(() => event.target.querySelector("[aria-invalid]")?.focus()); // Once it is drawn.
		}
	};
	return html`<form class="stack launch" onSubmit=${submit} noValidate>
		${origin && html`<p class="quiet">${words.rerunOf} <${RunLink} id=${origin.id} /></p>`}
		<${ParametersInput} job=${job} draft=${draft.value} onChange=${(changed) => (draft.value = changed)}
			issues=${problem.value.issues} isWrong=${problem.value.message !== ""} />
		<${Options} options=${options} issues=${problem.value.issues} />
		${problem.value.message && html`<p class="problem" role="alert">${problem.value.message}</p>`}
		<div class="actions"><button class="main">${words.launch}</button></div>
	</form>`;
}

// Parameters of a job, by its schema: `typed` is their value, `raw` their JSON while that is what is written.

/** @typedef {{typed?: Record<string, any>, raw: string | null}} ParametersDraft */

/** @param {ParametersDraft} draft @returns {Record<string, any> | null} null where what is written is no JSON object */
export function parametersOf({ typed, raw }, job) {
	if (raw !== null) return objectOf(raw);
	return typed ?? { ...initialOf(formOf(job.parametersSchema)), ...presentValues(job.defaultParameters) };
}

/**
 * @param {object} given
 * @param {Api.Definition} given.job
 * @param {ParametersDraft} given.draft
 * @param {(draft: ParametersDraft) => void} given.onChange
 * @param {{path: string, message: string}[]} given.issues what the service said
 * @param {boolean} given.isWrong
 */
export function ParametersInput({ job, draft, onChange, issues, isWrong }) {
	const words = texts.jobs;
	const form = formOf(job.parametersSchema);
	const hasForm = form.kind === "union" || (form.kind === "object" && form.fields?.length);
	const isRaw = draft.raw !== null || !hasForm;
	const value = parametersOf(draft, job);
	const written = draft.raw ?? JSON.stringify(value, null, 2);
	const isUnread = value === null;
	const show = (asJson) => {
		if (asJson) onChange({ ...draft, raw: written });
		else if (!isUnread) onChange({ typed: value, raw: null });
	};
	return html`
		${hasForm && html`
			<label class="check"><input type="checkbox" checked=${isRaw} disabled=${isUnread} onChange=${({ target }) => show(target.checked)} />${words.raw}</label>
		`}
		${isRaw
			? html`<textarea rows="10" aria-label=${texts.run.parameters} aria-invalid=${isWrong || isUnread ? "true" : undefined}
				value=${written} onInput=${({ target }) => onChange({ ...draft, raw: target.value })}></textarea>`
			: html`<${form.kind === "union" ? UnionInput : Fields} field=${form} value=${value} path="" common=${{ id: "field" }}
				issues=${issues} onChange=${(typed) => onChange({ typed, raw: null })} />`}
		${isRounded(value) && html`<p class="note" role="status">${words.rounded}</p>`}
	`;
}

/** Defaults that are null stand for "to be given". */
function presentValues(defaults) {
	return Object.fromEntries(Object.entries(defaults ?? {}).filter(([, value]) => value !== null));
}

// What a launch may say beside its parameters; what is left empty is as the definition has it.

const NUMBERS = ["delayMs", "timeoutMs", "maxAttempts", "priority", "startDeadlineMs"];

/** @returns {Record<string, string>} the options of a run that is launched again, where they are its own */
function optionsOf(run, job) {
	const { retryOf: _, rerunOf: __, ...context } = run.context ?? {};
	const own = (name, usual) => (run[name] === null || run[name] === undefined || run[name] === usual ? "" : String(run[name]));
	return {
		delayMs: run.scheduledAt > run.createdAt ? String(Date.parse(run.scheduledAt) - Date.parse(run.createdAt)) : "",
		timeoutMs: own("timeoutMs", job.timeoutMs),
		maxAttempts: own("maxAttempts", job.retryPolicy?.maxAttempts ?? 1),
		priority: own("priority", job.priority ?? 0),
		startDeadlineMs: own("startDeadlineMs", job.startDeadlineMs),
		context: Object.keys(context).length > 0 ? JSON.stringify(context, null, 2) : "",
	};
}

/** @throws {SyntaxError} the context is no JSON object */
function bodyOf(options, origin) {
	const numbers = NUMBERS.filter((name) => (options[name] ?? "") !== "").map((name) => [name, Number(options[name])]);
	const context = options.context ? objectOf(options.context) : {};
	if (context === null) throw new SyntaxError("the context is no JSON object");
	if (origin) context.rerunOf = origin.id;
	return { ...Object.fromEntries(numbers), ...(Object.keys(context).length > 0 && { context }) };
}

function Options({ options, issues }) {
	const words = texts.jobs.options;
	const wrong = (name) => issues.filter(({ path }) => path === `/${name}`).map(({ message }) => message);
	const set = (name) => ({ target }) => (options.value = { ...options.value, [name]: target.value });
	const isSet = Object.values(options.value).some(Boolean);
	return html`<details open=${isSet || [...NUMBERS, "context"].some((name) => wrong(name).length > 0)}>
		<summary>${words.title}</summary>
		<div class="options">
			${NUMBERS.map((name) => html`<label key=${name}>
				${words[name]}
				<input type="number" value=${options.value[name] ?? ""} onInput=${set(name)}
					aria-invalid=${wrong(name).length > 0 ? "true" : undefined} />
				${wrong(name).map((message) => html`<span class="problem" key=${message}>${message}</span>`)}
			</label>`)}
			<label>${words.context}<textarea rows="2" value=${options.value.context ?? ""} onInput=${set("context")}></textarea></label>
		</div>
	</details>`;
}

// Fields of a launch form: one for each kind of value, each with what the service said about it.

function Fields({ field, value, path, issues, onChange }) {
	const change = (name) => (changed) => onChange(withValue(value ?? {}, name, changed));
	return html`
		${field.fields.map((one) => html`<${Labelled} key=${one.name} field=${one} value=${value?.[one.name]}
			path=${`${path}/${escaped(one.name)}`} issues=${issues} onChange=${change(one.name)} />`)}
		${unlisted(field, value).map((name) => html`<${Labelled} key=${name} field=${furtherField(name)} value=${value[name]}
			path=${`${path}/${escaped(name)}`} issues=${issues} onChange=${change(name)} />`)}
	`;
}

const escaped = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

const furtherField = (name) => ({ name, title: name, hint: texts.jobs.unlisted, kind: "json", isRequired: false, isNullable: true });

function Labelled({ field, value, path, issues, onChange }) {
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
	// What a field cannot show as it is, is edited as JSON.
	const kind = fits(field, value) ? field.kind : "json";
	const isGroup = ["object", "array", "union"].includes(kind);
	const control = html`<${INPUTS[kind]}
		field=${field} value=${value} path=${path} issues=${issues} common=${common} onChange=${onChange} />`;
	const name = html`<bdi>${field.title}</bdi> ${field.isRequired && html`<small>${texts.jobs.required}</small>`}`;
	return html`<div class="field">
		${isGroup
			? html`<fieldset aria-describedby=${described}><legend>${name}</legend>${control}</fieldset>`
			: html`<label for=${id}>${name}</label>${control}`}
		${field.hint && html`<small id=${`${id}-hint`}>${field.hint}</small>`}
		${wrong.length > 0 && html`<p class="problem" id=${`${id}-wrong`}>${wrong.join("; ")}</p>`}
	</div>`;
}

const INPUTS = {
	string: StringInput,
	integer: NumberInput,
	number: NumberInput,
	boolean: BooleanInput,
	choice: ChoiceInput,
	object: Fields,
	array: ArrayInput,
	union: UnionInput,
	json: JsonInput,
};

const INPUT_TYPES = { date: "date", email: "email", uri: "url" };

function StringInput({ field, value, common, onChange }) {
	const set = ({ target }) => onChange(target.value === "" && !field.isRequired ? undefined : target.value);
	if (field.isSecret)
		return html`<input ...${common} type="password" autocomplete="new-password" value=${value ?? ""} onInput=${set} />`;
	// An input of one line would take out line feeds.
	if (field.isLong || /[\r\n]/.test(value ?? ""))
		return html`<textarea ...${common} class="growing" rows="1" value=${value ?? ""} onInput=${set}></textarea>`;
	if (field.format === "date-time") return html`<${MomentInput} value=${value} common=${common} set=${set} onChange=${onChange} />`;
	const isShown = field.format !== "date" || /^(\d{4}-\d\d-\d\d)?$/.test(value ?? "");
	return html`<input
		...${common} type=${isShown ? INPUT_TYPES[field.format] ?? "text" : "text"} value=${value ?? ""} onInput=${set} />`;
}

/** The text as it is; the picker writes it, in UTC. */
export function MomentInput({ value, common, set, onChange }) {
	const pick = ({ target }) => target.value && onChange(new Date(target.value).toISOString());
	return html`<div class="group">
		<input ...${common} value=${value ?? ""} placeholder="2026-12-24T18:00:00Z" onInput=${set} />
		<input type="datetime-local" step="1" aria-label=${texts.jobs.pick} title=${texts.jobs.pick} onChange=${pick} />
	</div>`;
}

function NumberInput({ field, value, common, onChange }) {
	const set = ({ target }) => onChange(target.value === "" ? undefined : target.valueAsNumber);
	return html`<input
		...${common} type="number" step=${field.kind === "integer" ? 1 : "any"} value=${value ?? ""} onInput=${set} />`;
}

/** A box cannot say that nothing is chosen. */
function BooleanInput(parts) {
	const { field, value, common, onChange } = parts;
	if (value === undefined || value === null)
		return html`<${ChoiceInput} ...${parts} field=${{ ...field, choices: [true, false] }} />`;
	return html`<input ...${common} type="checkbox" checked=${value} onChange=${({ target }) => onChange(target.checked)} />`;
}

function ChoiceInput({ field, value, common, onChange }) {
	const index = field.choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(value));
	const set = ({ target }) => onChange(target.value === "-1" ? undefined : field.choices[Number(target.value)]);
	return html`<select ...${common} value=${index} onChange=${set}>
		${(index < 0 || !field.isRequired) && html`<option value="-1">–</option>`}
		${field.choices.map((choice, at) => html`<option key=${at} value=${at}>${typeof choice === "string" ? choice : JSON.stringify(choice)}</option>`)}
	</select>`;
}

function ArrayInput({ field, value, path, issues, onChange }) {
	const items = value ?? [];
	const set = (at, item) => onChange(items.map((one, index) => (index === at ? item : one)));
	return html`${items.map((item, index) => html`<div class="array-item" key=${index}>
			<${Labelled}
				field=${{ ...field.item, title: `${index + 1}` }} value=${item} path=${`${path}/${index}`}
				issues=${issues} onChange=${(changed) => set(index, changed ?? null)} />
			<button type="button" class="plain" onClick=${() => onChange(items.filter((_, at) => at !== index))}>
				${texts.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${() => onChange([...items, emptyOf(field.item)])}>${texts.jobs.item}</button>`;
}

/** A choice of what it is, and the fields of that. */
function UnionInput({ field, value, path, issues, common, onChange }) {
	const index = field.options.findIndex((option) => matches(option, value));
	// A value under way fits no option yet: it stays with the one that was chosen.
	const chosen = useSignal(index);
	const current = index < 0 ? chosen.value : index;
	const option = field.options[current];
	const choose = ({ target }) => {
		chosen.value = Number(target.value);
		onChange(chosen.value < 0 ? undefined : emptyOf(field.options[chosen.value]));
	};
	return html`
		<select aria-label=${`${field.title} ${texts.jobs.kind}`.trim()} value=${current} onChange=${choose}>
			${(current < 0 || !field.isRequired) && html`<option value="-1">–</option>`}
			${field.options.map(({ title }, at) => html`<option key=${at} value=${at}>${title}</option>`)}
		</select>
		${option && html`<${INPUTS[fits(option, value) ? option.kind : "json"]} key=${current}
			field=${option} value=${value} path=${path} issues=${issues} common=${common} onChange=${onChange} />`}
	`;
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
		defaultValue=${value === undefined ? "" : JSON.stringify(value, null, 2)}></textarea>`;
}
