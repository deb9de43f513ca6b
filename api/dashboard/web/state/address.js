// The page's address: a view and conditions, all in the query, so that every state can be kept and sent to others.
// Pure. What belongs to the page itself is named here; everything else in the query is a filter of the list shown.

/** Names in the query that belong to the page; filters are called otherwise. @type {Exclude<keyof Address, "words">[]} */
const OWN = ["view", "id", "tab", "asOf", "compare", "range", "sort"];

const FIRST_VIEW = "overview";

/**
 * @typedef {{view: string, id: string, tab: string, asOf: string, compare: string, range: string, sort: string, words: [string, string][]}} Address
 */

/** @param {string} query such as `?view=runs&status!=failed` @returns {Address} */
export function read(query) {
	const pairs = [...new URLSearchParams(query)];
	/** @type {Address} */
	const address = { view: FIRST_VIEW, id: "", tab: "", asOf: "", compare: "", range: "", sort: "", words: [] };
	for (const [name, value] of pairs) {
		const own = OWN.find((one) => one === name);
		if (own) address[own] = value;
		else address.words.push([name, value]);
	}
	return address;
}

/** @param {Partial<Address>} address @returns {string} the query that reads as that address */
export function write(address) {
	const query = new URLSearchParams();
	for (const name of OWN) {
		const value = address[name];
		const isFirst = name === "view" && value === FIRST_VIEW;
		if (value && !isFirst) query.append(name, value);
	}
	for (const [name, value] of address.words ?? []) query.append(name, value);
	const text = query.toString().replaceAll("%21=", "!=").replaceAll("%3A", ":").replaceAll("%2C", ",");
	return text ? `?${text}` : "?";
}
