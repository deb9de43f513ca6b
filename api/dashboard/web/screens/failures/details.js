// Of a group of failures: when its newest failed, as bars over time, and which runs those are.

import { Answered, Empty, html } from "../../parts.js";
import { get, moment, useAnswer } from "../../state.js";
import { duration } from "../../state/times.js";
import { texts } from "../../texts.js";
import { Bars } from "../overview/bars.js";
import { bucketsOf } from "../overview/buckets.js";
import { RunTable } from "../runs/run_table.js";

const NEWEST = 50;
const BARS = 30;
const SHORTEST_MS = 1_000;

export function Details({ group }) {
	const { fingerprint, lastAt } = group;
	const query = [["failureGroup", fingerprint], ["limit", NEWEST], ...moment.value];
	const asked = useAnswer(
		async (signal) => (await get("/job-runs", query, signal)).data.map(({ run }) => run),
		[fingerprint],
		{ newer: [lastAt] },
	);
	return html`<${Answered} asked=${asked}>${(runs) => html`<${Found} runs=${runs} lastAt=${Date.parse(lastAt)} />`}<//>`;
}

function Found({ runs, lastAt }) {
	const words = texts.failures;
	if (runs.length === 0) return html`<${Empty} title=${words.noRuns} hint=${words.noRunsHint} />`;
	const firstAt = Math.min(...runs.map(({ completedAt }) => Date.parse(completedAt)));
	const unit = Math.max((lastAt - firstAt) / (BARS - 1), SHORTEST_MS);
	const buckets = bucketsOf(runs, lastAt, BARS, unit);
	return html`<div class="stack">
		<${Bars} buckets=${buckets} text=${words.trend(runs.length, duration(lastAt - firstAt))}
			told=${({ all }) => words.times(all)} />
		<${RunTable} runs=${runs.slice(0, 10)} isBrief />
	</div>`;
}
