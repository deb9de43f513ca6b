// A schedule that is written, with its next times before one's eyes. What is wrong the service says, beside each field.

/** @import { Children, On } from "../parts.js" */
/** @import { ApiError, Problem } from "../state/api.js" */
/** @import { Amount, Draft } from "./schedule_draft.js" */
/** @import { Issue } from "./schema.js" */

import { signal, useSignal } from "@preact/signals";

import { announce, html } from "../parts.js";
import { navigate, post, problemOf, send, useAnswer, useOwnJobs, useSettled } from "../state.js";
import { duration, zone } from "../state/times.js";
import { texts } from "../texts.js";
import { focusInvalid, MomentInput, ParametersInput, parametersOf } from "./launch_form.js";
import { draftOf, emptyDraft, onItsClock, revisionOf, timesOf, UNIT_NAMES } from "./schedule_draft.js";
import { inWords } from "./schedule_words.js";

/** @type {Api.Schedule["overlap"][]} */
const OVERLAPS = ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"];

/**
 * What has been written and not been saved, by the schedule's id: it outlives a look at another page.
 * @typedef {{draft: import("@preact/signals").Signal<Draft>, before?: Api.Schedule}} Written
 * @type {Map<string, Written>}
 */
const unsaved = new Map();

/** @param {Api.Schedule} [schedule] @returns {Written} */
function writtenOf(schedule) {
	const id = schedule?.id ?? "";
	const kept = unsaved.get(id);
	const isOld = kept && isUntouched(kept) && kept.before?.version !== schedule?.version;
	if (kept && !isOld) return kept;
	const written = { draft: signal(schedule ? draftOf(schedule) : emptyDraft(zone())), before: schedule };
	unsaved.set(id, written);
	return written;
}

/** @param {Written} written */
const isUntouched = ({ draft, before }) => before && JSON.stringify(draft.value) === JSON.stringify(draftOf(before));

/**
 * What the fields show, what is wrong with it, and how to change it.
 * @typedef {{draft: Draft, issues: Issue[], set: (part: Partial<Draft>) => void}} Given
 */

/** @param {{schedule?: Api.Schedule}} props the schedule that is changed; left out for a new one */
export function ScheduleForm({ schedule }) {
	const words = texts.schedules.form;
	const key = schedule?.id ?? "";
	const { draft, before } = writtenOf(schedule);
	const problem = useSignal(/** @type {Pick<ApiError, "message" | "issues">} */ ({ message: "", issues: [] }));
	const jobs = useOwnJobs();
	const written = draft.value.job || jobs.length === 0 ? draft.value : { ...draft.value, job: jobs[0].slug };
	const preview = usePreview(written);
	const issues = [...problem.value.issues, ...(preview.error?.issues ?? [])];
	/** @type {Given["set"]} */
	const set = (part) => {
		draft.value = { ...written, ...part };
		const changed = Object.keys(part).map((name) => `/${PATHS[name] ?? name}`);
		const isOther = (/** @type {Issue} */ { path }) => changed.every((one) => path !== one && !path.startsWith(`${one}/`));
		problem.value = { message: "", issues: problem.value.issues.filter(isOther) };
	};
	const leave = () => {
		unsaved.delete(key);
		navigate(schedule ? { view: "schedule", id: key } : { view: "schedules" });
	};
	const submit = async (/** @type {On<HTMLFormElement>} */ event) => {
		event.preventDefault();
		const job = jobs.find(({ slug }) => slug.toLowerCase() === written.job.toLowerCase());
		const parameters = parametersOf(written.parameters, job);
		try {
			if (!parameters) throw new Error(texts.jobs.badJson);
			const saved = await save(before, { ...timesOf(written), parameters });
			unsaved.delete(key);
			announce(words.saved(saved.id));
			navigate({ view: "schedule", id: saved.id });
		} catch (error) {
			const { code, message, issues = [] } = problemOf(error);
			problem.value = { message, issues: code === "schedule_exists" ? [{ path: "/id", message }] : issues };
			focusInvalid(event.target);
		}
	};
	const given = { draft: written, issues, set };
	return html`<form class="stack" onSubmit=${submit} noValidate>
		${schedule?.owner && html`<p class="note">${words.owned(schedule.owner)}</p>`}
		${schedule && schedule.version !== before?.version && html`<p class="note" role="status">${words.newer(schedule.version)}</p>`}
		<div class="cards">
			<section class="card stack"><h2>${words.what}</h2><${What} ...${given} jobs=${jobs} isNew=${!schedule} isWrong=${problem.value.message === texts.jobs.badJson} /></section>
			<section class="card stack"><h2>${texts.schedules.columns.when}</h2><${When} ...${given} /></section>
			<div class="stack">
				<section class="card stack"><h2>${words.next}</h2><${Preview} draft=${written} ...${preview} /></section>
				<section class="card stack"><h2>${words.rules}</h2><${Rules} ...${given} /></section>
			</div>
		</div>
		${problem.value.message && html`<p class="problem" role="alert">${problem.value.message}</p>`}
		<div class="actions">
			<button class="main">${schedule ? words.save : texts.schedules.create}</button>
			<button type="button" onClick=${leave}>${words.discard}</button>
		</div>
	</form>`;
}

