// What the dashboard knows, kept up by the stream: `world`, and whether that is the present: `connection`.

import { signal } from "@preact/signals";

import { get, mayAsk, problemOf, streamAddress, streamProtocols } from "./api.js";
import { counted, fold, isErasure, MAX_KEPT, nothing, recounted } from "./fold.js";
import { ResumableStream } from "./stream.js";

/** Messages are folded together for so long: then the page is drawn once. */
const TOGETHER_MS = 60;

/** While they keep coming, the page is drawn no more often than this, unless so many come that some would be forgotten. */
const BUSY_MS = 240;

const PAUSE_MS = 2_000;

const CALM_MS = 500;

const RECOUNT_EVERY_MS = 300_000;

export const world = signal(nothing());

/**
 * @typedef {{reason?: string, retryAt?: number, since?: number}} Loss since when, in the service's time, and why
 * @typedef {{state: "connecting" | "live" | "lost"} & Loss} Connection
 */

export const connection = signal(/** @type {Connection} */ ({ state: "connecting" }));

/** Grows whenever lists may have missed something: then all is asked for anew. */
export const generation = signal(0);

/** The log's last position, as the stream told when it began; lists may ask for what came before. */
export const head = signal(0);

/** By how much the service's clock is ahead of this computer's, in ms. */
export const offsetMs = signal(0);

/** @type {import("./fold.js").Message[]} */
let waiting = [];

/** @type {number | undefined} */
let flushing;

let flushedAt = -BUSY_MS;

/** @type {number | undefined} */
let calming;

const stream = new ResumableStream({
	url: streamAddress,
	protocols: streamProtocols,
	onMessages: take,
	onState: changeState,
	onAck: (data) => {
		head.value = data.head;
		offsetMs.value = Date.parse(data.now) - Date.now();
	},
});

/** Count, then listen from exactly there on. Tried until it works. */
export async function goLive() {
	try {
		const { data, meta } = await get("/job-runs/counts");
		waiting = [];
		world.value = counted(nothing(), data, meta.position);
		stream.start(meta.position);
	} catch (error) {
		const { message, status } = problemOf(error);
		lose({ reason: message, retryAt: Date.now() + PAUSE_MS });
		if (status !== 401) setTimeout(goLive, PAUSE_MS);
	}
}

export function retryNow() {
	if (mayAsk()) stream.retryNow();
	else goLive();
}

/** @param {import("./fold.js").Message[]} messages */
function take(messages) {
	waiting.push(...messages);
	flushing ??= setTimeout(flushWhenDue, TOGETHER_MS);
}

function flushWhenDue() {
	const isEarly = performance.now() < flushedAt + BUSY_MS;
	if (isEarly && waiting.length < MAX_KEPT / 2) flushing = setTimeout(flushWhenDue, TOGETHER_MS);
	else flush();
}

function flush() {
	const messages = waiting;
	waiting = [];
	clearTimeout(flushing);
	flushing = undefined;
	flushedAt = performance.now();
	world.value = fold(world.value, messages);
	if (messages.length > MAX_KEPT || messages.some(isErasure)) askAnewWhenCalm();
	head.value = Math.max(head.value, world.value.position);
}

/** Lists take what is remembered; of more at once, such as after an outage, a part is forgotten before they see it. */
function askAnewWhenCalm() {
	clearTimeout(calming);
	calming = setTimeout(() => (generation.value += 1), CALM_MS);
}

/** @param {import("./stream.js").StreamState} state @param {Loss} details */
function changeState(state, details = {}) {
	if (state === "live") {
		connection.value = { state };
	} else if (state === "refused") {
		lose(details);
		setTimeout(beginAnew, PAUSE_MS);
	} else if (connection.value.state !== "connecting" || state === "lost") {
		lose(details);
	}
}

/** Ask for everything anew, and listen from there on. */
export function beginAnew() {
	generation.value += 1;
	goLive();
}

async function recount() {
	if (connection.value.state !== "live" || document.hidden) return;
	const { data, meta } = await get("/job-runs/counts");
	flush();
	world.value = recounted(world.value, data, meta.position);
}

setInterval(() => recount().catch(() => {}), RECOUNT_EVERY_MS); // If it fails, the next one may not.

/** @param {Loss} details */
function lose(details) {
	const since = connection.value.since ?? Date.now() + offsetMs.value;
	connection.value = { state: "lost", since, ...details };
}

addEventListener("online", () => mayAsk() && retryNow());
addEventListener("offline", () => stream.drop());
document.addEventListener("visibilitychange", () => {
	if (!document.hidden && mayAsk() && connection.value.state === "lost") retryNow();
});
