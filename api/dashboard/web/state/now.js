// The clock that screens read: the service's own, ticking once a second; in the past it stands still.

import { computed, signal } from "@preact/signals";

import { offsetMs } from "./live.js";
import { asOf, showsPast } from "./router.js";
import { timeOf } from "./times.js";

const ticking = signal(Date.now());

setInterval(() => {
	if (!document.hidden) ticking.value = Date.now();
}, 1_000);

/** What the service's clock shows, in ms: this computer's may be wrong. */
export const present = computed(() => ticking.value + offsetMs.value);

/** When the position that is looked at came to be, as soon as that is known. */
export const positionAt = signal(/** @type {number | null} */ (null));

/** By how many minutes this computer's clock is wrong, once that is known: what is asked for by time is asked for again then. */
export const minutesOff = computed(() => Math.round(offsetMs.value / 60_000));

/** Where a position is looked at, its time, once that is known; then the same. */
export const positionTime = computed(() => (asOf.value && timeOf(asOf.value) === null ? positionAt.value : null));

/** The moment that is looked at, in ms. */
export const lookedAt = computed(() => timeOf(asOf.value) ?? positionTime.value ?? present.value);

/** The moment that the page shows, in ms. */
export const now = computed(() => (showsPast.value ? lookedAt : present).value);
