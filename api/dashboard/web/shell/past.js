// Time travel: one moment for the whole dashboard, in the address. Whoever looks at the past cannot overlook it.

/** @import { On } from "../parts.js" */

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { html, Icon, Time } from "../parts.js";
import { asOf, awaited, change, get, lookedAt, positionAt, present, useAnswer } from "../state.js";
import { momentOf, timeOf } from "../state/times.js";
import { texts } from "../texts.js";

/** @type {["minute" | "hour" | "day", number][]} */
const STEPS = [["minute", 60_000], ["hour", 3_600_000], ["day", 86_400_000]];

/** The slider has so many places, whatever the log's age. */
const PLACES = 1_000;

const PLAY_EVERY_MS = 1_000;
const PLAY_PLACES = 10;

const isOpen = signal(false);

/** Where the slider is held, and which moment that is, in ms: it is looked at once it is let go. */
const held = signal(/** @type {{place: number, at: number} | null} */ (null));

export const openPast = () => (isOpen.value = true);

/** The controls, and while it is the past that is shown, the banner that says so. */
export function PastBar() {
	const isPast = asOf.value !== "";
	if (!isPast && !isOpen.value) return null;
	const back = () => {
		isOpen.value = false;
		change({ asOf: "" });
	};
	return html`<section class="past ${isPast ? "is-past" : ""}" aria-label=${texts.past.open}>
		<p class="past-says">
			<${Icon} name="clock" />
			${held.value
				? html`<${Time} full at=${new Date(held.value.at).toISOString()} />`
				: isPast ? html`<strong>${texts.past.banner}</strong> ${texts.past.as} <${Moment} />` : texts.past.hint}
			<button class="main" onClick=${back}>${isPast ? texts.past.back : texts.close}</button>
		</p>
		<${Slider} />
	</section>`;
}

function Moment() {
	const time = timeOf(asOf.value);
	return time === null
		? html`<span>${texts.past.position(asOf.value)}</span>`
		: html`<${Time} full at=${new Date(time).toISOString()} />`;
}

function Slider() {
	const first = useAnswer((aborting) => get("/events", [["limit", 1]], aborting), []);
	const isPosition = asOf.value !== "" && timeOf(asOf.value) === null;
	const before = [["after", Math.max(Number(asOf.value) - 1, 0)], ["limit", 1]];
	const then = useAnswer(async (aborting) => (isPosition ? get("/events", before, aborting) : null), []);
	/** The present at which playing began, in ms; 0 while nothing is played. */
	const playedUntil = useSignal(0);
	const isPlaying = playedUntil.value > 0;
	const oldest = Date.parse(first.answer?.data[0]?.occurredAt ?? new Date(Date.now() - STEPS[2][1]).toISOString());
	const newest = present.value;
	useEffect(() => {
		const found = then.answer?.data[0];
		positionAt.value = found ? Date.parse(found.occurredAt) : null;
	}, [then.answer]);
	const time = lookedAt.value;
	const place = Math.round((PLACES * (time - oldest)) / Math.max(newest - oldest, 1));
	const look = (/** @type {number} */ at) =>
		change({ asOf: at >= newest ? "" : new Date(Math.max(at, oldest)).toISOString() }, { replace: true });
	const momentAt = (/** @type {On} */ { target }) => oldest + ((newest - oldest) * target.valueAsNumber) / PLACES;
	const hold = (/** @type {On} */ event) => (held.value = { place: event.target.valueAsNumber, at: momentAt(event) });
	const slide = (/** @type {On} */ event) => {
		held.value = null;
		look(momentAt(event));
	};
	// Where it was held before, nothing has changed: browsers tell of a change before.
	const release = () => setTimeout(() => (held.value = null));
	const isShown = awaited.value === 0;
	useEffect(() => {
		if (!isPlaying || !isShown) return undefined; // A moment is shown before the next one is looked at.
		const timer = setTimeout(() => {
			// The present goes on meanwhile: a young log's steps are shorter than the time they take, and would never reach it.
			const until = playedUntil.value;
			const next = time + (PLAY_PLACES * (until - oldest)) / PLACES;
			if (next >= until) playedUntil.value = 0;
			look(next >= until ? newest : next);
		}, PLAY_EVERY_MS);
		return () => clearTimeout(timer);
	}, [isPlaying, asOf.value, isShown]);
	const form = useRef(/** @type {HTMLFormElement | null} */ (null));
	useEffect(() => form.current?.reset(), [asOf.value]); // It shows the moment that is looked at.
	const go = (/** @type {On<HTMLFormElement>} */ event) => {
		event.preventDefault();
		const text = event.target.moment.value.trim();
		change({ asOf: momentOf(text) }, { replace: true });
	};
	return html`<div class="past-controls">
		<button class="plain" onClick=${() => (playedUntil.value = isPlaying ? 0 : newest)}
			aria-label=${isPlaying ? texts.past.stop : texts.past.play}>
			<${Icon} name=${isPlaying ? "pause" : "play"} />
		</button>
		<input type="range" min="0" max=${PLACES} value=${held.value?.place ?? place} onInput=${hold} onChange=${slide} onPointerUp=${release} aria-label=${texts.past.slider}
			aria-valuetext=${new Date(held.value?.at ?? time).toISOString()} />
		<span class="group">
			${STEPS.map(([step, ms]) => html`<button
				key=${step} onClick=${() => look(time - ms)} aria-label=${texts.past.back_by(texts.past.steps[step])}>
				−${texts.past.steps[step]}
			</button>`)}
			${asOf.value && STEPS.map(([step, ms]) => html`<button
				key=${`+${step}`} onClick=${() => look(time + ms)} aria-label=${texts.past.forwardBy(texts.past.steps[step])}>
				+${texts.past.steps[step]}
			</button>`)}
		</span>
		<form class="group" ref=${form} onSubmit=${go}>
			<input name="moment" aria-label=${texts.past.exact} placeholder=${texts.past.exact} defaultValue=${asOf.value} />
			<button>${texts.past.go}</button>
		</form>
	</div>`;
}
