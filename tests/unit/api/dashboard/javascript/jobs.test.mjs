import assert from "node:assert/strict";
import { test } from "node:test";

import { durationsOf, percentile, pointsOf } from "../../../../../api/dashboard/web/state/statistics.js";
import { limitsOf } from "../../../../../api/dashboard/web/screens/definition.js";
import { emptied, emptyOf, fits, formOf, initialOf, isRounded, issuesAt, matches, objectOf, optionOf, unlisted, withValue } from "../../../../../api/dashboard/web/screens/schema.js";
import { changesBetween, historyOf, revisable } from "../../../../../api/dashboard/web/screens/definition.js";
import { bucketsOf, rangeOf, summed, trendOf, worsening } from "../../../../../api/dashboard/web/state/statistics.js";
import { inWords } from "../../../../../api/dashboard/web/screens/schedule_words.js";

const object = (properties, more = {}) => ({ type: "object", properties, ...more });

const kinds = (schema) => formOf(schema).fields?.map(({ name, kind }) => `${name}:${kind}`) ?? formOf(schema).kind;

for (const [told, schema, expected] of [
  ["nothing", {}, []],
  ["simple values", object({ a: { type: "string" }, b: { type: "integer" }, c: { type: "boolean" } }), ["a:string", "b:integer", "c:boolean"]],
  ["choices", object({ a: { enum: ["x", 1] }, b: { const: 2 } }), ["a:choice", "b:choice"]],
  ["objects and lists", object({ a: object({ b: { type: "number" } }), c: { type: "array", items: { type: "string" } } }), ["a:object", "c:array"]],
  ["what may be null", object({ a: { anyOf: [{ type: "integer" }, { type: "null" }] }, b: { type: ["string", "null"] } }), ["a:integer", "b:string"]],
  ["references", { ...object({ a: { $ref: "#/$defs/A" } }), $defs: { A: { enum: [1] } } }, ["a:choice"]],
  ["what has no field of its own", object({ a: {}, b: { type: "object", additionalProperties: {} } }), ["a:json", "b:json"]],
  ["alternatives", object({ a: { anyOf: [{ type: "string" }, { type: "integer" }] }, b: { type: ["string", "integer"] } }), ["a:union", "b:union"]],
  ["alternatives of the whole", { oneOf: [object({}), object({})] }, "union"],
  ["a schema that contains itself", { ...object({ a: { $ref: "#" } }) }, ["a:object"]],
  ["a reference that leads nowhere", object({ a: { $ref: "#/$defs/None" } }), ["a:json"]],
  ["a reference to elsewhere", object({ a: { $ref: "https://example.org/a" } }), ["a:json"]],
]) {
  test(`a form for ${told}`, () => assert.deepEqual(kinds(schema), expected));
}

test("fields know what they are called, hinted, required", () => {
  const a = { type: "string", title: "An A", description: "what for", format: "date", maxLength: 9 };
  const [field] = formOf(object({ a }, { required: ["a"] })).fields;
  assert.deepEqual([field.title, field.hint, field.isRequired, field.format], ["An A", "what for · at most 9 characters", true, "date"]);
});

test("a form begins with defaults, and with constants that must be there", () => {
  const inner = object({ kind: { const: "x" }, free: { type: "string" } }, { required: ["kind", "free"] });
  const form = formOf(object({ a: { type: "integer", default: 3 }, b: inner, c: { type: "string" } }, { required: ["b"] }));
  assert.deepEqual(initialOf(form), { a: 3, b: { kind: "x" } });
});

test("a value that its field cannot show as it is fits none", () => {
  const [number, text, nullable] = formOf(object({ a: { type: "integer" }, b: { type: "string" }, c: { type: ["string", "null"] } })).fields;
  assert.deepEqual([fits(number, 1), fits(number, "1"), fits(number, 2 ** 60), fits(text, null), fits(nullable, null)], [true, false, false, false, true]);
  const [one, other] = formOf({ oneOf: [object({ k: { const: 1 } }, { required: ["k"] }), object({ k: { const: 2 } }, { required: ["k"] })] }).options;
  assert.deepEqual([matches(one, { k: 2 }), matches(other, { k: 2 })], [false, true]);
  assert.deepEqual(unlisted(one, { k: 1, more: 2 }), ["more"]);
});

test("null is one of the choices where the schema names it", () => {
  const [field] = formOf(object({ a: { enum: ["x", null] } })).fields;
  assert.deepEqual([fits(field, null), fits(field, "x"), fits(field, "y")], [true, true, false]);
});

test("of kinds that share a value that one is shown which was chosen, until the value is another's", () => {
  const lists = ["integer", "string"].map((type) => ({ type: "array", items: { type } }));
  const [field] = formOf(object({ a: { anyOf: [...lists, { type: "null" }] } })).fields;
  assert.deepEqual([[[], -1], [[], 1], [["x"], 0], [[1], 1], [undefined, -1], [[true], 1]].map(([value, chosen]) => optionOf(field, value, chosen)), [0, 1, 1, 0, -1, 1]);
});

