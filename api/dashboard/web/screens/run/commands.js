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
