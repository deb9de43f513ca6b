// A run as a command line, as curl and as Python, and the chain of runs that led to it. Pure.

// The same launch as a command or a program. Pure.

const body = (run) => JSON.stringify({ parameters: run.parameters }, null, 2);

/** For a POSIX shell: within single quotes only they need care. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Where the service is, by the address of its page. */
function serviceAt(page) {
	const { origin, pathname } = new URL(".", page);
	return origin + pathname.slice(0, -1);
}

export function asCurl(run, page, needsToken) {
	const parts = [
		`curl -X POST ${quoted(`${serviceAt(page)}/jobs/${run.slug}/run`)}`,
		"-H 'Content-Type: application/json'",
		...(needsToken ? ['-H "Authorization: Bearer $APPHUB_TOKEN"'] : []),
		`-d ${quoted(body(run))}`,
	];
	return parts.join(" \\\n  ");
}

export function asCommand(run, page) {
	const command = `apphub-jobs run ${run.slug} --url ${quoted(serviceAt(page))} --params -`;
	return `printf %s ${quoted(JSON.stringify(run.parameters))} |\n  ${command}`;
}

export function asPython(run, page) {
	return [
		"from apphub_jobs import Client",
		"",
		`with Client("${serviceAt(page)}") as client:`,
		`    run = client.launch("${run.slug}", ${python(run.parameters)})`,
		"    print(run.result())",
	].join("\n");
}

function python(value) {
	if (value === null) return "None";
	if (value === true) return "True";
	if (value === false) return "False";
	if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
	if (typeof value === "object")
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
	const subjects = new Map();
	const subjectOf = new Map(); // by event id
	const roots = [];
	for (const { eventId, type, subject, occurredAt, causationId, data } of events) {
		const known = subjects.get(subject.id);
		if (known) {
			known.last = verbOf(type);
		} else {
			const parent = subjectOf.get(causationId);
			const cause = parent?.type ?? "";
			const fresh = { ...subject, app: data?.repository_id, at: occurredAt, last: verbOf(type), cause, children: [] };
			subjects.set(subject.id, fresh);
			const siblings = parent ? subjects.get(parent.id).children : roots;
			siblings.push(fresh);
		}
		subjectOf.set(eventId, { id: subject.id, type: verbOf(type) });
	}
	return roots;
}

const verbOf = (type) => type.split(".").at(-1).replaceAll("_", " ");
