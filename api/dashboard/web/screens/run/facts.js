// What there is to know of a run at a glance.

import { Duration, html, RunLink, Time } from "../../parts.js";
import { duration } from "../../state/times.js";
import { texts } from "../../texts.js";

export function Facts({ run }) {
	const words = texts.run.facts;
	const time = (at) => html`<${Time} at=${at} full />`;
	const facts = [
		[words.created, time(run.createdAt)],
		run.scheduledAt !== run.createdAt && [words.due, time(run.scheduledAt)],
		run.startedAt && [words.started, time(run.startedAt)],
		run.completedAt && [words.completed, time(run.completedAt)],
		run.startedAt && [
			texts.runs.columns.took,
			html`<${Duration} from=${run.startedAt} to=${run.completedAt} ms=${run.durationMs} />`,
		],
		[words.attempts, texts.runs.attemptOf(run.attempt, run.maxAttempts)],
		[words.by, run.requestedBy],
		run.failureReason && [words.failure, html`<code>${run.failureReason}</code>`],
		run.timeoutMs && [words.timeout, duration(run.timeoutMs)],
		run.priority !== 0 && [words.priority, run.priority],
		run.context?.retryOf && [words.retryOf, html`<${RunLink} id=${run.context.retryOf} />`],
		run.idempotencyKey && [words.key, html`<code>${run.idempotencyKey}</code>`],
	].filter(Boolean);
	return html`<dl class="facts card">
		${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
	</dl>`;
}
