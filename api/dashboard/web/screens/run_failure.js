// Why a run failed, at a glance: what was raised and where, what it printed last, with what it was launched, by whom
// else it happened, and what was launched to repeat it.

import { useEffect, useRef } from "preact/hooks";

import { Answered, html, Json, Link, RunLink, Status, Time } from "../parts.js";
import { asOf, get, text, useAnswer } from "../state.js";
import { texts } from "../texts.js";
import { Printed } from "./run_log.js";
import { ownFrames, shortPath } from "./traceback.js";

/** In these statuses a failure was the end of a run. */
export const FAILED = ["failed", "expired"];

const LAST_LINES = 50;

/** How often the runs that repeat it are looked at, and a group that is noted a moment later. */
const EVERY_MS = 5_000;

/** @import { Asked } from "../state/loading.js" */

/**
 * @param {{run: Api.Run, related: Asked<Api.RelatedRuns>, worker?: string}} props `worker`: whose attempt the last one was
 */
export function Failure({ run, related, worker }) {
	const stack = run.context?.stack;
	return html`<section class="card stack failure" aria-label=${texts.run.failed.title}>
		<h2>${texts.run.failed.title} <code class="quiet">${run.failureReason}</code></h2>
		${run.errorMessage && html`<p class="error-message" tabindex="0"><code>${run.errorMessage}</code></p>`}
		<div class="cards">
			${typeof stack === "string" && html`<${Traceback} stack=${stack} />`}
			<${Around} run=${run} related=${related} worker=${worker} />
		</div>
		<${LastLines} run=${run} />
		<div>
			<h3>${texts.run.parameters}</h3>
			<${Json} value=${run.parameters} label=${texts.run.parameters} />
		</div>
	</section>`;
}

/** @param {{stack: string}} props */
function Traceback({ stack }) {
	const words = texts.run.failed;
	const own = ownFrames(stack);
	return html`<div class="stack">
		${own.length > 0 && html`<h3>${words.own}</h3>
			<ol class="frames">
				${own.map(({ file, line, name, code }, place) => html`<li key=${place}>
					<span title=${file}>${shortPath(file)}:${line}</span> <span class="quiet">${words.inside(name)}</span>
					${code && html`<pre><code>${code}</code></pre>`}
				</li>`)}
			</ol>
		`}
		<details open=${own.length === 0}>
			<summary>${words.traceback}</summary>
			<pre class="json" tabindex="0"><code>${stack}</code></pre>
		</details>
	</div>`;
}

/** @param {{run: Api.Run}} props */
function LastLines({ run }) {
	const words = texts.run.failed;
	const asked = useAnswer((signal) => lastLines(run, signal), [run.id, run.attempt]);
	return html`<div>
		<h3>${words.lastLines} · <${Link} to=${{ view: "run", id: run.id, tab: "log" }}>${words.wholeLog}<//></h3>
		<${Answered} asked=${asked} lines=${3}>
			${(/** @type {string} */ lines) => (lines ? html`<${End} lines=${lines} />` : html`<p class="quiet">${texts.run.log.empty}</p>`)}
		<//>
	</div>`;
}

/** Seen from its end: there is what was printed last. @param {{lines: string}} props */
function End({ lines }) {
	const box = useRef(/** @type {HTMLElement | null} */ (null));
	useEffect(() => {
		box.current?.scrollTo(0, box.current.scrollHeight);
	}, [lines]);
	return html`<pre class="json" tabindex="0" ref=${box}><code><${Printed} text=${lines} /></code></pre>`;
}

/** @param {Api.Run} run @param {AbortSignal} signal */
async function lastLines({ id, attempt }, signal) {
	if (attempt === 0) return "";
	/** @type {string[]} */
	const pieces = [];
	const query = [["attempt", attempt], ["last", LAST_LINES]];
	for await (const { piece } of text(`/job-runs/${id}/logs`, query, signal)) pieces.push(piece);
	return pieces.join("").trimEnd();
}

/**
 * A worker, which leads to what else ran there.
 * @param {{worker: string}} props
 */
export const RunsOfWorker = ({ worker }) =>
	html`<${Link} to=${{ view: "runs", words: [["worker", worker]] }}><code>${worker}</code><//>`;

/**
 * What it has to do with: its worker, others that failed so, and what was launched to repeat it.
 * @param {{run: Api.Run, related: Asked<Api.RelatedRuns>, worker?: string}} props
 */
function Around({ run, related, worker }) {
	const words = texts.run.failed;
	return html`<div class="stack">
		${worker && html`<p>${texts.run.worker}: <${RunsOfWorker} worker=${worker} /></p>`}
		${asOf.value ? html`<p class="note">${texts.past.notHere}</p>` : html`<${Since} run=${run} related=${related} />`}
		<p>
			<${Link} to=${{ view: "runs", words: [["job", run.slug], ["status", "failed,expired"]] }}>${words.others(run.slug)}<//>
		</p>
	</div>`;
}

/** @param {{run: Api.Run, related: Asked<Api.RelatedRuns>}} props */
function Since({ run, related }) {
	const words = texts.run.failed;
	const content = (/** @type {Api.RelatedRuns} */ { failureGroup, retries }) => html`
		${failureGroup && html`<p>
			${words.group}: <${Link} to=${{ view: "failures", id: failureGroup.fingerprint }}>${failureGroup.title}<//>,${" "}
			<strong>${texts.failures.times(failureGroup.count + failureGroup.recovered)}</strong>
			${failureGroup.recovered > 0 && `, ${texts.failures.recovered(failureGroup.recovered)}`}
		</p>`}
		<p>${retries.length > 0 ? words.retried : words.notRetried}</p>
		<${Runs} runs=${retries} origin=${run} />
	`;
	return html`<${Answered} asked=${related} lines=${2}>${content}<//>`;
}

/** Runs that repeat another one, in brief: what became of each, and whether it was given something else. @param {{runs: Api.Run[], origin: Api.Run}} props */
export const Runs = ({ runs, origin }) =>
	runs.length > 0 && html`<ul class="needs">
		${runs.map(({ id, status, createdAt, parameters }) => html`<li key=${id}>
			<${RunLink} id=${id} /> <${Status} status=${status} /> <small><${Time} at=${createdAt} /></small>
			${JSON.stringify(parameters) !== JSON.stringify(origin.parameters) && html`
				<${Link} to=${comparison(id, origin.id)}>${texts.run.failed.otherParameters}<//>
			`}
		</li>`)}
	</ul>`;

/** Where a run stands beside another. @param {string} id @param {string} other */
export const comparison = (id, other) => ({ view: "run", id, tab: "data", compare: other });

/** @type {Api.RelatedRuns} */
const NOTHING = { failureGroup: null, retries: [], bulkOperation: null };

/**
 * What belongs to a run, once it has ended or where it repeats another one; of the past nobody knows.
 * @param {Api.Run} run @param {string} changedAt @returns {Asked<Api.RelatedRuns>}
 */
export function useRelated(run, changedAt) {
	const hasEnded = run.completedAt !== null;
	const mayHave = asOf.value === "" && (hasEnded || run.context?.retryOf !== undefined);
	return useAnswer(
		async (signal) => (mayHave ? (await get(`/job-runs/${run.id}/related`, [], signal)).data : NOTHING),
		[run.id, mayHave],
		{ newer: [changedAt], everyMs: hasEnded ? EVERY_MS : undefined },
	);
}
