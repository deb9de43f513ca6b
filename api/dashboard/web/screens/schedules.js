// Schedules: when each launches what, and what became of its last tick.

import { useSignal } from "@preact/signals";

import { Answered, Dialog, Empty, html, into, JobLink, Link, RunLink, Status, Table, Time } from "../parts.js";
import { all, mayAct, moment, post, useAnswer, useJobs, useRefresh, useSettled } from "../state.js";
import { texts } from "../texts.js";
import { inWords } from "./schedule_words.js";

export function Screen() {
	const isCreating = useSignal(false);
	const asked = useAnswer((signal) => all("/schedules", moment.value, signal), []);
	useRefresh("schedules", asked.again);
	const finish = () => {
		isCreating.value = false;
		asked.again();
	};
	return html`<div class="screen-head">
			<h1>${texts.schedules.title}</h1>
			${mayAct.value && html`
				<div class="actions"><button class="main" onClick=${() => (isCreating.value = true)}>${texts.schedules.create}</button></div>
			`}
		</div>
		<${Answered} asked=${asked}>${(schedules) => html`<${List} schedules=${schedules} />`}<//>
		${isCreating.value && html`
			<${Dialog} title=${texts.schedules.create} onClose=${() => (isCreating.value = false)}><${ScheduleForm} onDone=${finish} /><//>
		`}`;
}

function List({ schedules }) {
	const words = texts.schedules.columns;
	if (schedules.length === 0)
		return html`<${Empty}
			title=${texts.schedules.empty} hint=${texts.schedules.emptyHint} command=${texts.schedules.emptyCommand} />`;
	const columns = [
		{
			name: "first",
			title: words.schedule,
			cell: ({ id, job }) =>
				html`<${Link} to=${{ view: "schedule", id }}><strong>${id}</strong><//>${" "}
					<small><${JobLink} slug=${job} /></small>`,
		},
		{ name: "when", title: words.when, cell: (schedule) => inWords(schedule) },
		{
			name: "next",
			title: words.next,
			cell: ({ nextAt, paused }) => paused ? html`<${Status} status="paused" />` : html`<${Time} at=${nextAt} />`,
		},
		{
			name: "last",
			title: words.last,
			cell: ({ lastTick }) =>
				lastTick ? html`<${LastTick} tick=${lastTick} />` : html`<span class="quiet">–</span>`,
		},
	];
	return html`<${Table} label=${texts.schedules.title} rows=${schedules} keyOf=${({ id }) => id} columns=${columns} />`;
}

function LastTick({ tick }) {
	return html`<${Status} status=${tick.outcome} />${" "}
		<small><${Time} at=${tick.dueAt} /></small>${" "}
		${tick.runId ? html`<${RunLink} id=${tick.runId} />` : html`<small>${tick.reason ?? ""}</small>`}`;
}

// A new schedule. What is wrong with it the service says.

const OVERLAPS = ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"];

const NEXT = 3;

function ScheduleForm({ onDone }) {
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
