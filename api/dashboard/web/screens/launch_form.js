// A launch: parameters as a form, and always as JSON as well; then options. What is wrong the service says.

/** @import { On } from "../parts.js" */
/** @import { ApiError } from "../state/api.js" */
/** @import { Launch } from "./commands.js" */
/** @import { Field, Issue } from "./schema.js" */

import { signal, useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";

import { announce, html, RunLink } from "../parts.js";
import { navigate, newKey, post, problemOf } from "../state.js";
import { texts } from "../texts.js";
import {
	emptied, emptyOf, fits, formOf, hasSecret, initialOf, isRounded, issuesAt, objectOf, optionOf, unlisted, withValue,
} from "./schema.js";

/**
 * The run that is launched again, with the parameters, options and context of its own launch.
 * @typedef {Api.Run & {delayMs: number | null, startDeadlineMs: number | null}} Origin
 */

/** @typedef {{draft: ParametersDraft, options: Options}} Written */

const wide = matchMedia("(min-width: 1100px)");

/** Whether fields and JSON fit beside each other. */
const isWide = signal(wide.matches);

wide.addEventListener("change", () => (isWide.value = wide.matches));

/** What has been written and not been launched, by what is launched: it outlives a look at another page. */
const unsaved = signal(/** @type {Map<string, Written>} */ (new Map()));

/** The order that was sent last, and not accepted: sent again, after a lost answer, it is one launch. */
let sent = { order: "", key: "" };

/** @param {{job: Api.Definition, origin?: Origin, onLaunched?: () => void}} props */
export function LaunchForm({ job, origin, onLaunched = () => {} }) {
	const words = texts.jobs;
	const form = `${job.slug} ${origin?.id ?? ""}`;
	const problem = useSignal(/** @type {Pick<ApiError, "message" | "issues">} */ ({ message: "", issues: [] }));
	const writtenNow = () => unsaved.value.get(form) ?? beginningOf(job, origin);
	const { draft, options } = writtenNow();
	const erased = erasedIn(origin?.parameters ?? {});
	/** @param {Partial<Written>} part */
	const keep = (part) => (unsaved.value = new Map(unsaved.value).set(form, { ...writtenNow(), ...part }));
	const forget = () => (unsaved.value = new Map([...unsaved.value].filter(([one]) => one !== form)));
	const discard = () => {
		forget();
		problem.value = { message: "", issues: [] };
	};
	const submit = async (/** @type {On<HTMLFormElement>} */ event) => {
		event.preventDefault();
		const parameters = parametersOf(draft, job);
		problem.value = { message: parameters ? "" : words.badJson, issues: [] };
		if (!parameters) return;
		try {
			const { path, body } = orderOf(job, { ...bodyOf(options), parameters }, origin);
			const order = `${path} ${JSON.stringify(body)}`;
			if (sent.order !== order) sent = { order, key: newKey() };
			const { data } = await post(path, body, { "Idempotency-Key": sent.key });
			sent = { order: "", key: "" };
			forget();
			announce(words.launched(data.id));
			onLaunched();
			navigate({ view: "run", id: data.id });
		} catch (error) {
			const { message, issues = [] } = problemOf(error);
			problem.value = { message: error instanceof SyntaxError ? words.badContext : message, issues };
			focusInvalid(event.target);
		}
	};
	return html`<form class="stack launch" onSubmit=${submit} noValidate>
		${origin && html`<p class="quiet">${words.rerunOf} <${RunLink} id=${origin.id} /></p>`}
		${erased.length > 0 && html`<p class="note">${words.erased} ${erased.map((name) => html`<code key=${name}>${name}</code> `)}</p>`}
		<${ParametersInput} job=${job} draft=${draft} onChange=${(/** @type {ParametersDraft} */ changed) => keep({ draft: changed })}
			issues=${problem.value.issues} isWrong=${problem.value.message !== ""} showsBoth=${isWide.value} />
		<${OptionsInput} options=${options} onChange=${(/** @type {Options} */ changed) => keep({ options: changed })}
			issues=${problem.value.issues} />
		${problem.value.message && html`<p class="problem" role="alert">${problem.value.message}</p>`}
		<div class="actions">
			<button class="main">${words.launch}</button>
			${unsaved.value.has(form) && html`<button type="button" onClick=${discard}>${words.discard}</button>`}
		</div>
	</form>`;
}

/** @param {Api.Definition} job @param {Origin} [origin] @returns {Written} */
const beginningOf = (job, origin) =>
	({ draft: { typed: origin && withoutErased(origin.parameters), raw: null }, options: origin ? optionsOf(origin, job) : {} });

// What a run had whose personal data were erased: that is gone, and the mark that stands for it must not be launched.

const ERASED = "[erased]";

/** @param {Record<string, unknown>} parameters */
const erasedIn = (parameters) => Object.keys(parameters).filter((name) => parameters[name] === ERASED);

/** @param {Record<string, unknown>} parameters */
const withoutErased = (parameters) =>
	Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== ERASED));

