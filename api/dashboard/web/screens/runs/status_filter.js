// One button a status; as long as nothing else is filtered, with how many runs there are in it.

import { html, Icon } from "../../parts.js";
import { useCounts } from "../../state.js";
import { STATUSES, withWord } from "../../state/filters.js";
import { number, texts } from "../../texts.js";

export function StatusFilter({ words, setWords }) {
	const counts = useCounts();
	const chosen = (words.find(([name]) => name === "status")?.[1] ?? "").split(",").filter(Boolean);
	const isOnlyFilter = words.every(([name]) => name === "status");
	const toggle = (status) => {
		const now = chosen.includes(status) ? chosen.filter((one) => one !== status) : [...chosen, status];
		const others = words.filter(([name]) => name !== "status");
		setWords(now.length > 0 ? withWord(others, ["status", now.join(",")]) : others);
	};
	return html`<div class="status-filter" role="group" aria-label=${texts.runs.columns.status}>
		${STATUSES.map((status) => html`<button
			key=${status} class="status status-${status}" aria-pressed=${chosen.includes(status)}
			onClick=${() => toggle(status)}>
			<${Icon} name=${status} />${status}
			${isOnlyFilter && counts && html`<span class="count">${number(counts[status])}</span>`}
		</button>`)}
	</div>`;
}
