// JSON Schema, read for a form: which field each value gets. What is wrong with a value, the API says. Pure.
//
// A form must lose nothing: whatever has no field of its own is edited as JSON, also a value that does not fit its
// field, and names that the schema does not list.

const SIMPLE = ["string", "integer", "number", "boolean"];

/** Schemas may contain themselves; what lies deeper is edited as JSON. */
const MAX_DEPTH = 6;

/** Texts that may be longer get a field that grows. */
const SHORT = 100;

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} title
 * @property {string} hint what the schema says of it, and its limits
 * @property {string} kind `string`, `integer`, `number`, `boolean`, `choice`, `object`, `array`, `union` or `json`
 * @property {boolean} isRequired
 * @property {boolean} isNullable
 * @property {unknown} [initial] its default
 * @property {string} [format] of a string
 * @property {boolean} [isSecret]
 * @property {boolean} [isLong] whether a text may have several lines
 * @property {unknown[]} [choices]
 * @property {Field[]} [fields] of an object
 * @property {Field} [item] of an array
 * @property {Field[]} [options] of a union
 */

/** @typedef {Record<string, any>} Schema */
/** @typedef {{path: string, message: string}} Issue */

/** @param {Schema | null | undefined} schema @returns {Field} of the parameters as a whole: an object, a union, or JSON */
export function formOf(schema) {
	const field = fieldOf("", schema ?? {}, true, schema ?? {}, 0);
	if (field.kind === "json" && isOpen(schema ?? {})) return { ...field, kind: "object", fields: [] };
	return field;
}

/** Whether it says nothing of what is inside an object. @param {Schema} schema */
const isOpen = (schema) => Object.keys(schema).every((key) => ["type", "title", "description", "$schema", "$defs"].includes(key));

/**
 * @param {string} name @param {Schema} given @param {boolean} isRequired @param {Schema} root @param {number} depth
 * @returns {Field}
 */
function fieldOf(name, given, isRequired, root, depth) {
	const { schema, isNullable } = withoutNull(resolved(given, root), root);
	/** @type {Field} */
	const field = { name, title: name, hint: "", kind: "json", isRequired, isNullable };
	if (!schema || depth > MAX_DEPTH) return field;
	const { title = name, format, type } = schema;
	/** @type {Field} */
	const common = {
		...field,
		title,
		hint: [schema.description, ...limitsOf(schema)].filter(Boolean).join(" · "),
		...("default" in schema && { initial: schema.default }),
		isSecret: schema.writeOnly === true || format === "password",
	};
	const choices = schema.enum ?? ("const" in schema ? [schema.const] : undefined);
	if (choices) return { ...common, kind: "choice", choices };
	const alternatives = schema.oneOf ?? schema.anyOf;
	if (alternatives && !schema.properties) return unionOf(common, alternatives, root, depth);
	if (alternatives || schema.allOf || schema.patternProperties || schema.prefixItems) return common;
	if (type === "string") return { ...common, kind: type, format, isLong: !format && !((schema.maxLength ?? Infinity) <= SHORT) };
	if (SIMPLE.includes(type)) return { ...common, kind: type };
	if (schema.properties) {
		const required = schema.required ?? [];
		const fields = Object.entries(schema.properties).map(([inner, property]) =>
			fieldOf(inner, property, required.includes(inner), root, depth + 1),
		);
		// The log keeps no order of names.
		return { ...common, kind: "object", fields: fields.sort((one, other) => Number(other.isRequired) - Number(one.isRequired)) };
	}
	if (type === "array" && schema.items)
		return { ...common, kind: "array", item: { ...fieldOf("", schema.items, true, root, depth + 1), title: "" } };
	return common;
}

