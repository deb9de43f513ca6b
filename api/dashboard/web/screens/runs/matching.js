// Whether a run that the stream tells of belongs to a list, as far as a page can tell. Pure.
//
// What only the API knows (a job's name, runtime and labels, groups of failures) counts as a match: a pill that offers
// one run too many is better than one that hides a run.

/** @param {[string, string][]} words @param {object} run */
export function matches(words, run) {
	return words.every(([name, value]) => {
		const isNegated = name.endsWith("!");
		const test = TESTS[isNegated ? name.slice(0, -1) : name] ?? testOfNamed(name);
		const result = test(run, value);
		return result === undefined || result !== isNegated;
	});
}

const parts = (value) => value.toLowerCase().split(/[\s,]+/).filter(Boolean);

const TESTS = {
	status: (run, value) => parts(value).includes(run.status),
	job: (run, value) => parts(value).includes(run.slug.toLowerCase()),
	failure: (run, value) => parts(value).includes(run.failureReason),
	actor: (run, value) => value.split(",").some((one) => one.trim() === run.requestedBy),
	createdAfter: (run, value) => Date.parse(run.createdAt) >= Date.parse(value),
	createdBefore: (run, value) => Date.parse(run.createdAt) < Date.parse(value),
	search: (run, value) => found(run, value.toLowerCase()) || undefined,
	runtime: () => undefined,
	moduleId: () => undefined,
	failureGroup: () => undefined,
	retried: () => undefined,
};

function found(run, text) {
	return run.slug.toLowerCase().includes(text) || run.id.startsWith(text);
}

function testOfNamed(name) {
	return name.startsWith("label.") ? () => undefined : parameterTest(name);
}

function parameterTest(name) {
	const parameter = name.replace(/!$/, "").replace(/^parameters\./, "");
	return (run, value) => {
		const has = run.parameters?.[parameter];
		return has !== undefined && (has === value || JSON.stringify(has) === value);
	};
}