/** Go to the first field with which something is wrong, once it is drawn. @param {HTMLFormElement} form */
export const focusInvalid = (form) =>
	requestAnimationFrame(() => /** @type {HTMLElement | null} */ (form.querySelector("[aria-invalid]"))?.focus());

// Parameters of a job, by its schema: `typed` is their value, `raw` their JSON while that is what is written. Fields and
// JSON stand beside each other, and follow each other, or there is a switch between them.

/** @typedef {{typed?: Record<string, any>, raw: string | null}} ParametersDraft */

/**
 * @param {ParametersDraft} draft @param {Api.Definition} [job]
 * @returns {Record<string, any> | null} null where what is written is no JSON object
 */
export function parametersOf({ typed, raw }, job) {
	if (raw !== null) return objectOf(raw);
	return typed ?? { ...initialOf(formOf(job?.parametersSchema)), ...presentValues(job?.defaultParameters) };
}

/**
 * @param {{job: Api.Definition, draft: ParametersDraft, onChange: (draft: ParametersDraft) => void, issues: Issue[],
 *   isWrong: boolean, showsBoth?: boolean}} props `issues`: what the service said
 */
export function ParametersInput({ job, draft, onChange, issues, isWrong, showsBoth = false }) {
	const words = texts.jobs;
	const form = useMemo(() => formOf(job.parametersSchema), [job.parametersSchema]);
	const hasForm = form.kind === "union" || (form.kind === "object" && form.fields?.length);
	const value = parametersOf(draft, job);
	const isUnread = value === null;
	const isBeside = showsBoth && hasForm && !hasSecret(form);
	const isRaw = draft.raw !== null || !hasForm;
	const written = draft.raw ?? JSON.stringify(value, null, 2);
	const write = (/** @type {On} */ { target }) =>
		onChange({ typed: objectOf(target.value) ?? value ?? draft.typed, raw: target.value });
	const fill = (/** @type {Record<string, any>} */ typed) => onChange({ typed, raw: null });
	const show = (/** @type {On} */ { target }) => {
		if (target.checked) onChange({ ...draft, raw: written });
		else if (!isUnread) fill(value);
	};
	const isInvalid = isUnread || (isWrong && !isBeside);
	const json = html`<textarea rows="10" aria-label=${texts.run.parameters} aria-invalid=${isInvalid ? "true" : undefined}
		value=${written} onInput=${write}></textarea>`;
	// Meanwhile what is no JSON yet, the fields show what it was before: to write there would throw it away.
	const fields = html`<fieldset class="plain-group" disabled=${isUnread}>
		<${form.kind === "union" ? UnionInput : Fields} field=${form} value=${value ?? draft.typed} path="" common=${{ id: "field" }}
			issues=${issues} onChange=${fill} />
	</fieldset>`;
	return html`
		${isBeside
			? html`<div class="beside">
				${fields}
				<div class="as-json"><span class="quiet">${words.raw}</span>${json}${isUnread && !isWrong && html`<p class="problem">${words.badJson}</p>`}</div>
			</div>`
			: html`
				${hasForm && html`
					<label class="check"><input type="checkbox" checked=${isRaw} disabled=${isUnread} onChange=${show} />${words.raw}</label>
				`}
				${isRaw ? json : fields}
			`}
		${isRounded(value) && html`<p class="note" role="status">${words.rounded}</p>`}
	`;
}

/** Defaults that are null stand for "to be given". @param {Record<string, unknown> | undefined} defaults */
function presentValues(defaults) {
	return Object.fromEntries(Object.entries(defaults ?? {}).filter(([, value]) => value !== null));
}

// What a launch may say beside its parameters; what is left empty is as the definition has it.

const NUMBERS = /** @type {const} */ (["delayMs", "timeoutMs", "maxAttempts", "priority", "startDeadlineMs"]);

