// All jobs: what each is, whether it may start, what limits it.

import { Answered, Empty, html, JobLink, Link, Status, Table, Time } from "../parts.js";
import { all, get, moment, useAnswer, useRefresh } from "../state.js";
import { texts } from "../texts.js";
import { limitsOf } from "./definition.js";

export function Screen() {
	const asked = useAnswer(load, []);
	useRefresh("jobs", asked.again);
	useRefresh("deletedJobs", asked.again);
	useRefresh("failures", asked.again);
	return html`<div class="screen-head"><h1>${texts.jobs.title}</h1></div>
		<${Answered} asked=${asked}>${({ jobs, failing }) => html`<${List} jobs=${jobs} failing=${failing} />`}<//>`;
}

/** All jobs, and how many open groups of failures each has. */
async function load(signal) {
	const [jobs, groups] = await Promise.all([
		get("/jobs", moment.value, signal),
		all("/failures", [["status", "open"], ...moment.value], signal),
	]);
	const failing = new Map();
	for (const { job } of groups) failing.set(job, (failing.get(job) ?? 0) + 1);
	return { jobs: jobs.data, failing };
}

function List({ jobs, failing }) {
	const words = texts.jobs.columns;
	if (jobs.length === 0)
		return html`<${Empty} title=${texts.jobs.empty} hint=${texts.jobs.emptyHint} command=${texts.jobs.emptyCommand} />`;
	const columns = [
		{
			name: "first",
			title: words.job,
			cell: (job) =>
				html`<${JobLink} slug=${job.slug}><strong>${job.name}</strong><//>${" "}
					<small class="id">${job.slug}</small>`,
		},
		{
			name: "state",
			title: words.health,
			cell: (job) => html`<${Health} job=${job} failing=${failing.get(job.slug) ?? 0} />`,
		},
		{ name: "version", title: words.version, cell: ({ version }) => version },
		{ name: "type", title: words.type, cell: ({ type }) => html`<span class="tag">${type}</span>` },
		{ name: "limits", title: words.limits, cell: (job) => html`<small>${limitsOf(job).join(", ") || "–"}</small>` },
		{ name: "updated", title: words.updated, cell: ({ updatedAt }) => html`<${Time} at=${updatedAt} />` },
	];
	return html`<${Table} label=${texts.jobs.title} rows=${jobs} keyOf=${({ slug }) => slug} columns=${columns} />`;
}

function Health({ job, failing }) {
	if (job.paused) return html`<${Status} status="paused" />`;
	if (failing === 0) return html`<${Status} status="ready" label=${texts.schedules.active} />`;
	return html`<${Link} to=${{ view: "failures", words: [["job", job.slug]] }}>
		<${Status} status="failed" label=${texts.jobs.failing(failing)}
	/><//>`;
}
