// A run as a command line, as curl and as Python, and the chain of runs that led to it. Pure.

// The same launch as a command or a program. Pure.

/** A job, and the body that launches it. @typedef {{slug: string, body: {parameters: Record<string, any>, [option: string]: any}}} Launch */

/** For a POSIX shell: within single quotes only they need care. */
const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Where the service is, by the address of its page. @param {string} page */
function serviceAt(page) {
	const { origin, pathname } = new URL(".", page);
	return origin + pathname.slice(0, -1);
}

/** @param {Launch} launch @param {string} page @param {boolean} needsToken */
export function asCurl({ slug, body }, page, needsToken) {
	const parts = [
		`curl -X POST ${quoted(`${serviceAt(page)}/jobs/${slug}/run`)}`,
		"-H 'Content-Type: application/json'",
		...(needsToken ? ['-H "Authorization: Bearer $APPHUB_TOKEN"'] : []),
		`-d ${quoted(JSON.stringify(body, null, 2))}`,
	];
	return parts.join(" \\\n  ");
}

/** What the body of a launch calls its options, and what the command line and Python do. */
const OPTIONS = {
	delayMs: ["--delay", "delay"],
	timeoutMs: ["--timeout", "timeout"],
	maxAttempts: ["--max-attempts", "max_attempts"],
	priority: ["--priority", "priority"],
	startDeadlineMs: ["--start-deadline", "start_deadline"],
	context: ["--context", "context"],
};

/**
 * @param {Launch} launch @param {0 | 1} language
 * @returns {[name: string, value: any][]} its options; what is milliseconds in a body is a text such as `1500ms`
 */
const optionsIn = ({ body }, language) =>
	Object.entries(OPTIONS)
		.filter(([field]) => body[field] !== undefined)
		.map(([field, names]) => [names[language], field.endsWith("Ms") ? `${body[field]}ms` : body[field]]);

/** @param {Launch} launch @param {string} page */
export function asCommand(launch, page) {
	const options = optionsIn(launch, 0).map(([name, value]) =>
		`${name} ${typeof value === "object" ? quoted(JSON.stringify(value)) : value}`);
	const command = ["apphub-jobs run", launch.slug, "--url", quoted(serviceAt(page)), ...options, "--params -"].join(" ");
	return `printf %s ${quoted(JSON.stringify(launch.body.parameters))} |\n  ${command}`;
}

/** @param {Launch} launch @param {string} page */
export function asPython(launch, page) {
	const options = optionsIn(launch, 1).map(([name, value]) => `${name}=${python(value)}`).join(", ");
	return [
		"from apphub_jobs import Client",
		"",
		`with Client("${serviceAt(page)}") as client:`,
		`    run = client${options && `.options(${options})`}.launch("${launch.slug}", ${python(launch.body.parameters)})`,
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
