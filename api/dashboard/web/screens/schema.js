// The common part of JSON Schema, read for a form: what a field is, and what is wrong with a value is said by the API. Pure.

const SIMPLE = ["string", "integer", "number", "boolean"];

/**
 * @returns {Field[] | null} null where a form would leave something out: then only JSON is offered
 * @typedef {{name: string, title: string, hint: string, kind: string, isRequired: boolean, choices?: unknown[], format?: string,
 *   fields?: Field[], item?: Field}} Field
 */
export function fieldsOf(schema, root = schema) {
	const whole = resolved(schema, root);
	if (!whole || whole.oneOf || whole.allOf || whole.patternProperties) return null;
	const properties = Object.entries(whole.properties ?? {});
	const fields = properties.map(([name, property]) =>
		fieldOf(name, property, (whole.required ?? []).includes(name), root),
	);
	if (fields.includes(null)) return null;
	return fields.sort((one, other) => other.isRequired - one.isRequired); // The log keeps no order of names.
}

function fieldOf(name, given, isRequired, root) {
	const schema = withoutNull(resolved(given, root), root);
	if (!schema) return null;
	const { title = name, description = "", type, format } = schema;
	const common = { name, title, hint: description, isRequired, format };
	const choices = schema.enum ?? ("const" in schema ? [schema.const] : undefined);
	if (choices) return { ...common, kind: "choice", choices };
	if (SIMPLE.includes(type)) return { ...common, kind: type };
	if (type === "object" && schema.properties) {
		const fields = fieldsOf(schema, root);
		return fields && { ...common, kind: "object", fields };
	}
	if (type === "array" && schema.items) {
		const item = fieldOf("", schema.items, true, root);
		return item && { ...common, kind: "array", item: { ...item, title: "" } };
	}
	return { ...common, kind: "json" };
}

/** Follow a reference within the schema; null where it leads nowhere. */
function resolved(schema, root) {
	if (typeof schema !== "object" || schema === null) return {};
	if (!schema.$ref) return schema;
	const path = schema.$ref.startsWith("#/") ? schema.$ref.slice(2).split("/") : null;
	const found = path?.reduce((place, part) => place?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], root);
	return found ? { ...found, ...schema, $ref: undefined } : null;
}

/** `anyOf [something, null]` is something that may be left out. */
function withoutNull(schema, root) {
	if (!schema) return null;
	const kinds = Array.isArray(schema.type) ? schema.type.map((type) => ({ type })) : schema.anyOf;
	if (!kinds) return schema;
	const others = kinds.filter(({ type }) => type !== "null");
	if (others.length !== 1) return { ...schema, type: undefined };
	const { anyOf: _, type: __, ...rest } = schema;
	return { ...rest, ...resolved(others[0], root) };
}

/** @returns {boolean} whether it holds a number that browsers may have rounded when they read it */
export function isRounded(value) {
	if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
	return typeof value === "object" && value !== null && Object.values(value).some(isRounded);
}

/** @returns {object | null} null where the text is no JSON object */
export function objectOf(text) {
	try {
		const read = JSON.parse(text);
		return typeof read === "object" && !Array.isArray(read) ? read : null;
	} catch {
		return null;
	}
}

/** The value that a new item of an array begins with. */
export function emptyOf(field) {
	if (field.kind === "choice") return field.choices[0];
	return { string: "", integer: 0, number: 0, boolean: false, object: {}, array: [] }[field.kind] ?? null;
}

/** Return the object with another value of a name; undefined takes it away. */
export function withValue(object, name, value) {
	const { [name]: _, ...others } = object;
	return value === undefined ? others : { ...object, [name]: value };
}

/** @param {{path: string, message: string}[]} issues @returns {string[]} what is wrong below a path of the parameters */
export function issuesAt(issues, path) {
	const whole = `/parameters${path}`;
	return issues.filter((issue) => issue.path === whole).map(({ message }) => message);
}