/** Where the API's name of a field is another one. */
/** @type {Record<string, string>} */
const PATHS = { rhythm: "cron", every: "everyMs", catchUp: "catchUpMs", jitter: "jitterMs" };

/** @param {Api.Schedule | undefined} before @param {Record<string, unknown>} spec @returns {Promise<Api.Schedule>} */
async function save(before, spec) {
	if (!before) return (await post("/schedules", spec)).data;
	const changes = revisionOf(before, spec);
	return (await send("PATCH", `/schedules/${before.id}`, changes)).data;
}

/** @typedef {{ticks?: Api.ComingTick[], error: Problem | null}} Times */

/**
 * The next times of what is written, as the service reckons them; asked again while one types.
 * @param {Draft} draft @returns {Times}
 */
function usePreview(draft) {
	const times = useSettled(JSON.stringify(timesOf(draft)));
	const { answer, error } = useAnswer(() => post("/schedules/preview", JSON.parse(times)), [times]);
	return { ticks: answer?.data, error };
}

/** @param {Times & {draft: Draft}} props */
function Preview({ draft, ticks, error }) {
	return html`<div class="stack" role="status">
		<p>${inWords(timesOf(draft))}</p>
		${error && html`<p class="problem">${error.message}</p>`}
		${ticks && html`<${Coming} ticks=${ticks} />`}
	</div>`;
}

/** The next ticks on the clocks of the schedule's zone. @param {{ticks: Api.ComingTick[]}} props */
export function Coming({ ticks }) {
	const words = texts.schedules.form;
	if (ticks.length === 0) return html`<p class="note">${words.never}</p>`;
	return html`<ol class="coming">
		${ticks.map(({ dueAt, firesAt, isExcluded }) => html`<li key=${dueAt}>
			<time datetime=${dueAt}>${onItsClock(dueAt)}</time>${" "}
			${isExcluded && html`<span class="tag">${texts.schedules.excluded}</span>`}
			${Date.parse(firesAt) > Date.parse(dueAt) && html`<small>${words.late(duration(Date.parse(firesAt) - Date.parse(dueAt)))}</small>`}
		</li>`)}
	</ol>`;
}

// The fields, in three groups: what is launched, when, and by which rules.

