// What fails, by cause: groups that open, are resolved or ignored, and open again.

import { Answered, Empty, html, MoreRows } from "../../parts.js";
import { address, ApiError, asOf, change, get, moment, pageOf, useAnswer, useRefresh } from "../../state.js";
import { texts } from "../../texts.js";
import { Group } from "./group.js";

const STATUSES = ["open", "resolved", "ignored"];

export function Screen() {
	const { words, id } = address.value;
	const given = Object.fromEntries(words);
	const status = given.status ?? "open";
	const asked = useAnswer((signal) => load(id, status, given.job, signal), [id, status, given.job]);
	useRefresh("failures", asked.again);
	const show = (shown) =>
		change({ id: "", words: [["status", shown], ...words.filter(([name]) => name !== "status")] });
	return html`<div class="screen-head">
			<h1>${texts.failures.title}</h1>
			<div class="group" role="group" aria-label=${texts.runs.columns.status}>
				${STATUSES.map((one) => html`
					<button key=${one} aria-pressed=${!id && one === status} onClick=${() => show(one)}>${one}</button>
				`)}
			</div>
		</div>
		<${Answered} asked=${asked}>
			${({ rows }) => html`<${List} groups=${rows} asked=${asked} load=${(cursor) => load("", status, given.job, undefined, cursor)} />`}
		<//>`;
}

async function load(id, status, job, signal, cursor) {
	if (id) return { rows: [await groupOf(id, signal)], next: null };
	return pageOf("/failures", [["status", status], ["job", job], ...moment.value], cursor, signal);
}

/** A single group has no past of its own; the list of all has. */
async function groupOf(id, signal) {
	if (asOf.value === "") return (await get(`/failures/${id}`, [], signal)).data;
	const { data } = await get("/failures", moment.value, signal);
	const found = data.find(({ fingerprint }) => fingerprint === id);
	if (!found) throw new ApiError(404, "failure_not_found", texts.failures.notThen);
	return found;
}

function List({ groups, asked, load: loadMore }) {
	if (groups.length === 0)
		return html`<${Empty} title=${texts.failures.empty} hint=${texts.failures.emptyHint} />`;
	return html`<ul class="stack">
			${groups.map((group) => html`
				<${Group} key=${group.fingerprint} group=${group} again=${asked.again} isOpen=${address.value.id === group.fingerprint} />
			`)}
		</ul>
		<${MoreRows} asked=${asked} load=${loadMore} />`;
}
