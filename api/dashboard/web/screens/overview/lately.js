// How many runs ended in each of the last minutes, and how many of them failed.

import { Answered, html } from "../../parts.js";
import { asOf, get, moment, now, useAnswer, world } from "../../state.js";
import { texts } from "../../texts.js";
import { MOST_KEPT } from "../../state/fold.js";
import { Bars } from "./bars.js";
import { bucketsOf } from "./buckets.js";

const MINUTES = 30;

/** What the API gives at most in a page: beyond that the picture is of the newest runs alone. */
const NEWEST = 50;

export function Lately() {
	const query = [["status", "succeeded,failed,expired,canceled"], ["limit", NEWEST]];
	const asked = useAnswer(
		async (signal) => (await get("/job-runs", [...query, ...moment.value], signal)).data.map(({ run }) => run),
		[],
	);
	return html`<section class="card stack">
		<h2>${texts.overview.throughput}</h2>
		<${Answered} asked=${asked} lines=${2}>${(runs) => html`<${Minutes} asked=${runs} />`}<//>
	</section>`;
}

function Minutes({ asked }) {
	const known = new Map(asked.map((run) => [run.id, run]));
	if (asOf.value === "") world.value.recent.runs.forEach((run, id) => known.set(id, run));
	const ended = [...known.values()].filter(({ completedAt }) => completedAt);
	const minutes = bucketsOf(ended, now.value, MINUTES);
	const isAll = asked.length < NEWEST && known.size < MOST_KEPT;
	const total = minutes.reduce((sum, { all }) => sum + all, 0);
	const failed = minutes.reduce((sum, minute) => sum + minute.failed, 0);
	const told = ({ failed: bad, all, ago }) => texts.overview.failedBar(bad, all, ago);
	return html`<${Bars} buckets=${minutes} text=${texts.overview.ended(total, failed, MINUTES, isAll)} told=${told} />`;
}
