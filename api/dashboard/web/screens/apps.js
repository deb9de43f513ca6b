// The catalog: apps with their tags, whether they are ingested, and their last build.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { Answered, Empty, html, into, Link, MoreRows, Status, Time } from "../parts.js";
import { address, change, get, useAnswer, useNewest } from "../state.js";
import { number, texts } from "../texts.js";

const PAGE = 48;

/** @typedef {{rows: Api.ListedApp[], total: number, next: number | null}} Page */

export function Screen() {
	const given = Object.fromEntries(address.value.words);
	/** @param {number} offset @returns {(signal?: AbortSignal) => Promise<Page>} */
	const load = (offset) => async (signal) => {
		const { data, meta, total } = await get(
			"/apps",
			[["q", given.q], ["status", given.status], ["limit", PAGE], ["offset", offset]],
			signal,
		);
		return { rows: data, total: total ?? data.length, next: meta.nextOffset };
	};
	const asked = useAnswer(load(0), [given.q, given.status]);
	const sought = useSignal(given.q ?? "");
	useEffect(() => {
		sought.value = given.q ?? ""; // As after a step back.
	}, [given.q]);
	const search = (/** @type {Event} */ event) => {
		event.preventDefault();
		change({ words: sought.value ? [["q", sought.value]] : [] });
	};
	return html`<div class="screen-head">
			<h1>${texts.apps.title} ${asked.answer && html`<span class="count">${number(asked.answer.total)}</span>`}</h1>
			<form class="group" role="search" onSubmit=${search}>
				<input
					type="search" data-filter aria-label=${texts.apps.search} placeholder=${texts.apps.search}
					value=${sought.value} onInput=${into(sought)} />
			</form>
		</div>
		<${Answered} asked=${asked}>
			${(/** @type {Page} */ { rows }) => html`
				<${List} found=${rows} isAll=${!given.q && !given.status} />
				<${MoreRows} asked=${asked} load=${(/** @type {number} */ next) => load(next)()} />
			`}
		<//>`;
}

/** @param {{found: Api.ListedApp[], isAll: boolean}} props */
function List({ found, isAll }) {
	const apps = useNewest(found, "apps", ({ id }) => id);
	if (apps.length === 0 && !isAll) return html`<${Empty} title=${texts.apps.noMatch} hint=${texts.apps.noMatchHint}>
		<button onClick=${() => change({ words: [] })}>${texts.apps.showAll}</button>
	<//>`;
	if (apps.length === 0)
		return html`<${Empty} title=${texts.apps.empty} hint=${texts.apps.emptyHint} command=${texts.apps.emptyCommand} />`;
	return html`<ul class="cards">${apps.map((app) => html`<${App} key=${app.id} app=${app} />`)}</ul>`;
}

/** @param {{app: Api.ListedApp}} props */
function App({ app }) {
	return html`<li class="card stack">
		<div class="screen-head">
			<h2><${Link} to=${{ view: "app", id: app.id }}>${app.name}<//></h2>
			<${Status} status=${app.ingestStatus} />
		</div>
		<p class="two-lines">${app.description}</p>
		${app.ingestError && html`<p class="problem two-lines">${app.ingestError}</p>`}
		<p class="tags">
			${app.tags.map(({ key, value }) => html`<span class="tag" key=${key + value}>${key}:${value}</span>`)}
		</p>
		<p class="quiet">
			${app.latestBuild && html`
				<${Status} status=${app.latestBuild.status} label=${texts.apps.buildIs(app.latestBuild.status)} />
			`}${" "}
			<${Time} at=${app.updatedAt} />
		</p>
	</li>`;
}