/** @param {Field} common @param {Schema[]} alternatives @param {Schema} root @param {number} depth @returns {Field} */
function unionOf(common, alternatives, root, depth) {
	const options = alternatives.map((one, index) => {
		const option = fieldOf(common.name, one, true, root, depth + 1);
		const constants = (option.fields ?? []).filter(({ kind, choices }) => kind === "choice" && choices?.length === 1);
		const title = option.title !== common.name && option.title ? option.title : constants[0]?.choices?.[0] ?? nameOf(option);
		return { ...option, title: String(title || index + 1) };
	});
	return { ...common, kind: "union", options };
}

const nameOf = (/** @type {Field} */ { kind, choices }) => (choices ? choices.map(String).join(", ") : kind);

/** @param {Schema} schema */
function limitsOf(schema) {
	/** @param {number | undefined} from @param {number | undefined} to @param {string} unit */
	const between = (from, to, unit) =>
		from !== undefined && to !== undefined
			? `${from} to ${to}${unit}`
			: from !== undefined ? `at least ${from}${unit}` : to !== undefined ? `at most ${to}${unit}` : "";
	const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, pattern } = schema;
	return [
		between(minimum, maximum, ""),
		exclusiveMinimum !== undefined && `more than ${exclusiveMinimum}`,
		exclusiveMaximum !== undefined && `less than ${exclusiveMaximum}`,
		multipleOf !== undefined && `a multiple of ${multipleOf}`,
		between(schema.minLength, schema.maxLength, " characters"),
		between(schema.minItems, schema.maxItems, " entries"),
		pattern !== undefined && `as ${pattern}`,
	].filter(Boolean);
}

/**
 * Follow a reference within the schema; null where it leads nowhere.
 * @param {any} schema @param {Schema} root @returns {Schema | null}
 */
function resolved(schema, root, hops = 0) {
	if (typeof schema !== "object" || schema === null) return {};
	if (!schema.$ref) return schema;
	const path = schema.$ref === "#" ? [] : schema.$ref.startsWith("#/") ? schema.$ref.slice(2).split("/") : null;
	const target = path?.reduce(
		(/** @type {any} */ node, /** @type {string} */ part) => node?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], root,
	);
	if (!target || hops > MAX_DEPTH) return null;
	return { ...resolved(target, root, hops + 1), ...schema, $ref: undefined };
}

/**
 * `anyOf [something, null]` is something that may be null.
 * @param {Schema | null} schema @param {Schema} root @returns {{schema: Schema | null, isNullable: boolean}}
 */
function withoutNull(schema, root) {
	if (!schema) return { schema: null, isNullable: false };
	const key = schema.anyOf ? "anyOf" : "oneOf";
	/** @type {Schema[] | undefined} */
	const kinds = Array.isArray(schema.type) ? schema.type.map((type) => ({ type })) : schema[key];
	if (!kinds) return { schema, isNullable: false };
	const others = kinds.filter(({ type }) => type !== "null");
	const isNullable = others.length < kinds.length;
	const { [key]: _, type: __, ...rest } = schema;
	if (others.length === 1) return { schema: { ...resolved(others[0], root), ...rest }, isNullable };
	return { schema: { ...rest, anyOf: others }, isNullable };
}

/** @param {Field} field @param {any} value @returns {boolean} whether a field can show a value without changing it */
export function fits(field, value) {
	if (value === undefined) return true;
	if (field.kind === "choice" && field.choices?.some((choice) => isSame(choice, value))) return true;
	if (value === null) return field.isNullable || field.kind === "json";
	switch (field.kind) {
		case "string": return typeof value === "string";
		case "integer": return Number.isSafeInteger(value);
		case "number": return typeof value === "number";
		case "boolean": return typeof value === "boolean";
		case "choice": return false;
		case "array": return Array.isArray(value);
		case "union": return Boolean(field.options?.some((option) => matches(option, value)));
		case "object": return typeof value === "object" && !Array.isArray(value);
		default: return true;
	}
}

