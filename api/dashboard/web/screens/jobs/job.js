// A job: its newest runs and how long they took, what limits it, its definition; pause, resume, launch.

import { Answered, html, Json, Link, Pausing, Status, Tabs, Time } from "../../parts.js";
import { address, asOf, get, moment, navigate, useAnswer, useNewest, useRefresh } from "../../state.js";
import { duration } from "../../state/times.js";
import { texts } from "../../texts.js";
import { RunTable } from "../runs/run_table.js";
import { Durations } from "./durations.js";
import { LaunchForm } from "./launch_form.js";
import { limitsOf } from "./limits.js";
import { Revision } from "./revision.js";
import { Standing } from "./standing.js";
import { Versions } from "./versions.js";

const MOST_RUNS = 50;

const TABS = { runs: Runs, launch: Launch, definition: Definition, versions: Versions, revise: Revising };

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(
		async (signal) => (await get(`/jobs/${id}`, [["limit", MOST_RUNS], ...moment.value], signal)).data,
		[id],
	);
	const { job, runs } = asked.answer ?? { runs: [] };
	useRefresh("jobs", asked.again, (jobs) => jobs.has(job?.slug));
	useRefresh("runs", asked.again, (recent) =>
		[...recent.values()].some(
			({ slug, createdAt, id: run }) =>
				slug === job?.slug && createdAt >= (runs[0]?.createdAt ?? "") && runs.every((one) => one.id !== run),
		),
	);
	return html`<${Answered} asked=${asked} lines=${8}>
		${(answer) => html`<${Job} job=${answer.job} runs=${answer.runs} again=${asked.again} />`}
	<//>`;
}

function Job({ job, runs, again }) {
	const { tab } = address.value;
	const Shown = TABS[tab] ?? Runs;
	return html`<div class="screen-head">
			<div>
				<h1>${job.name}</h1>
				<p class="quiet">
					<span class="id">${job.slug}</span> · ${texts.jobs.columns.version.toLowerCase()} ${job.version}
				</p>
			</div>
			${!asOf.value && html`<div class="actions">
				<${Pausing} paused=${job.paused} name=${job.slug} path=${`/jobs/${job.slug}`} text=${texts.jobs.pauseText} again=${again} />
				<button class="main" onClick=${() => navigate({ view: "job", id: job.slug, tab: "launch" })}>
					${texts.jobs.launch}
				</button>
			</div>`}
		</div>
		${job.metadata?.description && html`<p>${job.metadata.description}</p>`}
		${job.paused && html`
			<p class="note"><${Status} status="paused" /> <${Time} at=${job.paused.at} /> · ${job.paused.by} ${job.paused.reason && `· ${job.paused.reason}`}</p>
		`}
		<${Standing} job=${job} />
		<${Tabs} tabs=${texts.jobs.tabs} current=${TABS[tab] ? tab : "runs"} />
		<${Shown} job=${job} runs=${runs} again=${again} />`;
}

function Runs({ job, runs }) {
	const newest = useNewest(runs, "runs", ({ id }) => id);
	return html`<section class="card stack">
			<h2>${texts.jobs.durations}</h2>
			<${Durations} runs=${newest} />
		</section>
		<div class="screen-head">
			<h2>${texts.jobs.runs}</h2>
			<div class="actions"><${Link} to=${{ view: "runs", words: [["job", job.slug]] }}>${texts.runs.title}<//></div>
		</div>
		<${RunTable} runs=${newest} isOfOneJob />`;
}

function Launch({ job }) {
	if (asOf.value) return html`<p class="note">${texts.past.noActions}</p>`;
	return html`<section class="card"><${LaunchForm} job=${job} key=${job.slug} /></section>`;
}

function Revising({ job, again }) {
	return html`<${Revision} job=${job} again=${again} key=${job.version} />`;
}

function Definition({ job }) {
	const limits = limitsOf(job);
	return html`<dl class="facts card">
			<div><dt>${texts.jobs.entryPoint}</dt><dd><code>${job.entryPoint}</code></dd></div>
			<div><dt>${texts.jobs.limits}</dt><dd>${limits.join(", ") || texts.none}</dd></div>
			<div><dt>${texts.run.facts.timeout}</dt><dd>${duration(job.timeoutMs)}</dd></div>
		</dl>
		<div class="cards">
			<section class="card">
				<h2>${texts.jobs.schema}</h2>
				<${Json} value=${job.parametersSchema} label=${texts.jobs.schema} />
			</section>
			<section class="card">
				<h2>${texts.jobs.definition}</h2>
				<${Json} value=${job} label=${texts.jobs.definition} />
			</section>
		</div>`;
}
