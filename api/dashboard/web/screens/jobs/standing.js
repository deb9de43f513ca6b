// How many runs of a job are in which status, and how far its limit is used up.

import { Answered, html, Link, Status } from "../../parts.js";
import { get, moment, useAnswer, useRefresh } from "../../state.js";
import { STATUSES } from "../../state/filters.js";
import { number, texts } from "../../texts.js";

export function Standing({ job }) {
	const { slug } = job;
	const load = (signal) => get("/job-runs/counts", [["job", slug], ...moment.value], signal);
	const asked = useAnswer(load, [slug]);
	useRefresh("runs", asked.again, (runs) => [...runs.values()].some((run) => run.slug === slug));
	return html`<${Answered} asked=${asked} lines=${1}>${({ data }) => html`<${Counts} counts=${data} job=${job} />`}<//>`;
}

function Counts({ counts, job }) {
	const { slug, maxConcurrentRuns: most } = job;
	const used = texts.jobs.used(counts.running, most);
	const words = (status) => [["job", slug], ["status", status]];
	return html`<ul class="standing">
		${STATUSES.map((status) => html`<li key=${status}>
			<${Link} to=${{ view: "runs", words: words(status) }}><${Status} status=${status} /><//> ${number(counts[status])}
		</li>`)}
		${most && html`<li>
			<meter min="0" max=${most} value=${counts.running} aria-label=${used}></meter> <small>${used}</small>
		</li>`}
	</ul>`;
}