/** As they are written, by their names. @typedef {Record<string, string>} Options */

/**
 * @param {Origin} run @param {Api.Definition} job
 * @returns {Options} the options of a run that is launched again, where they are its own
 */
function optionsOf(run, job) {
	const { retryOf: _, rerunOf: __, ...context } = run.context ?? {};
	/** @param {number | null | undefined} value @param {number | null} usual */
	const own = (value, usual) => (value === null || value === undefined || value === usual ? "" : String(value));
	return {
		delayMs: own(run.delayMs, 0),
		timeoutMs: own(run.timeoutMs, job.timeoutMs),
		maxAttempts: own(run.maxAttempts, job.retryPolicy?.maxAttempts ?? 1),
		priority: own(run.priority, job.priority ?? 0),
		startDeadlineMs: own(run.startDeadlineMs, job.startDeadlineMs),
		context: Object.keys(context).length > 0 ? JSON.stringify(context, null, 2) : "",
	};
}

/** @param {Options} options @returns {Record<string, any>} @throws {SyntaxError} the context is no JSON object */
function bodyOf(options) {
	const numbers = NUMBERS.filter((name) => (options[name] ?? "") !== "").map((name) => [name, Number(options[name])]);
	const context = options.context ? objectOf(options.context) : {};
	if (context === null) throw new SyntaxError("the context is no JSON object");
	return { ...Object.fromEntries(numbers), ...(Object.keys(context).length > 0 && { context }) };
}

/** A retry has what its origin had: null says that it shall be as the job has it. */
const AS_THE_JOB_HAS_IT = Object.fromEntries([...NUMBERS, "context"].map((name) => [name, null]));

/**
 * Where a launch is sent, and what. What has ended is repeated by the service itself, which knows from then on that both
 * belong together; while it has not, another run is launched beside it, and merely names it.
 * @param {Api.Definition} job @param {Record<string, any>} body @param {Origin} [origin]
 * @returns {{path: string, body: Record<string, any>}}
 */
function orderOf(job, body, origin) {
	if (origin?.completedAt) return { path: `/job-runs/${origin.id}/retry`, body: { ...AS_THE_JOB_HAS_IT, ...body } };
	const context = origin && { context: { ...body.context, rerunOf: origin.id } };
	return { path: `/jobs/${job.slug}/run`, body: { ...body, ...context } };
}

/** @param {Api.Definition} job @param {Origin} origin @returns {Launch} the launch of a run, as the form begins with it */
export const launchOf = (job, origin) =>
	({ slug: job.slug, body: { parameters: withoutErased(origin.parameters), ...bodyOf(optionsOf(origin, job)) } });

/** @param {{options: Options, onChange: (options: Options) => void, issues: Issue[]}} props */
function OptionsInput({ options, onChange, issues }) {
	const words = texts.jobs.options;
	const wrong = (/** @type {string} */ name) => issues.filter(({ path }) => path === `/${name}`).map(({ message }) => message);
	const set = (/** @type {string} */ name) => (/** @type {On} */ { target }) =>
		onChange({ ...options, [name]: target.value });
	const isOpen = useSignal(Object.values(options).some(Boolean));
	const toggle = (/** @type {On<HTMLDetailsElement>} */ { target }) => (isOpen.value = target.open);
	return html`<details open=${isOpen.value || [...NUMBERS, "context"].some((name) => wrong(name).length > 0)} onToggle=${toggle}>
		<summary>${words.title}</summary>
		<div class="options">
			${NUMBERS.map((name) => html`<label key=${name}>
				${words[name]}
				<input type="number" value=${options[name] ?? ""} onInput=${set(name)}
					aria-invalid=${wrong(name).length > 0 ? "true" : undefined} />
				${wrong(name).map((message) => html`<span class="problem" key=${message}>${message}</span>`)}
			</label>`)}
			<label>${words.context}<textarea rows="2" value=${options.context ?? ""} onInput=${set("context")}></textarea></label>
		</div>
	</details>`;
}

// Fields of a launch form: one for each kind of value, each with what the service said about it.

/**
 * What each of them gets: `common` ties the control to its texts.
 * @typedef {{field: Field, value: any, path: string, issues: Issue[], common: {id: string, [attribute: string]: any},
 *   onChange: (value: any) => void}} Input
 */