/** @param {unknown} one @param {unknown} other */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** @param {Field} option @param {any} value @returns {boolean} whether a value is meant by this option of a union */
export function matches(option, value) {
	if (value === undefined || !fits(option, value)) return false;
	if (option.kind === "array" && value !== null) return value.every((/** @type {unknown} */ item) => matches(/** @type {Field} */ (option.item), item));
	if (option.kind !== "object" || value === null) return true;
	return (option.fields ?? []).every((field) =>
		value[field.name] === undefined ? !field.isRequired : fits(field, value[field.name]));
}

/**
 * Which option of a union a value is meant by: the one that was chosen, if several fit it, or none does yet.
 * @param {Field} field @param {unknown} value @param {number} chosen -1 for none
 * @returns {number}
 */
export function optionOf({ options = [] }, value, chosen) {
	if (options[chosen] && matches(options[chosen], value)) return chosen;
	const fitting = options.findIndex((option) => matches(option, value));
	return fitting === -1 ? chosen : fitting;
}

/**
 * What a field stands for once all of its text is taken away. Where a default would come instead, an empty text is meant.
 * @param {Field} field @returns {"" | null | undefined} undefined where its name is left out
 */
export function emptied({ kind, isRequired, isNullable, initial }) {
	const hasDefault = initial !== undefined && initial !== null;
	if (!isRequired && !hasDefault) return undefined;
	if (isNullable) return null;
	return kind === "string" ? "" : undefined;
}

/** Names that an object has and the schema does not list. @param {Field} field @param {Record<string, any> | undefined} value */
export const unlisted = (field, value) =>
	Object.keys(value ?? {}).filter((name) => !field.fields?.some((one) => one.name === name));

/** The value that a field begins with: its default, or as little as its kind allows. @param {Field} field @returns {unknown} */
export function emptyOf(field) {
	if (field.initial !== undefined) return field.initial;
	switch (field.kind) {
		case "choice": return field.choices?.[0];
		case "string": return "";
		case "integer":
		case "number": return 0;
		case "boolean": return false;
		case "array": return [];
		case "object": return initialOf(field);
		case "union": return field.options?.[0] ? emptyOf(field.options[0]) : null;
		default: return null;
	}
}

/** @param {Field} field of an object @returns {Record<string, unknown>} its defaults, and constants that must be there */
export function initialOf(field) {
	const entries = (field.fields ?? []).map((one) => {
		if (one.initial !== undefined) return [one.name, one.initial];
		if (one.isRequired && one.kind === "choice" && one.choices?.length === 1) return [one.name, one.choices[0]];
		if (one.isRequired && one.kind === "object") return [one.name, initialOf(one)];
		return [one.name, undefined];
	});
	return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** @param {Field} field @returns {boolean} whether it, or a field inside, hides what is written */
export const hasSecret = ({ isSecret, item, fields = [], options = [] }) =>
	Boolean(isSecret || (item && hasSecret(item)) || fields.some(hasSecret) || options.some(hasSecret));

/** @param {unknown} value @returns {boolean} whether it holds a number that browsers may have rounded when they read it */
export function isRounded(value) {
	if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
	return typeof value === "object" && value !== null && Object.values(value).some(isRounded);
}

/** @param {string} text @returns {Record<string, any> | null} null where it is no JSON object */
export function objectOf(text) {
	try {
		const read = JSON.parse(text);
		return typeof read === "object" && !Array.isArray(read) ? read : null;
	} catch {
		return null;
	}
}

/**
 * Return the object with another value of a name; undefined takes it away.
 * @param {Record<string, any>} object @param {string} name @param {unknown} value @returns {Record<string, any>}
 */
export function withValue(object, name, value) {
	const { [name]: _, ...others } = object;
	return value === undefined ? others : { ...object, [name]: value };
}

/** @param {Issue[]} issues @param {string} path @returns {string[]} what is wrong below a path of the parameters */
export function issuesAt(issues, path) {
	const whole = `/parameters${path}`;
	return issues.filter((issue) => issue.path === whole).map(({ message }) => message);
}
