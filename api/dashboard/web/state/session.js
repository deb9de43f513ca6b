// Who looks at the page: the token of its requests, whose it is, and one sign-in for all tabs of this browser.
//
// A token is kept by its tab alone, never on the disk. A tab without one gets it from another tab that has one.

import { computed, signal } from "@preact/signals";

import { ApiError, get, keepToken, token, whenUnauthorized } from "./api.js";
import { beginAnew } from "./live.js";
import { asOf } from "./router.js";

/** How long other tabs may take to answer. */
const PATIENCE_MS = 300;

/** Whose token it is, and what it allows; null until that is known. */
export const me = signal(/** @type {Api.Me | null} */ (null));

/**
 * Whether the page lacks a token that the service accepts: it first waits for other tabs, and then asks the person,
 * because the tab has none, or because the service does not accept the one that it has.
 */
export const lacksToken = signal(/** @type {"" | "waits" | "missing" | "refused"} */ (""));

/** Whether buttons that change something are offered: not to readers, and not in the past. */
export const mayAct = computed(() => asOf.value === "" && me.value?.role !== "read");

// Services at several paths of one host have tokens of their own.
const channel = new BroadcastChannel(`apphub-jobs ${new URL(".", document.baseURI).pathname}`);

channel.onmessage = ({ data }) => {
	if (data.kind === "request" && token() && !lacksToken.value) channel.postMessage({ kind: "token", token: token() });
	if (data.kind === "token" && lacksToken.value && data.token !== token()) use(data.token);
	if (data.kind === "sign-out") use("");
};

/**
 * Go on with a token: whatever was refused is requested again. For another person the page is read anew, and forgets all.
 * @param {string} text
 */
async function use(text) {
	const before = me.value?.principal;
	keepToken(text);
	if (text) await identify();
	if (text && before !== undefined && me.value?.principal === before) {
		lacksToken.value = "";
		beginAnew();
	} else {
		location.reload();
	}
}

whenUnauthorized(() => {
	if (lacksToken.value) return;
	lacksToken.value = "waits";
	channel.postMessage({ kind: "request" });
	setTimeout(() => {
		if (lacksToken.value === "waits") lacksToken.value = token() ? "refused" : "missing";
	}, PATIENCE_MS);
});

/** Learn who looks at the page. Until an answer comes, all actions are offered: the service refuses what is not allowed. */
export async function identify() {
	try {
		me.value = (await get("/me")).data;
	} catch {
		me.value = null;
		// Without a token one is asked for; without a connection the page says so.
	}
}

/**
 * Use a token from now on, in all tabs.
 * @param {string} text
 * @throws {ApiError} the service does not accept it, or does not answer
 */
export async function signIn(text) {
	const headers = { Authorization: `Bearer ${text}` };
	let response;
	try {
		response = await fetch(new URL("./me", document.baseURI), { headers });
	} catch {
		throw new ApiError(0, "unreachable", "");
	}
	if (!response.ok) throw new ApiError(response.status, `http_${response.status}`, "");
	channel.postMessage({ kind: "token", token: text });
	use(text);
}

/** Forget the token in all tabs. */
export function signOut() {
	channel.postMessage({ kind: "sign-out" });
	use("");
}
