// Questions to the API, and its errors in the words of a person. Addresses are relative to the page.

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
		Object.assign(this, { status, code, fields, issues });
	}
}

let onUnauthorized = () => {};

/** What the API said to a wrong token, or to none: it would say the same again, and counts wrong ones. */
let refusal = null;

export const mayAsk = () => refusal === null;

/** Call this whenever the API asks for a token. */
export function whenUnauthorized(call) {
	onUnauthorized = call;
}

export function token() {
	return sessionStorage.getItem(TOKEN) ?? "";
}

export function keepToken(text) {
	sessionStorage.setItem(TOKEN, text);
}

/** @param {string} path such as `/job-runs` @param {Iterable<[string, unknown]>} query @returns {URL} */
function addressOf(path, query = []) {
	const url = new URL(`.${path}`, document.baseURI);
	url.search = "";
	url.hash = "";
	for (const [name, value] of query) {
		if (value !== undefined && value !== null && value !== "") url.searchParams.append(name, String(value));
	}
	return url;
}

/** @returns {URL} of the stream, resumed behind a position */
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

/** @returns {Promise<{data: any, meta: any}>} */
export async function get(path, query = [], signal = undefined) {
	const response = await ask("GET", addressOf(path, query), undefined, { signal });
	return response.json();
}

/** @returns {Promise<{rows: any[], next: string | null}>} a page of a list, and where the next one begins */
export async function pageOf(path, query, cursor, signal) {
	const { data, meta } = await get(path, [...query, ["cursor", cursor]], signal);
	return { rows: data, next: meta.nextCursor };
}

/** @returns {Promise<any[]>} the rows of all pages of a list */
export async function all(path, query, signal, limit = 100) {
	const rows = [];
	let meta = {};
	do {
		const place = [["limit", limit], ["after", meta.next], ["cursor", meta.nextCursor]];
		const page = await get(path, [...query, ...place], signal);
		rows.push(...page.data);
		meta = page.meta;
	} while (meta.next ?? meta.nextCursor);
	return rows;
}

/** @returns {Promise<{data: any, meta: any}>} */
export async function send(method, path, body = undefined, headers = {}) {
	const response = await ask(method, addressOf(path), body, { headers });
	return response.json();
}

export const post = (path, body, headers) => send("POST", path, body, headers);

/** Yield pieces of a text as they come, each with how many bytes it had: from there one may go on. */
export async function* text(path, query, signal) {
	const response = await ask("GET", addressOf(path, query), undefined, { signal });
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

async function ask(method, url, body, { headers = {}, signal } = {}) {
	if (refusal) {
		onUnauthorized();
		throw refusal;
	}
	const known = token();
	const sent = { Accept: "application/json", ...headers };
	if (known) sent.Authorization = `Bearer ${known}`;
	if (body !== undefined) sent["Content-Type"] = "application/json";
	let response;
	try {
		response = await fetch(url, { method, headers: sent, body: body && JSON.stringify(body), signal });
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new ApiError(0, "unreachable", "");
	}
	if (response.ok) return response;
	const error = await errorOf(response);
	if (response.status === 401) {
		refusal = error;
		onUnauthorized();
	}
	throw error;
}

async function errorOf(response) {
	let body = {};
	try {
		body = await response.json();
	} catch {
		// Some proxies answer in their own words.
	}
	const { error = response.statusText, code = `http_${response.status}`, issues = [] } = body;
	if (typeof error === "string") return new ApiError(response.status, code, error);
	const { formErrors, fieldErrors } = error;
	const ofFields = Object.entries(fieldErrors).map(([field, said]) => `${field}: ${said.join("; ")}`);
	return new ApiError(response.status, code, [...formErrors, ...ofFields].join(". "), fieldErrors, issues);
}

// One question at a time, as often as somebody wants to know. Pure.

export class Asking {
	/** @param {(signal: AbortSignal) => Promise<void>} ask never fails */
	constructor(ask) {
		Object.assign(this, { ask, running: null, isWanted: false });
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
