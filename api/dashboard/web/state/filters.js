// The grammar of filters, as a person writes it: `status=failed job!=report parameters.region="eu west"`.
// Pure. The API reads each condition as a parameter of its query: `status!=failed` is the parameter `status!`.

/** @type {Api.Run["status"][]} */
export const STATUSES = ["pending", "running", "succeeded", "failed", "canceled", "expired"];

/** What runs can be filtered by; a parameter's name is the writer's own. */
const NAMES = [
	"status", "job", "search", "actor", "failure", "failureGroup", "worker", "retried", "runtime", "moduleId",
	"createdAfter", "createdBefore", "endedAfter", "endedBefore", "minDurationMs", "maxDurationMs", "error",
];

const PARAMETER = "parameters.";

const FAILURES = [
	"error", "permanent_error", "no_handler", "invalid_result", "exit", "signal", "out_of_memory",
	"worker_lost", "execution_timeout", "start_deadline", "handler",
];

/** Names that are compared with one of a few values. @type {Record<string, string[]>} */
const VALUES = {
	status: STATUSES,
	failure: FAILURES,
	runtime: ["python", "node", "docker", "module"],
	retried: ["true", "false"],
};

const WORD = /([^\s=!"]+)(!?=)("(?:[^"\\]|\\.)*"|\S*)|("(?:[^"\\]|\\.)*"|\S+)/g;

/**
 * Read what somebody wrote. What is no condition is searched for.
 * @param {string} text
 * @returns {[string, string][]} name (with `!` where it is negated) and value
 */
export function parse(text) {
	/** @type {[string, string][]} */
	const words = [];
	const sought = [];
	for (const [, name, operator, value, loose] of text.matchAll(WORD)) {
		if (loose !== undefined) sought.push(unquoted(loose));
		else if (value) words.push([operator === "!=" ? `${name}!` : name, unquoted(value)]);
	}
	if (sought.length > 0) words.push(["search", sought.join(" ")]);
	return words;
}

/** @param {[string, string][]} words @returns {string} as a person would write them */
export function format(words) {
	return words.map(condition).join(" ");
}

/** @param {[string, string]} word @returns {string} such as `status!=failed`, which `parse` reads again */
export function condition([name, value]) {
	return `${name}=${needsQuotes(value) ? JSON.stringify(value) : value}`;
}

/** @param {[string, string][]} words @returns {string[]} for bulk operations: not quoted; all runs if there are none */
export function conditions(words) {
	const filter = written(words);
	return filter.length > 0 ? filter : ["all"];
}

/** @param {[string, string][]} words @returns {string[]} as the API writes conditions: not quoted */
export function written(words) {
	return words.filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value}`);
}

/** @param {string[]} filter conditions as the API writes them @returns {[string, string][]} */
export function wordsOf(filter) {
	return filter.map((text) => {
		const [name] = text.split("=", 1);
		return [name, text.slice(name.length + 1)];
	});
}

/**
 * Return the words with one more; of a name that is not negated there is only one.
 * @param {[string, string][]} words @param {[string, string]} word @returns {[string, string][]}
 */
export function withWord(words, [name, value]) {
	const isNegated = name.endsWith("!");
	const others = words.filter((word) => isNegated ? word[0] !== name || word[1] !== value : word[0] !== name);
	return [...others, [name, value]];
}

/** @param {[string, string][]} words @param {number} place */
export function withoutWord(words, place) {
	return words.filter((_, index) => index !== place);
}

/**
 * What could stand where somebody is writing.
 * @param {string} typed the word so far
 * @param {{jobs: string[], parameters: string[]}} known
 * @returns {string[]} whole words, at most eight
 */
export function suggestions(typed, known) {
	const [, name = "", operator = "", value = ""] = typed.match(/^([^=!]*)(!?=)?(.*)$/) ?? [];
	if (!operator) {
		const names = [...NAMES, ...known.parameters.map((parameter) => PARAMETER + parameter)];
		const fitting = names.filter((one) => one.toLowerCase().startsWith(name.toLowerCase()));
		return fitting.flatMap((one) => [`${one}=`, `${one}!=`]).slice(0, 8);
	}
	const values = name === "job" ? known.jobs : (VALUES[name] ?? []);
	const [last = ""] = value.split(",").slice(-1);
	const before = value.slice(0, value.length - last.length);
	const fitting = values.filter((one) => one.toLowerCase().startsWith(last.toLowerCase()));
	return fitting.map((one) => `${name}${operator}${before}${one}`).slice(0, 8);
}

/** @param {string} text */
function unquoted(text) {
	if (!text.startsWith('"') || text.length < 2) return text;
	try {
		return JSON.parse(text);
	} catch {
		return text.slice(1, -1);
	}
}

/** @param {string} value */
function needsQuotes(value) {
	return value === "" || /[\s"]/.test(value);
}

// Whether a run that the stream tells of belongs to a list, as far as a page can tell. Pure.
//
// What only the API knows (a job's runtime and labels, groups of failures, workers) counts as a match of a run that is new:
// a pill that offers one run too many is better than one that hides a run.

/** @typedef {(slug: string) => string | undefined} NameOf a job's name, once that is known */

/** @param {[string, string][]} words @param {Api.Run} run @param {NameOf} nameOf */
export function matches(words, run, nameOf) {
	return words.every(([name, value]) => {
		const isNegated = name.endsWith("!");
		const test = TESTS[isNegated ? name.slice(0, -1) : name] ?? testOfNamed(name);
		const result = test(run, value, nameOf(run.slug));
		return result === undefined || result !== isNegated;
	});
}

/** By what each order of a list goes, the highest first; null for a run that has no place in it. @type {Record<string, (run: Api.Run) => number | null>} */
const RANKS = {
	"": (run) => Date.parse(run.createdAt),
	started: ({ completedAt, startedAt }) => (completedAt && startedAt ? Date.parse(startedAt) : null),
	ended: ({ completedAt }) => (completedAt ? Date.parse(completedAt) : null),
	duration: ({ completedAt, durationMs }) => (completedAt ? durationMs : null),
};

/**
 * Whether a run that has changed would stand among the rows of a list, or before them.
 * @param {Api.Run} run @param {{words: [string, string][], sort: string}} list @param {{rows: Api.Run[], next: unknown}} page
 * @param {NameOf} nameOf
 */
export function belongsTo(run, { words, sort }, { rows, next }, nameOf) {
	if (!matches(words, run, nameOf)) return false;
	const rankOf = RANKS[sort] ?? RANKS[""];
	const rank = rankOf(run);
	if (rank === null) return false;
	// Of what only the API knows a page can tell no more than that the run is newer than all others.
	if (!areDecided(words)) return rows.length === 0 || rank >= (rankOf(rows[0]) ?? 0);
	const last = rows.at(-1);
	return next === null || last === undefined || rank > (rankOf(last) ?? 0);
}

/**
 * The order of a list that is read while its order changes: what was shown stays as it was, what is new and would stand among
 * it comes before it, and what follows, such as of another page, after it.
 * @param {string[]} before keys as they were shown @param {string[]} now as they would be
 * @returns {string[]} those of now
 */
export function stillOrder(before, now) {
	const isKnown = (/** @type {string} */ key) => before.includes(key);
	const end = now.findLastIndex(isKnown) + 1;
	const fresh = now.slice(0, end).filter((key) => !isKnown(key));
	return [...fresh, ...before.filter((key) => now.includes(key)), ...now.slice(end)];
}

/** @param {[string, string][]} words @returns {boolean} whether a page can tell if a run matches all conditions */
export const areDecided = (words) =>
	words.every(([name]) => !UNDECIDED.includes(name.replace(/!$/, "")) && !name.startsWith("label."));

const UNDECIDED = ["runtime", "moduleId", "failureGroup", "worker", "retried"];

/** @param {string} value */
const parts = (value) => value.toLowerCase().split(/[\s,]+/).filter(Boolean);

/** @typedef {(run: Api.Run, value: string, jobName?: string) => boolean | undefined} Test undefined where only the API knows */

/** @type {Record<string, Test>} */
const TESTS = {
	status: (run, value) => parts(value).includes(run.status),
	job: (run, value) => parts(value).includes(run.slug.toLowerCase()),
	failure: (run, value) => parts(value).includes(run.failureReason ?? ""),
	actor: (run, value) => value.split(",").some((one) => one.trim() === run.requestedBy),
	createdAfter: (run, value) => Date.parse(run.createdAt) >= Date.parse(value),
	createdBefore: (run, value) => Date.parse(run.createdAt) < Date.parse(value),
	endedAfter: (run, value) => endOf(run) >= Date.parse(value),
	endedBefore: (run, value) => endOf(run) < Date.parse(value),
	minDurationMs: (run, value) => taken(run) >= Number(value),
	maxDurationMs: (run, value) => taken(run) <= Number(value),
	error: (run, value) => Boolean(run.completedAt) && (run.errorMessage ?? "").toLowerCase().includes(value.toLowerCase()),
	search: (run, value, jobName) => found(run, value.toLowerCase(), jobName),
	runtime: () => undefined,
	moduleId: () => undefined,
	failureGroup: (run) => (run.completedAt ? undefined : false),
	worker: (run) => (run.startedAt ? undefined : false),
	retried: (run, value) => (run.completedAt ? undefined : value === "false"),
};

// Not a number where there is none: that compares with nothing.

/** @param {Api.Run} run */
const endOf = (run) => (run.completedAt ? Date.parse(run.completedAt) : NaN);

/** @param {Api.Run} run */
const taken = (run) => (run.completedAt ? (run.durationMs ?? NaN) : NaN);

/**
 * @param {Api.Run} run @param {string} text @param {string | undefined} jobName
 * @returns {boolean | undefined} undefined for a job that is not known yet
 */
function found(run, text, jobName) {
	return run.slug.toLowerCase().includes(text) || run.id.startsWith(text) || jobName?.toLowerCase().includes(text);
}

/** @param {string} name @returns {Test} */
function testOfNamed(name) {
	return name.startsWith("label.") ? () => undefined : parameterTest(name);
}

/** @param {string} name @returns {Test} */
function parameterTest(name) {
	const parameter = name.replace(/!$/, "").replace(/^parameters\./, "");
	return (run, value) => {
		const has = run.parameters?.[parameter];
		return has !== undefined && (has === value || JSON.stringify(has) === value);
	};
}
