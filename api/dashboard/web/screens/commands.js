// A run as a command line, as curl and as Python, and the chain of runs that led to it. Pure.

// The same launch as a command or a program. Pure.

/** @typedef {Pick<Api.Run, "slug" | "parameters">} Launch */

const body = (/** @type {Launch} */ run) => JSON.stringify({ parameters: run.parameters }, null, 2);

/** For a POSIX shell: within single quotes only they need care. */
const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Where the service is, by the address of its page. @param {string} page */
function serviceAt(page) {
	const { origin, pathname } = new URL(".", page);
	return origin + pathname.slice(0, -1);
}

/** @param {Launch} run @param {string} page @param {boolean} needsToken */
export function asCurl(run, page, needsToken) {
	const parts = [
		`curl -X POST ${quoted(`${serviceAt(page)}/jobs/${run.slug}/run`)}`,
		"-H 'Content-Type: application/json'",
		...(needsToken ? ['-H "Authorization: Bearer $APPHUB_TOKEN"'] : []),
		`-d ${quoted(body(run))}`,
	];
	return parts.join(" \\\n  ");
}

/** @param {Launch} run @param {string} page */
export function asCommand(run, page) {
	const command = `apphub-jobs run ${run.slug} --url ${quoted(serviceAt(page))} --params -`;
	return `printf %s ${quoted(JSON.stringify(run.parameters))} |\n  ${command}`;
}

/** @param {Launch} run @param {string} page */
export function asPython(run, page) {
	return [
		"from apphub_jobs import Client",
		"",
		`with Client("${serviceAt(page)}") as client:`,
		`    run = client.launch("${run.slug}", ${python(run.parameters)})`,
		"    print(run.result())",
	].join("\n");
}

/** @param {unknown} value of JSON @returns {string} */
function python(value) {
	if (value === null) return "None";
	if (value === true) return "True";
	if (value === false) return "False";
	if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
	if (typeof value === "object" && value)
		return `{${Object.entries(value)
			.map(([name, one]) => `${JSON.stringify(name)}: ${python(one)}`)
			.join(", ")}}`;
	return JSON.stringify(value);
}

// What led to the run, and what it led to: a tree of subjects, from the events that share their origin. Pure.

/**
 * @typedef {{type: string, id: string, app?: string, at: string, last: string, cause: string, children: Subject[]}} Subject
 *   `app` is the one that it is of; `last` what happened to it last; `cause` the event of its parent that it follows from
 */

/**
 * @param {Api.Event[]} events with the same correlation, in order
 * @returns {Subject[]} those that nothing known caused; each with what it caused
 */
export function chainOf(events) {
	/** @type {Map<string, Subject>} */
	const subjects = new Map();
	/** By event id. @type {Map<string | null, {subject: Subject, type: string}>} */
	const subjectOf = new Map();
	/** @type {Subject[]} */
	const roots = [];
	for (const { eventId, type, subject, occurredAt, causationId, data } of events) {
		const last = verbOf(type);
		let known = subjects.get(subject.id);
		if (known) {
			known.last = last;
		} else {
			const parent = subjectOf.get(causationId);
			const cause = parent?.type ?? "";
			known = { ...subject, app: data?.repository_id, at: occurredAt, last, cause, children: [] };
			subjects.set(subject.id, known);
			const siblings = parent?.subject.children ?? roots;
			siblings.push(known);
		}
		subjectOf.set(eventId, { subject: known, type: last });
	}
	return roots;
}

/** @param {string} type */
const verbOf = (type) => type.slice(type.lastIndexOf(".") + 1).replaceAll("_", " ");
