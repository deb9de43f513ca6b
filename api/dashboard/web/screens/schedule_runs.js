// What became of the runs that schedules launched: how it went last, and how often well within a week.

import { absolute, html, Icon, Link, lookOf, Status } from "../parts.js";
import { get, present } from "../state.js";
import { texts } from "../texts.js";

/** So many schedules one answer tells of. */
const AT_ONCE = 100;

/**
 * @param {string[]} ids of schedules @param {number} last how many of the last runs @param {AbortSignal} signal
 * @returns {Promise<Map<string, Api.RunsOfSchedule>>}
 */
export async function runsOf(ids, last, signal) {
	/** @type {string[][]} */
	const parts = [];
	for (let at = 0; at < ids.length; at += AT_ONCE) parts.push(ids.slice(at, at + AT_ONCE));
	const answers = await Promise.all(
		parts.map((some) => get("/job-runs/by-schedule", [["schedule", some.join(",")], ["last", last]], signal)),
	);
	/** @type {Api.RunsOfSchedule[]} */
	const found = answers.flatMap(({ data }) => data);
	return new Map(found.map((one) => [one.schedule, one]));
}

const isOpen = (/** @type {Api.LastRun} */ { status }) => status === "pending" || status === "running";

const hasFailed = (/** @type {Api.LastRun} */ { status }) => status === "failed" || status === "expired";

/** @param {Api.RunsOfSchedule} [runs] @returns {Api.LastRun | undefined} the last run that has ended, if it failed or expired */
export function lastFailure(runs) {
	const last = runs?.last.find((run) => !isOpen(run));
	return last && hasFailed(last) ? last : undefined;
}

/** @param {{run: Api.LastRun}} props */
export const LastFailed = ({ run }) => html`<${Link} to=${{ view: "run", id: run.id }}>
	<${Status} status="failed" label=${texts.schedules.lastFailed} /><//>`;

/**
 * The last runs, the newest at the end, once they are known, each a link with the shape of its status.
 * @param {{runs?: Api.RunsOfSchedule}} props
 */
export function Strip({ runs }) {
	if (!runs) return html`<span class="quiet">–</span>`;
	if (runs.last.length === 0) return html`<span class="quiet">${texts.schedules.runs.none}</span>`;
	return html`<span class="strip">
		${runs.last.toReversed().map(({ id, status, createdAt }) => {
			const label = `${texts.status(status)}, ${absolute(createdAt)}`;
			return html`<${Link} key=${id} to=${{ view: "run", id }} class="status-${lookOf(status)}" aria-label=${label} title=${label}>
				<${Icon} name=${lookOf(status)} />
			<//>`;
		})}
	</span>`;
}

/** How many of those that ended within a week succeeded; it leads to those that did not. @param {{id: string, runs?: Api.RunsOfSchedule}} props */
export function Rate({ id, runs }) {
	const words = texts.schedules.runs;
	if (!runs) return null;
	const { succeeded, failed, expired } = runs.counts;
	const bad = failed + expired;
	const ended = succeeded + bad;
	if (ended === 0) return html`<span class="quiet">–</span>`;
	const ofSchedule = [["actor", `schedule:${id}`]];
	const since = [["createdAfter", runs.since]];
	return html`<${Link} to=${{ view: "runs", words: [...ofSchedule, ...since] }}>${words.rate(succeeded, ended)}<//>
		${bad > 0 && html` · <${Link} to=${{ view: "runs", words: [["status", "failed,expired"], ...ofSchedule, ...since] }}>
			<strong class="worse">${words.failed(bad)}</strong><//>`}
		${isCut(runs) && html` <small>${words.since(absolute(runs.since))}</small>`}`;
}

const DAY_MS = 86_400_000;

/** Whether so much has happened that not all of the week is counted. */
const isCut = (/** @type {Api.RunsOfSchedule} */ { since }) => present.value - Date.parse(since) < 6.9 * DAY_MS;
