// What a screen asks the API for: loading, ready or failed, and the old answer until the new one is here.

/** @import { Problem } from "./api.js" */

import { signal as newSignal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { Asking, get, problemOf } from "./api.js";
import { newest } from "./fold.js";
import { connection, generation, world } from "./live.js";
import { asOf, moment, showsPast } from "./router.js";

/** How many answers have not come yet. */
export const awaited = newSignal(0);

/**
 * What has become of a question.
 *
 * `isOld` where the answer is to what was asked before; `again()` asks once more; `set(before, answer)` puts another answer
 * in the place of one.
 * @template T
 * @typedef {{answer: T | undefined, error: Problem | null, isOld: boolean, again: () => void,
 *            set: (before: T | undefined, answer: T) => void}} Asked
 */

/**
 * Ask, and ask again whenever one of `causes` changes, or the moment that is looked at.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {unknown[]} causes
 * @param {{newer?: unknown[], everyMs?: number}} options `newer`: what changes the answer, but not the question; `everyMs`:
 *   for what the stream does not tell, asked again so often while the page is seen
 * @returns {Asked<T>}
 */
export function useAnswer(load, causes, { newer = [], everyMs } = {}) {
	const question = [asOf.value, ...causes];
	const state = useSignal(
		/** @type {{answer: T | undefined, error: Problem | null, question: unknown[]}} */
		({ answer: undefined, error: null, question }),
	);
	const latest = useRef({ load, question });
	latest.current = { load, question };
	const isOld = !isSame(question, state.value.question);
	const ask = async (/** @type {AbortSignal} */ signal) => {
		const { load, question } = latest.current;
		awaited.value += 1;
		try {
			const answer = await load(signal);
			if (!signal.aborted) state.value = { answer, error: null, question };
		} catch (error) {
			// The answer to another question, or of another moment, must not stand for this one.
			const answer = isSame(question, state.value.question) ? state.value.answer : undefined;
			if (!signal.aborted) state.value = { answer, error: problemOf(error), question };
		} finally {
			awaited.value -= 1;
		}
	};
	const kept = useRef(/** @type {Asking | null} */ (null));
	kept.current ??= new Asking(ask);
	const asking = kept.current;
	const again = () => asking.again();
	useEffect(() => {
		asking.anew();
		return () => asking.stop();
	}, [generation.value, ...question]);
	const isAway = isOfOutage(state.value.error);
	const isBack = connection.value.state === "live";
	useEffect(() => {
		if (!isAway) return undefined;
		if (isBack) again();
		const timer = setInterval(() => document.hidden || again(), AGAIN_MS);
		return () => clearInterval(timer);
	}, [isAway, isBack]);
	const known = useRef(newer);
	useEffect(() => {
		if (!isSame(newer, known.current)) again();
		known.current = newer;
	}, newer);
	useEffect(() => {
		if (!everyMs || showsPast.value) return undefined;
		// Nobody is asked for a token again and again.
		const timer = setInterval(() => document.hidden || state.value.error?.status === 401 || again(), everyMs);
		return () => clearInterval(timer);
	}, [everyMs, showsPast.value]);
	const set = (/** @type {T | undefined} */ before, /** @type {T} */ answer) => {
		// Whatever has been asked meanwhile is not written over.
		if (state.value.answer === before) state.value = { ...state.value, answer };
	};
	return { ...state.value, isOld, again, set };
}

/** How often a screen tries again while the service is away, or what it depends on, such as its database. */
const AGAIN_MS = 5_000;

/** @param {Problem | null} error @returns {boolean} whether the same question may soon be answered: no answer, or a proxy's or the service's 502 to 504 */
const isOfOutage = (error) => error?.status === 0 || (error?.status ?? 0) > 501;

/** All jobs, as soon as they are known. @returns {Api.Definition[]} */
export function useJobs() {
	const asked = useAnswer((signal) => get("/jobs", [], signal), []);
	useRefresh("jobs", asked.again);
	return asked.answer?.data ?? [];
}

/** Those that the service launches by itself, and that need an app. */
const OF_THE_SERVICE = ["catalog.ingestion.processRepository", "catalog.build.run"];

/** The jobs that people launch and schedule, as soon as they are known. */
export const useOwnJobs = () => useJobs().filter(({ entryPoint }) => !OF_THE_SERVICE.includes(entryPoint));

/** @param {unknown[]} one @param {unknown[]} other of the same length */
const isSame = (one, other) => one.every((value, place) => value === other[place]);

/**
 * Runs by status: live from the stream, or as of the moment that is looked at; null until they are known.
 * @returns {Api.RunCounts | null}
 */
export function useCounts() {
	const isPast = asOf.value !== "";
	const load = async (/** @type {AbortSignal} */ signal) =>
		isPast ? get("/job-runs/counts", moment.value, signal) : null;
	const { answer, isOld } = useAnswer(load, []);
	if (!isPast) return world.value.counts;
	return isOld || !answer ? null : answer.data;
}

/** @typedef {import("./fold.js").Kind} Kind */

/**
 * Rows as the stream leaves them: the same array as long as they are the same. In the past nothing changes.
 * @template {Record<string, any>} T
 * @param {T[]} rows @param {Kind} kind @param {(row: T) => string} keyOf @returns {T[]}
 */
export function useNewest(rows, kind, keyOf) {
	const kept = useRef({ asked: rows, rows });
	if (kept.current.asked !== rows) kept.current = { asked: rows, rows };
	const recent = world.value.recent[kind];
	if (!showsPast.value) kept.current.rows = newest(kept.current.rows, recent, keyOf);
	return kept.current.rows;
}

/** However much happens, what depends on it is asked for again no more often than this. */
const SELDOM_MS = 1_000;

/**
 * Ask again when something of a kind has changed that `concerns` the screen, at most once a second, while it is seen.
 * @param {Kind} kind @param {() => void} again @param {(recent: Map<string, any>) => boolean} concerns
 */
export function useRefresh(kind, again, concerns = (_recent) => true) {
	const timer = useRef(/** @type {number | undefined} */ (undefined));
	const latest = useRef(again);
	latest.current = again;
	const look = () => {
		timer.current = document.hidden ? setTimeout(look, SELDOM_MS) : undefined;
		if (timer.current === undefined) latest.current();
	};
	useChanges(kind, (recent) => {
		if (concerns(recent)) timer.current ??= setTimeout(look, SELDOM_MS);
	});
	useEffect(() => () => clearTimeout(timer.current), []);
}

/**
 * The value, as it was up to a second ago where it changes all the time; the first change is passed on at once.
 * @template T @param {T} value @returns {T}
 */
export function useSettled(value) {
	const settled = useSignal({ value, at: 0 });
	useEffect(() => {
		if (value === settled.value.value) return undefined;
		const take = () => (settled.value = { value, at: Date.now() });
		const timer = setTimeout(take, Math.max(settled.value.at + SELDOM_MS - Date.now(), 0));
		return () => clearTimeout(timer);
	}, [value]);
	return settled.value.value;
}

/**
 * Call `heard` whenever something of a kind has changed since the screen was opened.
 * @param {Kind} kind @param {(recent: Map<string, any>) => void} heard
 */
function useChanges(kind, heard) {
	const recent = world.value.recent[kind];
	const before = useRef(recent);
	useEffect(() => {
		if (recent !== before.current && !showsPast.value) heard(recent);
		before.current = recent;
	}, [recent]);
}
