// Questions to the API, and its errors in the words of a person. Addresses are relative to the page.

import { texts } from "../texts.js";

const TOKEN = "apphub-jobs-token";

/** What the API refused, or that it could not be reached. */
export class ApiError extends Error {
	/**
	 * @param {number} status 0 where there was no answer
	 * @param {string} code such as `run_not_found`
	 * @param {string} message
	 * @param {Record<string, string[]>} fields what is wrong with each field
	 * @param {{path: string, message: string}[]} issues the same by JSON Pointer
	 */
	constructor(status, code, message, fields = {}, issues = []) {
		super(message);
		this.status = status;
		this.code = code;
		this.fields = fields;
		this.issues = issues;
	}
}

/** What went wrong, with what the API said where it was the API. @typedef {Error & Partial<ApiError>} Problem */

/** @param {unknown} thrown @returns {Problem} */
export const problemOf = (thrown) => (thrown instanceof Error ? thrown : new Error(String(thrown)));

let onUnauthorized = () => {};

/**
 * What the API said to a wrong token, or to none: it would say the same again, and counts wrong ones.
 * @type {ApiError | null}
 */
let refusal = null;

export const mayAsk = () => refusal === null;

/** Call this whenever the API asks for a token. @param {() => void} call */
export function whenUnauthorized(call) {
	onUnauthorized = call;
}

export function token() {
	return sessionStorage.getItem(TOKEN) ?? "";
}

/** @param {string} text */
export function keepToken(text) {
	sessionStorage.setItem(TOKEN, text);
	refusal = null;
}

/** @typedef {any[][]} Query pairs of a name and a value; what has no value is left out */

/** @param {string} path such as `/job-runs` @param {Query} query @returns {URL} */
function addressOf(path, query = []) {
	const url = new URL(`.${path}`, document.baseURI);
	url.search = "";
	url.hash = "";
	for (const [name, value] of query) {
		if (value !== undefined && value !== null && value !== "") url.searchParams.append(name, String(value));
	}
	return url;
}

/**
 * @param {string} name as the page's address has it, where anything may stand
 * @returns {string} the name as a part of a path
 * @throws {ApiError} nothing has such a name: it would lead elsewhere
 */
export function inPath(name) {
	if (/^\.{0,2}$|[/\\]/.test(name)) throw new ApiError(404, "not_found", texts.errors.noName);
	return encodeURIComponent(name);
}

/** @param {number | null} after @param {string | null} logId @returns {URL} of the stream, resumed behind a position */
export function streamAddress(after, logId) {
	const url = addressOf("/ws", [["after", after], ["logId", logId]]);
	url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
	return url;
}

const PROTOCOL = "apphub-jobs";

/** @returns {string[]} what a WebSocket offers: browsers send no headers with one, and addresses end up in logs */
export function streamProtocols() {
	const bytes = new TextEncoder().encode(token());
	if (bytes.length === 0) return [];
	const text = btoa(String.fromCharCode(...bytes));
	const sent = text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
	return [PROTOCOL, `bearer.${sent}`];
}

/** @typedef {{data: any, meta: any, total?: number}} Answer as the API wraps what it says */

/**
 * @param {string} path @param {Query} query @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
export async function get(path, query = [], signal = undefined) {
	const response = await ask("GET", addressOf(path, query), undefined, { signal });
	return response.json();
}

/**
 * @param {string} path @param {Query} query @param {string | number | null} cursor @param {AbortSignal} [signal]
 * @returns {Promise<{rows: any[], next: string | null}>} a page of a list, and where the next one begins
 */
export async function pageOf(path, query, cursor, signal) {
	const { data, meta } = await get(path, [...query, ["cursor", cursor]], signal);
	return { rows: data, next: meta.nextCursor };
}

/** @typedef {{rows: any[], next: string | null}} Rows of a list, and where the next ones begin */

/**
 * The first page of a list, and more until there are as many rows as were shown before.
 * @template {Rows} P @param {(cursor: string | null) => Promise<P>} load @param {number} count @returns {Promise<P>}
 */
export async function pagesOf(load, count) {
	let page = await load(null);
	while (page.next !== null && page.rows.length < count) {
		const { rows, next } = await load(page.next);
		page = { ...page, rows: [...page.rows, ...rows], next };
	}
	return page;
}

