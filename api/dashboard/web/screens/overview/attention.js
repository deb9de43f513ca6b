// What needs a person: failing groups, lost workers, paused jobs, runs that no worker takes. Nothing else is alarming.

import { Answered, html, Icon, Link } from "../../parts.js";
import { all, asOf, get, moment, useAnswer, useRefresh } from "../../state.js";
import { texts } from "../../texts.js";

const EVERY_MS = 10_000;

const MOST_GROUPS = 5;
const MOST_UNOFFERED = 10;

export function Attention() {
	const asked = useAnswer(load, [], { everyMs: EVERY_MS });
	useRefresh("failures", asked.again);
	useRefresh("jobs", asked.again);
	return html`<section class="card stack">
		<h2>${texts.overview.attention}</h2>
		<${Answered} asked=${asked} lines=${3}>${(needs) => html`<${Needs} needs=${needs} />`}<//>
	</section>`;
}

async function load(signal) {
	const [groups, workers, unoffered, jobs] = await Promise.all([
		get("/failures", [["status", "open"], ["limit", MOST_GROUPS + 1], ...moment.value], signal),
		// Which workers were lost then is not kept: better nothing than today's.
		asOf.value ? [] : all("/workers", [], signal),
		asOf.value ? { data: [] } : get("/workers/unoffered", [], signal),
		get("/jobs", moment.value, signal),
	]);
	return {
		groups: groups.data.slice(0, MOST_GROUPS),
		hasMore: groups.data.length > MOST_GROUPS,
		lost: workers.filter(({ state }) => state === "lost"),
		unoffered: unoffered.data.slice(0, MOST_UNOFFERED),
		paused: jobs.data.filter(({ paused }) => paused),
	};
}

function Needs({ needs }) {
	const { groups, hasMore, lost, unoffered, paused } = needs;
	const words = texts.overview;
	if (groups.length + lost.length + unoffered.length + paused.length === 0) return html`<p class="quiet">${words.calm}</p>`;
	return html`<ul class="needs">
		${groups.map(({ fingerprint, title, job, count }) => html`<li key=${fingerprint}>
			<${Icon} name="failed" /> <${Link} to=${{ view: "failures", id: fingerprint }}>${title}<//>${" "}
			<small>${job} · ${texts.failures.times(count)}</small>
		</li>`)}
		${hasMore && html`<li><${Link} to=${{ view: "failures" }}>${texts.more}<//></li>`}
		${lost.length > 0 && html`
			<li><${Icon} name="warning" /><${Link} to=${{ view: "workers" }}>${words.lost(lost.length)}<//></li>
		`}
		${unoffered.map(({ slug, entryPoint }) => html`<li key=${`${slug} ${entryPoint}`}>
			<${Icon} name="warning" /><${Link} to=${{ view: "job", id: slug }}>${words.unoffered(slug)}<//>${" "}
			<small>${words.startOne(entryPoint)}</small>
		</li>`)}
		${paused.map(({ slug, paused: pause }) => html`<li key=${slug}>
			<${Icon} name="pause" /><${Link} to=${{ view: "job", id: slug }}>${words.jobPaused(slug)}<//>${" "}
			<small>${pause.reason ?? ""}</small>
		</li>`)}
	</ul>`;
}
