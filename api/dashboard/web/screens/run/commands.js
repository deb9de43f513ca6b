// The same launch as a command or a program. Pure.

const body = (run) => JSON.stringify({ parameters: run.parameters }, null, 2);

/** For a POSIX shell: within single quotes only they need care. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function asCurl(run, base) {
	const url = new URL(`./jobs/${run.slug}/run`, base);
	const parts = [
		`curl -X POST ${quoted(url.origin + url.pathname)}`,
		"-H 'Content-Type: application/json'",
		`-d ${quoted(body(run))}`,
	];
	return parts.join(" \\\n  ");
}

export function asCommand(run) {
	return `printf %s ${quoted(JSON.stringify(run.parameters))} |\n  apphub-jobs run ${run.slug} --params -`;
}

export function asPython(run) {
	return [
		"from apphub_jobs import Client",
		"",
		"with Client() as client:",
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