test("a text that is taken away is an empty one where a default would come instead", () => {
  const string = { type: "string" };
  const nullable = { anyOf: [string, { type: "null" }] };
  const fields = formOf(object(
    { a: string, b: { ...string, default: "x" }, c: nullable, d: { ...nullable, default: null }, e: { ...nullable, default: "x" }, f: { type: "integer", default: 3 } },
    { required: ["c"] },
  )).fields;
  const found = Object.fromEntries(fields.map((field) => [field.name, emptied(field)]));
  assert.deepEqual(found, { a: undefined, b: "", c: null, d: undefined, e: null, f: undefined });
});

test("a value that is taken away is not there", () => {
  assert.deepEqual(withValue({ a: 1, b: 2 }, "a", undefined), { b: 2 });
  assert.deepEqual(withValue({ a: 1 }, "a", null), { a: null });
  assert.deepEqual(emptyOf({ kind: "choice", choices: ["x"] }), "x");
  assert.deepEqual(emptyOf({ kind: "json" }), null);
});

for (const [text, expected] of [
  ['{"a":9007199254740993}', true], ['{"a":[{"b":-9007199254740993}]}', true], ['{"a":9007199254740991}', false],
  ['{"a":1.5,"b":"9007199254740993","c":null}', false], ["null", false], ["banana", false],
]) {
  test(`whether a browser may have rounded ${text}: ${expected}`, () => assert.equal(isRounded(objectOf(text)), expected));
}

test("what is wrong stands beside the field that it is about", () => {
  const issues = [{ path: "/parameters/a", message: "too short" }, { path: "/parameters/a/0", message: "no number" }];
  assert.deepEqual(issuesAt(issues, "/a"), ["too short"]);
  assert.deepEqual(issuesAt(issues, "/a/0"), ["no number"]);
});

const run = (status, durationMs, completedAt = "2026-11-26T08:00:00Z") => ({ id: `${durationMs}`, status, durationMs, completedAt });

test("durations are of what ended well", () => {
  const runs = [run("succeeded", 30), run("failed", 1), run("succeeded", 10), run("running", null, null), run("succeeded", 20)];
  const sorted = durationsOf(runs);
  assert.deepEqual(sorted, [10, 20, 30]);
  assert.deepEqual([0.5, 0.95, 0.01].map((share) => percentile(sorted, share)), [20, 30, 10]);
});

test("points fill the picture, also if there is only one", () => {
  const { points, longest } = pointsOf([run("succeeded", 10), run("failed", 40, "2026-11-26T08:01:00Z"), run("running", null, null)]);
  assert.deepEqual(points.map(({ x, y }) => [x, y]), [[0, 0.25], [1, 1]]);
  assert.equal(longest, 40);
  assert.deepEqual(pointsOf([run("succeeded", 0)]).points.map(({ x, y }) => [x, y]), [[0, 0]]);
});

test("limits in words", () => {
  const none = { maxConcurrentRuns: null, concurrencyKey: null, concurrencyLimit: 1, rateLimit: null, workerLabels: {} };
  assert.deepEqual(limitsOf(none), []);
  const all = { maxConcurrentRuns: 3, concurrencyKey: "app", concurrencyLimit: 2, rateLimit: { limit: 5, periodMs: 60_000 }, fairnessKey: "team", workerLabels: { gpu: "yes" } };
  assert.deepEqual(limitsOf(all), ["≤ 3 at a time", "≤ 2 per app", "≤ 5 per minute", "turns by team", "gpu=yes"]);
});

test("runs by the minute of their end; what ended earlier, or not at all, is in none", () => {
  const now = Date.parse("2026-11-26T08:10:00Z");
  const at = (time, status = "succeeded") => ({ status, completedAt: `2026-11-26T08:${time}Z` });
  const minutes = bucketsOf([at("09:59"), at("09:01", "failed"), at("08:59"), at("01:00"), at("10:30")], now, 3);
  assert.deepEqual(minutes, [{ ago: 2, all: 0, failed: 0 }, { ago: 1, all: 1, failed: 0 }, { ago: 0, all: 2, failed: 1 }]);
});

