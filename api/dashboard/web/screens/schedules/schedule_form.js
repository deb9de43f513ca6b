// A new schedule. What is wrong with it the service says.

import { useSignal } from "@preact/signals";

import { html, into, Time } from "../../parts.js";
import { post, useAnswer, useJobs, useSettled } from "../../state.js";
import { texts } from "../../texts.js";
import { inWords } from "./words.js";

const OVERLAPS = ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"];

const NEXT = 3;

export function ScheduleForm({ onDone }) {
	const jobs = useJobs();
	const cron = useSignal("0 3 * * *");
	const zone = useSignal(Intl.DateTimeFormat().resolvedOptions().timeZone);
	const problem = useSignal("");
	const words = texts.schedules;
	const submit = async (event) => {
		event.preventDefault();
		const given = new FormData(event.target);
		try {
			const parameters = JSON.parse(given.get("parameters") || "{}");
			await post("/schedules", {
				id: given.get("id"),
				job: given.get("job"),
				cron: cron.value,
				timeZone: zone.value,
				overlap: given.get("overlap"),
				parameters,
			});
			onDone();
		} catch (error) {
			problem.value = error instanceof SyntaxError ? texts.jobs.badJson : error.message;
		}
	};
	return html`<form class="stack" onSubmit=${submit}>
		<label>
			${words.columns.schedule}<input name="id" required maxlength="100" pattern="[A-Za-z0-9][A-Za-z0-9_\\-]*" />
		</label>
		<label>
			${texts.views.job}<select name="job">
				${jobs.map(({ slug }) => html`<option key=${slug}>${slug}</option>`)}
			</select></label>
		<label>${words.columns.when}<input value=${cron.value} onInput=${into(cron)} aria-describedby="cron-words" /></label>
		<div id="cron-words" class="quiet" role="status">
			<p>${inWords({ cron: cron.value, everyMs: null, timeZone: zone.value })}</p>
			<${Coming} cron=${cron.value} timeZone=${zone.value} />
		</div>
		<label>${words.timeZone}<input value=${zone.value} onInput=${into(zone)} /></label>
		<label>
			${words.overlap}<select name="overlap">
				${OVERLAPS.map((one) => html`<option key=${one} value=${one}>${one.replaceAll("_", " ")}</option>`)}
			</select></label>
		<label>
			${texts.run.parameters}<textarea name="parameters" rows="3" placeholder="{}"></textarea>
		</label>
		${problem.value && html`<p class="problem" role="alert">${problem.value}</p>`}
		<div class="actions"><button class="main">${words.create}</button></div>
	</form>`;
}

/** When it would launch next, as the service reckons; asked again while one types. */
function Coming({ cron, timeZone }) {
	const draft = useSettled(JSON.stringify({ cron, timeZone }));
	const { answer, error } = useAnswer(() => post("/schedules/preview", JSON.parse(draft)), [draft]);
	if (error) return html`<p class="problem">${error.message}</p>`;
	return html`<ol>
		${(answer?.data ?? []).slice(0, NEXT).map(({ dueAt }) => html`<li key=${dueAt}><${Time} at=${dueAt} full /></li>`)}
	</ol>`;
}