/** @param {Input} props */
function Fields({ field, value, path, issues, onChange }) {
	const change = (/** @type {string} */ name) => (/** @type {unknown} */ changed) => onChange(withValue(value ?? {}, name, changed));
	return html`
		${(field.fields ?? []).map((one) => html`<${Labelled} key=${one.name} field=${one} value=${value?.[one.name]}
			path=${`${path}/${escaped(one.name)}`} issues=${issues} onChange=${change(one.name)} />`)}
		${unlisted(field, value).map((name) => html`<${Labelled} key=${name} field=${furtherField(name)} value=${value[name]}
			path=${`${path}/${escaped(name)}`} issues=${issues} onChange=${change(name)} />`)}
	`;
}

const escaped = (/** @type {string} */ name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

/** @param {string} name @returns {Field} */
const furtherField = (name) =>
	({ name, title: name, hint: texts.jobs.unlisted, kind: "json", isRequired: false, isNullable: true });

/** @param {Omit<Input, "common">} props */
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
	// What a field cannot show as it is, is edited as JSON. While one writes, it stays what it is, whatever fits meanwhile.
	const shown = useRef({ value, kind: fits(field, value) ? field.kind : "json" });
	if (shown.current.value !== value) shown.current = { value, kind: fits(field, value) ? field.kind : "json" };
	const { kind } = shown.current;
	const change = (/** @type {unknown} */ changed) => {
		shown.current = { value: changed, kind };
		onChange(changed);
	};
	const isGroup = ["object", "array", "union"].includes(kind);
	const control = html`<${INPUTS[kind]}
		field=${field} value=${value} path=${path} issues=${issues} common=${common} onChange=${change} />`;
	const name = html`<bdi>${field.title}</bdi> ${field.isRequired && html`<small>${texts.jobs.required}</small>`}`;
	return html`<div class="field">
		${isGroup
			? html`<fieldset aria-describedby=${described}><legend>${name}</legend>${control}</fieldset>`
			: html`<label for=${id}>${name}</label>${control}`}
		${field.hint && html`<small id=${`${id}-hint`}>${field.hint}</small>`}
		${wrong.length > 0 && html`<p class="problem" id=${`${id}-wrong`}>${wrong.join("; ")}</p>`}
	</div>`;
}

/** @type {Record<string, (props: Input) => any>} */
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

/** @type {Record<string, string>} */
const INPUT_TYPES = { date: "date", email: "email", uri: "url" };

/** @param {Input} props */
function StringInput({ field, value, common, onChange }) {
	const set = (/** @type {On} */ { target }) => onChange(target.value === "" ? emptied(field) : target.value);
	if (field.isSecret)
		return html`<input ...${common} type="password" autocomplete="new-password" value=${value ?? ""} onInput=${set} />`;
	// An input of one line would take out line feeds.
	if (field.isLong || /[\r\n]/.test(value ?? ""))
		return html`<textarea ...${common} class="growing" rows="1" value=${value ?? ""} onInput=${set}></textarea>`;
	if (field.format === "date-time") return html`<${MomentInput} value=${value} common=${common} set=${set} onChange=${onChange} />`;
	const isShown = field.format !== "date" || /^(\d{4}-\d\d-\d\d)?$/.test(value ?? "");
	return html`<input
		...${common} type=${isShown ? INPUT_TYPES[field.format ?? ""] ?? "text" : "text"} value=${value ?? ""} onInput=${set} />`;
}

/**
 * The text as it is; the picker writes it, in UTC.
 * @param {Pick<Input, "value" | "common" | "onChange"> & {set: (event: On) => void}} props
 */
export function MomentInput({ value, common, set, onChange }) {
	const pick = (/** @type {On} */ { target }) => target.value && onChange(new Date(target.value).toISOString());
	return html`<div class="group">
		<input ...${common} value=${value ?? ""} placeholder="2026-12-24T18:00:00Z" onInput=${set} />
		<input type="datetime-local" step="1" aria-label=${texts.jobs.pick} title=${texts.jobs.pick} onChange=${pick} />
	</div>`;
}

/** @param {Input} props */
function NumberInput({ field, value, common, onChange }) {
	const set = (/** @type {On} */ { target }) => onChange(target.value === "" ? emptied(field) : target.valueAsNumber);
	return html`<input
		...${common} type="number" step=${field.kind === "integer" ? 1 : "any"} value=${value ?? ""} onInput=${set} />`;
}