/**
 * @param {string} path @param {Query} query @param {AbortSignal} [signal]
 * @returns {Promise<any[]>} the rows of all pages of a list
 */
export async function all(path, query, signal, limit = 100) {
	const rows = [];
	/** @type {{next?: number | null, nextCursor?: string | null}} */
	let meta = {};
	do {
		/** @type {Query} */
		const place = [["limit", limit], ["after", meta.next], ["cursor", meta.nextCursor]];
		const page = await get(path, [...query, ...place], signal);
		rows.push(...page.data);
		meta = page.meta;
	} while (meta.next ?? meta.nextCursor);
	return rows;
}

/**
 * @param {string} method @param {string} path @param {unknown} [body] @param {Record<string, string>} headers
 * @returns {Promise<Answer>}
 */
export async function send(method, path, body = undefined, headers = {}) {
	const response = await ask(method, addressOf(path), body, { headers });
	return response.json();
}

/** @param {string} path @param {unknown} [body] @param {Record<string, string>} [headers] */
export const post = (path, body, headers) => send("POST", path, body, headers);

/**
 * Yield pieces of a text as they come, each with how many bytes it had: from there one may go on.
 * @param {string} path @param {Query} [query] @param {AbortSignal} [signal]
 */
export async function* text(path, query, signal) {
	const response = await ask("GET", addressOf(path, query), undefined, { signal });
	if (!response.body) return;
	const reader = response.body.getReader();
	const decoder = new TextDecoder();
	yield { piece: "", bytes: 0 }; // It answers, even if there is nothing new.
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		yield { piece: decoder.decode(value, { stream: true }), bytes: value.length };
	}
}

/** @returns {string} a key under which what is sent counts once, however often it is sent */
export function newKey() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} method @param {URL} url @param {unknown} body
 * @param {{headers?: Record<string, string>, signal?: AbortSignal}} options
 * @returns {Promise<Response>} a good one
 */
async function ask(method, url, body, { headers = {}, signal } = {}) {
	if (refusal) {
		onUnauthorized();
		throw refusal;
	}
	const known = token();
	/** @type {Record<string, string>} */
	const sent = { Accept: "application/json", ...headers };
	if (known) sent.Authorization = `Bearer ${known}`;
	if (body !== undefined) sent["Content-Type"] = "application/json";
	/** @type {Response} */
	let response;
	try {
		response = await fetch(url, { method, headers: sent, body: JSON.stringify(body), signal });
	} catch (error) {
		if (problemOf(error).name === "AbortError") throw error;
		throw new ApiError(0, "unreachable", texts.errors.unreachable);
	}
	if (response.ok) return response;
	const error = await errorOf(response);
	if (response.status === 401) {
		refusal = error;
		onUnauthorized();
	}
	throw error;
}

/** @param {Response} response @returns {Promise<ApiError>} */
async function errorOf(response) {
	/** @type {Partial<Api.Failure | Api.ValidationFailure>} */
	let body = {};
	try {
		body = await response.json();
	} catch {
		// Some proxies answer in their own words.
	}
	const { error = response.statusText, code = `http_${response.status}` } = body;
	if (typeof error === "string") return new ApiError(response.status, code, error);
	const issues = "issues" in body ? body.issues : [];
	const { formErrors, fieldErrors } = error;
	const ofFields = Object.entries(fieldErrors).map(([field, said]) => `${field}: ${said.join("; ")}`);
	return new ApiError(response.status, code, [...formErrors, ...ofFields].join(". "), fieldErrors, issues);
}

// One question at a time, as often as somebody wants to know. Pure.

export class Asking {
	/** @type {AbortController | null} */
	running = null;

	isWanted = false;

	/** @param {(signal: AbortSignal) => Promise<void>} ask never fails */
	constructor(ask) {
		this.ask = ask;
	}

	/** Ask at once; whatever is under way is for nobody. */
	anew() {
		this.stop();
		const running = new AbortController();
		this.running = running;
		this.ask(running.signal).then(() => {
			if (running !== this.running) return;
			this.running = null;
			if (this.isWanted) this.anew();
		});
	}

	/** Ask once more. What is under way comes to its end first, or slow answers would never arrive. */
	again() {
		if (this.running) this.isWanted = true;
		else this.anew();
	}

	stop() {
		this.running?.abort();
		this.running = null;
		this.isWanted = false;
	}
}
