// A run: what it is, why it is as it is, what it did with its time, what it printed, all its events.

import { useEffect, useMemo, useRef } from "preact/hooks";

import { announce, Answered, html, JobLink, Status, Tabs } from "../../parts.js";
import { address, get, hadHappened, moment, useAnswer, useNewest, useSettled } from "../../state.js";
import { texts } from "../../texts.js";
import { Actions } from "./actions.js";
import { Causes } from "./causes.js";
import { Data } from "./data.js";
import { Events, MOST_EVENTS } from "./events.js";
import { Facts } from "./facts.js";
import { Log } from "./log.js";
import { STEPS } from "./story/segments.js";
import { Story } from "./story/story.js";

const TABS = { story: Story, log: Log, events: Events, causes: Causes, data: Data };

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(async (signal) => (await get(`/job-runs/${id}`, moment.value, signal)).data, [id]);
	return html`<${Answered} asked=${asked} lines=${8}>${({ run, job }) => html`<${Run} asked=${run} job=${job} />`}<//>`;
}

function Run({ asked, job }) {
	const rows = useMemo(() => [asked], [asked]);
	const [run] = useNewest(rows, "runs", ({ id }) => id);
	const changedAt = useSettled(run.updatedAt);
	const events = useAnswer((signal) => eventsOf(run.id, signal), [run.id], { newer: [changedAt] });
	const { tab } = address.value;
	const told = useRef(run.status);
	useEffect(() => {
		if (told.current !== run.status) announce(texts.run.isNow(run.status));
		told.current = run.status;
	}, [run.status]);
	const Shown = TABS[tab] ?? Story;
	return html`
		<div class="screen-head">
			<div>
				<p class="quiet"><${JobLink} slug=${run.slug}>${job.name}<//></p>
				<h1 class="run-title"><${Status} status=${run.status} /> <span class="id">${run.id}</span></h1>
			</div>
			<${Actions} run=${run} />
		</div>
		<${Progress} run=${run} />
		${run.errorMessage && html`<p class="error-message"><code>${run.errorMessage}</code></p>`}
		<${Facts} run=${run} />
		<${Tabs} tabs=${texts.run.tabs} current=${TABS[tab] ? tab : "story"} />
		<${Answered} asked=${events}>${(known) => html`<${Shown} run=${run} events=${known} />`}<//>
	`;
}

/** What the handler said of how far it is. */
function Progress({ run }) {
	const share = run.metrics?.progress;
	if (run.status !== "running" || typeof share !== "number") return null;
	return html`<progress max="1" value=${share} aria-label=${texts.run.progress}></progress>`;
}

/** Of very many events the first ones, and what became of the run: not how far it said to be. */
async function eventsOf(id, signal) {
	const { data, meta } = await get(`/job-runs/${id}/events`, [["limit", MOST_EVENTS]], signal);
	const query = [["subject", id], ["type", STEPS.join()], ["after", data.at(-1)?.position], ["limit", MOST_EVENTS]];
	const later = meta.nextCursor ? (await get("/events", query, signal)).data : [];
	return [...data, ...later].filter(hadHappened);
}