/** A box cannot say that nothing is chosen. @param {Input} props */
function BooleanInput(props) {
	const { field, value, common, onChange } = props;
	if (value === undefined || value === null)
		return html`<${ChoiceInput} ...${props} field=${{ ...field, choices: [true, false] }} />`;
	const set = (/** @type {On} */ { target }) => onChange(target.checked);
	return html`<input ...${common} type="checkbox" checked=${value} onChange=${set} />`;
}

/** @param {Input} props */
function ChoiceInput({ field: { choices = [], isRequired }, value, common, onChange }) {
	const index = choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(value));
	const set = (/** @type {On} */ { target }) => onChange(target.value === "-1" ? undefined : choices[Number(target.value)]);
	return html`<select ...${common} value=${index} onChange=${set}>
		${(index < 0 || !isRequired) && html`<option value="-1">–</option>`}
		${choices.map((choice, at) => html`
			<option key=${at} value=${at}>${typeof choice === "string" ? choice : JSON.stringify(choice)}</option>
		`)}
	</select>`;
}

/** @param {Input} props */
function ArrayInput({ field, value, path, issues, onChange }) {
	const itemField = /** @type {Field} */ (field.item);
	/** @type {unknown[]} */
	const items = value ?? [];
	/** @param {number} at @param {unknown} item */
	const set = (at, item) => onChange(items.map((one, index) => (index === at ? item : one)));
	return html`${items.map((item, index) => html`<div class="array-item" key=${index}>
			<${Labelled}
				field=${{ ...itemField, title: `${index + 1}` }} value=${item} path=${`${path}/${index}`}
				issues=${issues} onChange=${(/** @type {unknown} */ changed) => set(index, changed)} />
			<button type="button" class="plain" onClick=${() => onChange(items.filter((_, at) => at !== index))}>
				${texts.jobs.remove}
			</button>
		</div>`)}
		<button type="button" onClick=${() => onChange([...items, emptyOf(itemField)])}>${texts.jobs.item}</button>`;
}

/** A choice of what it is, and the fields of that. @param {Input} props */
function UnionInput({ field, value, path, issues, common, onChange }) {
	const { options = [] } = field;
	// A value under way may fit no option: it stays with the one that it was of.
	const chosen = useRef(-1);
	chosen.current = optionOf(field, value, chosen.current);
	const current = chosen.current;
	const option = options[current];
	const left = useRef(/** @type {Map<number, unknown>} */ (new Map())); // What was written as another kind.
	const choose = (/** @type {On<HTMLSelectElement>} */ { target }) => {
		left.current.set(current, value);
		chosen.current = Number(target.value);
		const before = left.current.get(chosen.current);
		onChange(chosen.current < 0 ? undefined : before ?? emptyOf(options[chosen.current]));
	};
	return html`
		<select aria-label=${`${field.title} ${texts.jobs.kind}`.trim()} value=${current} onChange=${choose}>
			${(current < 0 || !field.isRequired) && html`<option value="-1">–</option>`}
			${options.map(({ title }, at) => html`<option key=${at} value=${at}>${title}</option>`)}
		</select>
		${option && html`<${INPUTS[fits(option, value) ? option.kind : "json"]} key=${current}
			field=${option} value=${value} path=${path} issues=${issues} common=${common} onChange=${onChange} />`}
	`;
}

/** For what has no field of its own; what is no JSON is a text, which is said. @param {Input} props */
function JsonInput({ value, common, onChange }) {
	const json = jsonOf(value);
	const written = useRef({ json, text: json });
	// Another value than that of the text is one of its own, such as that of an item that moved here.
	if (written.current.json !== json) written.current = { json, text: json };
	const { text } = written.current;
	const write = (/** @type {On} */ { target }) => {
		const read = readJson(target.value);
		written.current = { json: jsonOf(read), text: target.value };
		onChange(read);
	};
	return html`<textarea ...${common} rows="3" value=${text} onInput=${write}></textarea>
		${value === text && text !== "" && html`<small>${texts.jobs.asText}</small>`}`;
}

/** @param {unknown} value */
const jsonOf = (value) => JSON.stringify(value, null, 2) ?? "";

/** @param {string} text @returns {unknown} undefined for nothing */
function readJson(text) {
	try {
		return JSON.parse(text);
	} catch {
		return text === "" ? undefined : text;
	}
}
