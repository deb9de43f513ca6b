// The runs that have waited longest.

import { Answered, html, JobLink, RunLink, Time } from "../../parts.js";
import { asOf, get, moment, useAnswer } from "../../state.js";
import { texts } from "../../texts.js";

const EVERY_MS = 5_000;
const MOST = 4;
const NEWEST = 50;

const pageOf = ({ data, meta }) => ({ runs: data.map(({ run }) => run), isAll: !meta?.nextCursor });

export function OldestWaiting() {
	const asked = useAnswer(
		async (signal) => {
			if (asOf.value === "") return pageOf(await get("/job-runs/waiting", [["limit", MOST]], signal));
			// Of the past there is the list alone: the oldest of its newest page.
			const pending = [["status", "pending"], ["limit", NEWEST], ...moment.value];
			const { runs, isAll } = pageOf(await get("/job-runs", pending, signal));
			runs.sort((one, other) => one.scheduledAt.localeCompare(other.scheduledAt));
			return { runs: runs.slice(0, MOST), isAll };
		},
		[],
		{ everyMs: EVERY_MS },
	);
	return html`<section class="card stack">
		<h2>${texts.overview.oldest}</h2>
		<${Answered} asked=${asked} lines=${2}>${(found) => html`<${Waiting} ...${found} />`}<//>
	</section>`;
}

function Waiting({ runs, isAll }) {
	if (runs.length === 0) return html`<p class="quiet">${texts.overview.nothingWaits}</p>`;
	return html`${!isAll && html`<p class="note">${texts.ofNewest(NEWEST)}</p>`}
		<ul class="needs">
			${runs.map((run) => html`<li key=${run.id}>
				<${RunLink} id=${run.id} /> <${JobLink} slug=${run.slug} />
				<small>${texts.runs.dueAt} <${Time} at=${run.scheduledAt} /></small>
			</li>`)}
		</ul>`;
}
