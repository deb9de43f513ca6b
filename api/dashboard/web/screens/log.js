// The log itself: every event, by position; what it says, what caused it; and the newest as they come.

/** @import { On } from "../parts.js" */
/** @import { Asked } from "../state/loading.js" */
/** @import { EventPage, Given } from "./log_following.js" */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { Answered, Command, Empty, html, Json, Link, More, Time } from "../parts.js";
import { address, asOf, change, get, head, useAnswer, world } from "../state.js";
import { timeOf } from "../state/times.js";
import { texts } from "../texts.js";
import { Chip } from "./filter_bar.js";
import { BEFORE, canFollow, placeAfter, withNewer } from "./log_following.js";

const PAGE = 50;

/** However fast events come, they are asked for no more often. */
const PAUSE_MS = 1_000;

export function Screen() {
	const { words } = address.value;
	const given = Object.fromEntries(words);
	const isWanted = useSignal(true);
	const may = canFollow(asOf.value, given);
	const isFollowing = may && isWanted.value;
	const start = given.after ?? (may ? Math.max(head.peek() - BEFORE, 0) : 0);
	const asked = useAnswer(
		(signal) => pageOf({ ...given, after: start }, signal),
		[JSON.stringify(words), head.value > 0],
	);
	return html`<div class="screen-head">
			<h1>${texts.log.title}</h1>
			<div class="actions">
				<label class="check">
					<input type="checkbox" checked=${isFollowing} disabled=${!may}
						onChange=${(/** @type {On} */ { target }) => (isWanted.value = target.checked)} />${texts.log.live}</label>
			</div>
		</div>
		<${LogFilter} given=${given} />
		<${Answered} asked=${asked}>
			${(/** @type {EventPage} */ page) => html`<${List} page=${page} given=${given} asked=${asked} isFollowing=${isFollowing} />`}
		<//>
		<section class="card stack">
			<${Seal} />
			<p class="quiet">${texts.log.verify}</p>
			<${Command} text=${texts.log.verifyCommand} />
		</section>`;
}

function Seal() {
	const { answer } = useAnswer((signal) => get("/events/seal", [], signal), [], { everyMs: 5_000 });
	return answer && html`<p>${texts.log.sealed(answer.data)}</p>`;
}

/** @param {Given} given @param {AbortSignal} [signal] @returns {Promise<EventPage>} */
async function pageOf(given, signal) {
	const time = timeOf(asOf.value);
	const until = asOf.value && time !== null ? [["until", new Date(time).toISOString()]] : [];
	const { data, meta } = await get("/events", [...Object.entries(given), ["limit", PAGE], ...until], signal);
	const isPosition = asOf.value !== "" && time === null;
	/** @type {Api.Event[]} */
	const events = isPosition ? data.filter((/** @type {Api.Event} */ { position }) => position <= Number(asOf.value)) : data;
	const isOver = events.length < data.length;
	return { events, next: isOver ? null : meta.next, last: data.at(-1)?.position ?? Number(given.after) };
}

/** @param {{page: EventPage, given: Given, asked: Asked<EventPage>, isFollowing: boolean}} props */
function List({ page, given, asked, isFollowing }) {
	const more = async (/** @type {number} */ after) => {
		const known = world.value.position;
		const newer = await pageOf({ ...given, after });
		asked.set(page, withNewer(page, newer, after, known));
	};
	const { position } = world.value;
	const askedAt = useRef(/** @type {number | null} */ (0)); // When it was answered last; never, while it is asked.
	const rounds = useSignal(0);
	useEffect(() => {
		if (!isFollowing || position <= page.last || askedAt.current === null) return undefined;
		const ask = () => {
			askedAt.current = null;
			more(placeAfter(page, position))
				.catch(() => {}) // That the connection is lost is said already; the next round asks again.
				.finally(() => {
					askedAt.current = Date.now();
					rounds.value += 1;
				});
		};
		const timer = setTimeout(ask, askedAt.current + PAUSE_MS - Date.now());
		return () => clearTimeout(timer);
	}, [isFollowing, position, page, rounds.value]);
	if (page.events.length === 0) return html`<${Nothing} isOfEnd=${canFollow(asOf.value, given)} />`;
	const shown = isFollowing ? [...page.events].reverse() : page.events;
	return html`<ol class="log-events">
			${shown.map((event) => html`<${Event} key=${event.position} event=${event} />`)}
		</ol>
		${page.next !== null && !isFollowing && html`
			<${More} text=${texts.log.newer} load=${() => more(page.next ?? page.last)} />
		`}`;
}

