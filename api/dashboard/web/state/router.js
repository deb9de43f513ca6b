// The address as a signal, and how to change it. Whatever a screen can be set to stands in the address.

import { computed, signal } from "@preact/signals";

import { read, write } from "./address.js";
import { timeOf } from "./times.js";

export const address = signal(read(location.search));

/** The moment that is looked at: "" for the present, or a position or a time. */
export const asOf = computed(() => address.value.asOf);

/** Of these pages no past is kept: they show the present, whatever moment is looked at. */
const PRESENT_ONLY = ["schedule", "workers", "apps", "app"];

/** @returns {boolean} whether the page shows the past */
export const showsPast = computed(() => asOf.value !== "" && !PRESENT_ONLY.includes(address.value.view));

/** Parameters for questions that can be asked about the past. */
export const moment = computed(() => /** @type {import("./api.js").Query} */ ([["asOf", asOf.value]]));

/** @param {Api.Event} event @returns {boolean} whether an event had happened at the moment that is looked at, as the API decides that */
export function hadHappened({ position, recordedAt, occurredAt }) {
	if (asOf.value === "") return true;
	const time = timeOf(asOf.value);
	return time === null ? position <= Number(asOf.value) : Date.parse(recordedAt ?? occurredAt) <= time;
}

/** @param {Partial<import("./address.js").Address>} target @returns {string} the moment is kept, unless another is given */
export function hrefOf(target) {
	return write({ asOf: asOf.value, ...target });
}

// Where somebody stands on a page, such as how far down a list: kept in the history, so that the back key leads back there.

/** @type {(() => object | null) | null} */
let placeOf = null;

/** @param {() => object | null} give says where one stands @returns {() => void} call it when the page is left */
export function keepPlace(give) {
	placeOf = give;
	return () => {
		if (placeOf === give) placeOf = null;
	};
}

/** @returns {any} where one stood when this entry of the history was left */
export const keptPlace = () => history.state;

export const forgetPlace = () => history.replaceState(null, "");

const savePlace = () => placeOf && history.replaceState(placeOf(), "");

addEventListener("scrollend", savePlace);

/**
 * Go to another address; the back key leads back from it, unless it replaces this one.
 * @param {Partial<import("./address.js").Address>} target @param {{replace?: boolean}} options
 */
export function navigate(target, { replace = false } = {}) {
	const href = hrefOf(target);
	const isSame = href === (location.search || "?");
	savePlace();
	history[replace || isSame ? "replaceState" : "pushState"](null, "", href);
	address.value = read(location.search);
}

/** Change a part of the address. @param {Partial<import("./address.js").Address>} part @param {{replace?: boolean}} [options] */
export function change(part, options) {
	navigate({ ...address.value, ...part }, options);
}

addEventListener("popstate", () => {
	address.value = read(location.search);
});