test("stretches may have any length", () => {
  const runs = [{ status: "failed", completedAt: "2026-11-26T08:00:00Z" }, { status: "failed", completedAt: "2026-11-26T08:00:09Z" }];
  const buckets = bucketsOf(runs, Date.parse("2026-11-26T08:00:09Z"), 10, 1_000);
  assert.deepEqual(buckets.map(({ failed }) => failed), [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
});

const META = { from: "2026-11-26T08:00:00.000Z", to: "2026-11-26T08:05:00.000Z", bucketMs: 60_000 };

const ended = (minute, succeeded, failed, p50) => ({
  at: `2026-11-26T08:0${minute}:00.000Z`, created: succeeded, ended: { succeeded, failed, canceled: 0, expired: 0 },
  queueMs: { p50, p95: p50 }, durationMs: { p50, p95: p50 },
});

test("a trend has every stretch, also those in which nothing happened", () => {
  const trend = trendOf([ended(1, 3, 1, 10)], META);
  assert.deepEqual(trend.map(({ ended, failed }) => [ended, failed]), [[0, 0], [4, 1], [0, 0], [0, 0], [0, 0]]);
  assert.deepEqual(summed(trend), { created: 3, ended: 4, failed: 1 });
  assert.equal(trend[0].durationMs.p50, null);
});

test("what gets worse is told with when it began; of few runs nothing is", () => {
  const of = (...buckets) => worsening(trendOf(buckets, META));
  assert.equal(of(ended(0, 20, 0, 10), ended(1, 20, 0, 11), ended(2, 20, 1, 10)), null);
  const slower = of(ended(0, 20, 0, 10), ended(1, 20, 0, 10), ended(2, 20, 0, 40), ended(3, 20, 0, 40));
  assert.deepEqual(slower, { what: "slower", factor: 4, since: "2026-11-26T08:02:00.000Z" });
  const failing = of(ended(0, 19, 1, 10), ended(1, 10, 10, 10));
  assert.deepEqual([failing.what, failing.factor], ["failing", 10]);
  assert.equal(of(ended(0, 2, 0, 10), ended(1, 2, 0, 90)), null);
});

test("a range is up to the present, or two times", () => {
  const now = Date.parse("2026-11-26T08:00:30Z");
  assert.deepEqual(rangeOf("1h", now), { from: "2026-11-26T07:01:00.000Z", to: "2026-11-26T08:01:00.000Z", bucketMs: 60_000 });
  const own = rangeOf("2026-11-01T00:00:00Z/2026-11-02T00:00:00Z", now);
  assert.deepEqual(own, { from: "2026-11-01T00:00:00.000Z", to: "2026-11-02T00:00:00.000Z", bucketMs: 3_600_000 });
  assert.equal(rangeOf("2020-02-29T12:00:00Z/2020-02-29T12:01:00Z", now).bucketMs, 86_400_000); // Hours are not kept for so long.
  assert.deepEqual(rangeOf("nonsense", now), rangeOf("1h", now));
});

const UTC = { everyMs: null, timeZone: "UTC" };

for (const [schedule, text] of [
  [{ cron: null, everyMs: 3_600_000, timeZone: "UTC" }, "every hour"],
  [{ ...UTC, cron: "* * * * *" }, "every minute"],
  [{ ...UTC, cron: "*/5 * * * *" }, "every 5 min"],
  [{ ...UTC, cron: "*/45 * * * *" }, "*/45 * * * *"],
  [{ ...UTC, cron: "7 * * * *" }, "every hour, at :07"],
  [{ ...UTC, cron: "0 3 * * *" }, "every day at 03:00"],
  [{ ...UTC, cron: "30 6 * * 1-5" }, "Monday to Friday at 06:30"],
  [{ ...UTC, cron: "0 8 * * 1" }, "every Monday at 08:00"],
  [{ ...UTC, cron: "0 8 1 * *" }, "0 8 1 * *"],
  [{ ...UTC, cron: "@daily" }, "@daily"],
  [{ cron: "0 3 * * *", everyMs: null, timeZone: "Europe/Berlin" }, "every day at 03:00 in Europe/Berlin"],
]) {
  test(`${JSON.stringify(schedule)} is ${text}`, () => assert.equal(inWords(schedule), text));
}

const event = (position, type, data) => ({ position, type: `job_definition.${type}`, occurredAt: "at", actor: "ann", data });

test("a job's history says what each version changed", () => {
  const history = historyOf([
    event(1, "registered", { version: 1, spec: { name: "A", retry_policy: { maxAttempts: 1 } } }),
    event(2, "revised", { version: 2, changes: { retry_policy: { maxAttempts: 3 } } }),
    event(3, "paused", { by: "ann", reason: "too many" }),
  ]);
  assert.deepEqual(history.map(({ kind, version, reason, changes }) => [kind, version, reason, changes]), [
    ["paused", undefined, "too many", []],
    ["revised", 2, null, [{ path: "retry_policy.maxAttempts", before: 1, after: 3 }]],
    ["registered", 1, null, []],
  ]);
});

test("a revision sends only what was changed, and null for what was taken away", () => {
  const job = { id: "1", slug: "report", version: 3, name: "Report", timeoutMs: 1_000, priority: 2, retryPolicy: { maxAttempts: 1 } };
  const before = revisable({ ...job, createdAt: "x", updatedAt: "y", paused: null });
  assert.deepEqual(Object.keys(before), ["name", "timeoutMs", "priority", "retryPolicy"]);
  assert.deepEqual(changesBetween(before, before), {});
  const { priority: _, ...after } = { ...before, retryPolicy: { maxAttempts: 2 }, rateLimit: { limit: 1, periodMs: 5 } };
  assert.deepEqual(changesBetween(before, after), {
    priority: null,
    retryPolicy: { maxAttempts: 2 },
    rateLimit: { limit: 1, periodMs: 5 },
  });
});