/** @param {{isOfEnd: boolean}} props `isOfEnd`: what came before was not searched */
function Nothing({ isOfEnd }) {
	const words = texts.log;
	if (!isOfEnd) return html`<${Empty} title=${words.empty} hint=${words.emptyHint} />`;
	return html`<${Empty} title=${words.empty} hint=${words.emptyLately}>
		<${Link} to=${{ view: "log", words: [...address.value.words, ["after", "0"]] }}>${words.fromBeginning}<//>
	<//>`;
}

/** @param {{event: Api.Event}} props */
function Event({ event }) {
	const { position, type, subject, occurredAt, actor, correlationId } = event;
	const open = useSignal(false);
	const toggle = (/** @type {On<HTMLDetailsElement>} */ { target }) => (open.value = target.open);
	return html`<li>
		<details onToggle=${toggle}>
			<summary>
				<span class="position">${position}</span> <code class="event-type">${type}</code>
				<small class="id">${subject.id}</small> <small><bdi>${actor}</bdi> · <${Time} at=${occurredAt} /></small>
			</summary>
			${open.value && html`<div class="stack event-detail">
				<p class="group">
					${subject.type === "job_run" && html`<${Link} to=${{ view: "run", id: subject.id }}>${texts.views.run}<//>`}
					<${Link} to=${{ view: "log", words: [["subject", subject.id], ["after", 0]] }}>${texts.log.ofSubject}<//>
					${correlationId && html`<${Link}
						to=${{ view: "log", words: [["correlation", correlationId], ["after", 0]] }}>
						${texts.run.chain}
					<//>`}
					<${Link} to=${{ view: "overview", asOf: String(position) }}>${texts.log.then}<//>
				</p>
				<${Json} value=${event} label=${texts.log.show} />
			</div>`}
		</details>
	</li>`;
}

// Which events: by type, by what they are of, by who caused them, from which position on.

const NAMES = /** @type {const} */ (["type", "subject", "actor", "after"]);

const EXAMPLES = { type: "job_run.started", subject: "", actor: "worker:…", after: "0" };

/** @param {{given: Given}} props */
function LogFilter({ given }) {
	const submit = (/** @type {On<HTMLFormElement>} */ event) => {
		event.preventDefault();
		const form = new FormData(event.target);
		const entries = NAMES.map((name) => /** @type {[string, string]} */ ([name, String(form.get(name)).trim()]));
		const words = entries.filter(([, value]) => value !== "");
		change({ words: given.correlation ? [...words, ["correlation", given.correlation]] : words });
	};
	const fields = useRef(/** @type {HTMLFormElement | null} */ (null));
	useEffect(() => fields.current?.reset(), [JSON.stringify(given)]); // The fields show the address, as after a step back.
	const withoutCorrelation = () => change({ words: address.value.words.filter(([name]) => name !== "correlation") });
	return html`<form class="group log-filter" role="search" ref=${fields} onSubmit=${submit}>
		${NAMES.map((name) => html`<label key=${name}>
			${texts.log[name]}
			<input name=${name} defaultValue=${given[name] ?? ""} placeholder=${EXAMPLES[name]}
				data-filter=${name === NAMES[0]} />
		</label>`)}
		<button>${texts.log.apply}</button>
		${given.correlation && html`<${Chip} word=${["correlation", given.correlation]} remove=${withoutCorrelation} />`}
	</form>`;
}
