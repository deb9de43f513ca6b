// An app: where it comes from, its builds with their logs, and how each ingestion went.

/** @import { On } from "../parts.js" */

import { useSignal } from "@preact/signals";

import { Answered, attempt, Duration, html, RunLink, shortId, Status, Time } from "../parts.js";
import { address, get, inPath, mayAct, post, useAnswer, useNewest, useRefresh } from "../state.js";
import { texts } from "../texts.js";

const MAX_ROWS = 50;

export function Screen() {
	const { id } = address.value;
	const asked = useAnswer(
		async (signal) => {
			const [app, builds, history] = await Promise.all([
				get(`/apps/${inPath(id)}`, [], signal),
				get(`/apps/${id}/builds`, [["limit", MAX_ROWS]], signal),
				get(`/apps/${id}/history`, [["limit", MAX_ROWS]], signal),
			]);
			const isCut = builds.meta.hasMore || history.meta.hasMore;
			return { app: app.data, builds: builds.data, history: history.data, isCut };
		},
		[id],
	);
	useRefresh("apps", asked.again, (apps) => apps.has(id));
	useRefresh("builds", asked.again, (builds) =>
		[...builds.values()].some((build) => build.repositoryId === id && !asked.answer?.builds.some((/** @type {Api.BuildShape} */ one) => one.id === build.id)));
	return html`<${Answered} asked=${asked} lines=${8} list="apps">
		${(/** @type {Known} */ answer) => html`<${App} ...${answer} again=${asked.again} />`}
	<//>`;
}

/** @typedef {{app: Api.AppShape, builds: Api.BuildShape[], history: Api.IngestionEvent[], isCut: boolean}} Known */

/** @param {Known & {again: () => void}} props */
function App({ app, builds, history, isCut, again }) {
	const newest = useNewest(builds, "builds", ({ id }) => id);
	const words = texts.apps;
	return html`<div class="screen-head">
			<div><h1>${app.name}</h1><p class="quiet"><code>${app.repoUrl}</code></p></div>
			${mayAct.value && html`<div class="actions">
				<button onClick=${() => attempt(() => post(`/apps/${app.id}/retry`).then(again), words.ingesting)}>${words.retry}</button>
				<button class="main" onClick=${() => attempt(() => post(`/apps/${app.id}/builds`).then(again), words.building)}>
					${words.build}
				</button>
			</div>`}
		</div>
		<p>${app.description}</p>
		<p class="tags">
			<${Status} status=${app.ingestStatus} />
			${app.tags.map(({ key, value }) => html`<span class="tag" key=${key + value}>${key}:${value}</span>`)}
		</p>
		${app.ingestError && html`<p class="error-message" tabindex="0"><code>${app.ingestError}</code></p>`}
		${isCut && html`<p class="note">${texts.apps.cut}</p>`}
		<${Previews} tiles=${app.previewTiles} />
		<section class="stack">
			<h2>${words.builds}</h2>
			${newest.length === 0 ? html`<p class="quiet">${words.noBuilds}</p>` : newest.map((build) => html`
				<${Build} key=${build.id} build=${build} again=${again} />
			`)}
		</section>
		<section class="card stack">
			<h2>${words.history}</h2>
			<ol class="needs">
				${history.map((entry) => html`<li key=${entry.id}>
					<${Status} status=${entry.status} /> ${entry.message}
					<small><${Time} at=${entry.createdAt} /></small> <${RunLink} id=${entry.jobRunId} />
				</li>`)}
			</ol>
		</section>`;
}

/** @typedef {{id: string, title?: string | null, src?: string, posterUrl?: string, embedUrl?: string}} Tile */

/** What a tile shows, or the page that it would embed. @param {Tile} tile */
const placeOf = ({ src, posterUrl, embedUrl }) => src ?? posterUrl ?? embedUrl ?? "";

/** @param {{tile: Tile}} props */
function Elsewhere({ tile }) {
	const place = placeOf(tile);
	const text = tile.title ?? place;
	return /^https?:/.test(place) ? html`<a href=${place} rel="noreferrer">${text}</a>` : text;
}

/**
 * Pictures within the repository are shown; what lies elsewhere is only named, so that nobody else learns who looks.
 * @param {{tiles: Tile[]}} props
 */
function Previews({ tiles }) {
	if (tiles.length === 0) return null;
	return html`<section class="stack">
		<h2>${texts.apps.previews}</h2>
		<ul class="cards">
			${tiles.map((tile) => html`<li class="card stack" key=${tile.id}>
				${placeOf(tile).startsWith("data:image/") ? html`
					<img class="preview" src=${placeOf(tile)} alt=${tile.title ? "" : texts.apps.preview} />
					${tile.title && html`<small>${tile.title}</small>`}
				` : html`<${Elsewhere} tile=${tile} />`}
			</li>`)}
		</ul>
	</section>`;
}

// A build, with its log when that is asked for.

/** @param {{build: Api.BuildShape, again: () => void}} props */
function Build({ build, again }) {
	const {
		id, status, imageTag, errorMessage, commitSha, createdAt, startedAt, completedAt, durationMs,
		hasLogs, jobRunId,
	} = build;
	const isOpen = useSignal(false);
	const toggle = (/** @type {On<HTMLDetailsElement>} */ { target }) => (isOpen.value = target.open);
	const words = texts.apps;
	return html`<article class="card stack">
		<div class="screen-head">
			<h3><span class="id">${shortId(id)}</span></h3>
			<${Status} status=${status} />
			<small><${Time} at=${createdAt} /> · <${Duration} from=${startedAt} to=${completedAt} ms=${durationMs} /></small>
			${jobRunId && html`<${RunLink} id=${jobRunId} />`}
			${status === "failed" && mayAct.value && html`
				<div class="actions"><button onClick=${() => attempt(() => post(`/builds/${id}/retry`).then(again), words.building)}>${words.rebuild}</button></div>
			`}
		</div>
		<p>
			${imageTag && html`<code>${imageTag}</code>`}${" "}
			${commitSha && html`<small class="id">${commitSha.slice(0, 12)}</small>`}
		</p>
		${errorMessage && html`<p class="problem">${errorMessage}</p>`}
		${hasLogs && html`<details onToggle=${toggle}>
			<summary>${words.log}</summary>
			${isOpen.value && html`<${BuildLog} id=${id} status=${status} />`}
		</details>`}
	</article>`;
}

/** @param {{id: string, status: Api.BuildShape["status"]}} props */
function BuildLog({ id, status }) {
	const asked = useAnswer((signal) => get(`/builds/${id}/logs`, [], signal), [id], {
		newer: [status],
		everyMs: status === "running" ? 2_000 : undefined,
	});
	return html`<${Answered} asked=${asked}>
		${(/** @type {{data: Api.BuildLog}} */ { data }) => html`<pre class="log-lines" tabindex="0" aria-label=${texts.apps.log}>${data.logs}</pre>`}
	<//>`;
}