/** @param {Given & {jobs: Api.Definition[], isNew: boolean, isWrong: boolean}} props */
function What({ draft, issues, set, jobs, isNew, isWrong }) {
	const words = texts.schedules.form;
	const text = (/** @type {"id" | "job"} */ name) => (/** @type {On} */ { target }) => set({ [name]: target.value });
	const job = jobs.find(({ slug }) => slug.toLowerCase() === draft.job.toLowerCase());
	return html`
		${isNew && html`<${Field} name="id" title=${words.name} hint=${words.nameHint} issues=${issues}>
			${(/** @type {Common} */ common) => html`<input ...${common} required maxlength="100" value=${draft.id} onInput=${text("id")} />`}
		<//>`}
		<${Field} name="job" title=${texts.views.job} hint=${jobs.length === 0 ? words.noJobs : ""} issues=${issues}>
			${(/** @type {Common} */ common) => html`<select ...${common} value=${job?.slug} onChange=${text("job")}>
				${!job && draft.job && html`<option>${draft.job}</option>`}
				${jobs.map(({ slug }) => html`<option key=${slug} value=${slug}>${slug}</option>`)}
			</select>`}
		<//>
		${job && html`<fieldset>
			<legend>${texts.run.parameters}</legend>
			<${ParametersInput} key=${job.slug} job=${job} draft=${draft.parameters} issues=${issues} isWrong=${isWrong}
				onChange=${(/** @type {Draft["parameters"]} */ parameters) => set({ parameters })} />
			${wrong(issues, "parameters").map((message) => html`<p class="problem" key=${message}>${message}</p>`)}
		</fieldset>`}
	`;
}

/** @param {Given} props */
function When({ draft, issues, set }) {
	const words = texts.schedules.form;
	const isCron = draft.rhythm === "cron";
	/** @param {string} rhythm @param {string} text */
	const choice = (rhythm, text) => html`<label class="check">
		<input type="radio" name="rhythm" checked=${draft.rhythm === rhythm} onChange=${() => set({ rhythm })} />${text}
	</label>`;
	const keep = (/** @type {keyof Draft} */ name) => (/** @type {unknown} */ value) => set({ [name]: value });
	const text = (/** @type {keyof Draft} */ name) => (/** @type {On} */ { target }) => keep(name)(target.value);
	const moment = (/** @type {"startAt" | "endAt"} */ name) => (/** @type {Common} */ common) =>
		html`<${MomentInput} common=${common} value=${draft[name]} set=${text(name)} onChange=${keep(name)} />`;
	return html`
		<div class="group" role="radiogroup" aria-label=${texts.schedules.columns.when}>
			${choice("cron", words.byCron)}${choice("every", words.byInterval)}
		</div>
		${isCron
			? html`<${Field} name="cron" title=${words.cron} hint=${words.cronHint} issues=${issues}>
				${(/** @type {Common} */ common) => html`<input ...${common} class="id" value=${draft.cron} onInput=${text("cron")} />`}
			<//>`
			: html`<${Span} name="everyMs" also="cron" title=${words.every} value=${draft.every} issues=${issues}
				onChange=${keep("every")} />`}
		<${Field} name="timeZone" title=${texts.schedules.timeZone} hint=${isCron ? "" : words.zoneOfInterval} issues=${issues}>
			${(/** @type {Common} */ common) => html`<input ...${common} list="time-zones" value=${draft.timeZone} onInput=${text("timeZone")} />
				<datalist id="time-zones">${zones().map((name) => html`<option key=${name}>${name}</option>`)}</datalist>`}
		<//>
		<${Field} name="startAt" title=${words.start} hint=${isCron ? "" : words.startOfInterval} issues=${issues}>
			${moment("startAt")}
		<//>
		<${Field} name="endAt" title=${words.end} issues=${issues}>
			${moment("endAt")}
		<//>
		<${Field} name="exclude" title=${words.exclude} hint=${words.excludeHint} issues=${issues}>
			${(/** @type {Common} */ common) => html`
				<textarea ...${common} class="growing" rows="2" value=${draft.exclude} onInput=${text("exclude")}></textarea>
			`}
		<//>
		<${Span} name="jitterMs" title=${words.jitter} hint=${words.jitterHint} value=${draft.jitter} issues=${issues}
			onChange=${keep("jitter")} />
	`;
}

const zones = () => Intl.supportedValuesOf?.("timeZone") ?? [];

/** @param {Given} props */
function Rules({ draft, issues, set }) {
	const words = texts.schedules.form;
	const setPause = (/** @type {On} */ { target }) => set({ pauseOnFailure: target.checked });
	return html`
		<fieldset>
			<legend>${texts.schedules.overlap}</legend>
			${OVERLAPS.map((overlap) => html`<label class="check" key=${overlap}>
				<input type="radio" name="overlap" checked=${draft.overlap === overlap} onChange=${() => set({ overlap })} />
				${overlap.replaceAll("_", " ")}<small>${texts.schedules.overlaps[overlap]}</small>
			</label>`)}
			${wrong(issues, "overlap").map((message) => html`<p class="problem" key=${message}>${message}</p>`)}
		</fieldset>
		<${Span} name="catchUpMs" title=${words.catchUp} hint=${words.catchUpHint} value=${draft.catchUp} issues=${issues}
			onChange=${(/** @type {Amount} */ catchUp) => set({ catchUp })} />
		<label class="check">
			<input type="checkbox" checked=${draft.pauseOnFailure} onChange=${setPause} />
			${words.pauseOnFailure}
		</label>
	`;
}

/** What the service said of a field; of an entry of a list with its number. @param {Issue[]} issues @param {string} name */
function wrong(issues, name) {
	const said = issues.filter(({ path }) => path === `/${name}` || (name === "exclude" && path.startsWith("/exclude/")));
	return [...new Set(said.map(({ path, message }) => {
		const entry = path.split("/")[2];
		return entry === undefined ? message : `${Number(entry) + 1}: ${message}`;
	}))];
}

/**
 * What ties a control to its texts.
 * @typedef {object} Common
 *
 * @typedef {{name: string, also?: string, title: string, hint?: string, issues: Issue[]}} Named
 *   `also` is another field of which something may be wrong here
 *
 * @param {Named & {children: (common: Common) => Children}} props `children` draws the control
 */
function Field({ name, also, title, hint, issues, children }) {
	const said = [...wrong(issues, name), ...(also ? wrong(issues, also) : [])];
	const id = `schedule-${name}`;
	const described = [hint && `${id}-hint`, said.length > 0 && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
	const common = { id, "aria-describedby": described, "aria-invalid": said.length > 0 ? "true" : undefined };
	return html`<div class="field">
		<label for=${id}>${title}</label>
		${children(common)}
		${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}
		${said.length > 0 && html`<p class="problem" id=${`${id}-wrong`}>${said.join("; ")}</p>`}
	</div>`;
}

/** A length of time: a number and its unit. @param {Named & {value: Amount, onChange: (value: Amount) => void}} props */
function Span({ value, onChange, ...rest }) {
	const set = (/** @type {keyof Amount} */ name) => (/** @type {On} */ { target }) => onChange({ ...value, [name]: target.value });
	return html`<${Field} ...${rest}>
		${(/** @type {Common} */ common) => html`<div class="group">
			<input ...${common} class="amount" type="number" min="0" step="any" value=${value.amount} onInput=${set("amount")} />
			<select aria-label=${texts.schedules.form.unitOf(rest.title)} value=${value.unit} onChange=${set("unit")}>
				${UNIT_NAMES.map((unit) => html`<option key=${unit} value=${unit}>${texts.schedules.form.units[unit]}</option>`)}
			</select>
		</div>`}
	<//>`;
}
