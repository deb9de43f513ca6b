import assert from "node:assert/strict";
import { test } from "node:test";

import { chainOf } from "../../../../../api/dashboard/web/screens/commands.js";
import { asCommand, asCurl, asPython } from "../../../../../api/dashboard/web/screens/commands.js";
import { differences } from "../../../../../api/dashboard/web/screens/definition.js";

const RUN = { slug: "greet", body: { parameters: { name: "O'Hara", deep: [true, null, { a: 1.5 }] } } };

const WITH_OPTIONS = {
  slug: "greet", body: { parameters: {}, delayMs: 1500, maxAttempts: 3, priority: -5, context: { why: "it's late" } },
};

test("the same launch for a shell, whose quotes are its own", () => {
  assert.match(asCurl(RUN, "http://host:1/below/"), /^curl -X POST 'http:\/\/host:1\/below\/jobs\/greet\/run'/);
  assert.match(asCurl(RUN, "http://host:1/"), /O'\\''Hara/);
  assert.match(
    asCommand(RUN, "http://host:1/below/?view=run"),
    /^printf %s '.*O'\\''Hara.*' \|\n {2}apphub-jobs run greet --url 'http:\/\/host:1\/below' --params -$/,
  );
  assert.equal(
    asCommand(WITH_OPTIONS, "http://host:1/").split(" --url 'http://host:1' ")[1],
    `--delay 1500ms --max-attempts 3 --priority -5 --context '{"why":"it'\\''s late"}' --params -`,
  );
});

test("where a token is asked for, it is that of the shell's own environment", () => {
  assert.match(asCurl(RUN, "http://host:1/", true), /\n {2}-H "Authorization: Bearer \$APPHUB_TOKEN"/);
  assert.doesNotMatch(asCurl(RUN, "http://host:1/", false), /Authorization/);
});

test("the same launch in Python's words", () => {
  assert.match(asPython(RUN, "http://host:1/"), /Client\("http:\/\/host:1"\)/);
  assert.match(asPython(RUN, "http://host:1/"), /client\.launch\("greet", \{"name": "O'Hara", "deep": \[True, None, \{"a": 1\.5\}\]\}\)/);
  assert.match(
    asPython(WITH_OPTIONS, "http://host:1/"),
    /client\.options\(delay="1500ms", max_attempts=3, priority=-5, context=\{"why": "it's late"\}\)\.launch\("greet", \{\}\)/,
  );
});

test("what two runs differ in, by path; what always differs is left out", () => {
  const one = { id: "a", status: "failed", parameters: { n: 1, list: [1, 2] }, result: null };
  const other = { id: "b", status: "succeeded", parameters: { n: 1, list: [1, 3], more: true }, result: { a: 1 } };
  assert.deepEqual(differences(one, other), [
    { path: "status", before: "failed", after: "succeeded" },
    { path: "parameters.list.1", before: 2, after: 3 },
    { path: "parameters.more", before: undefined, after: true },
    { path: "result", before: null, after: { a: 1 } },
  ]);
  assert.deepEqual(differences(one, { ...one, id: "c" }), []);
});

const told = (eventId, type, id, causationId) => ({
  eventId, type, subject: { type: type.split(".")[0], id }, occurredAt: `at ${eventId}`, causationId,
});

test("a chain of causes is a tree of subjects", () => {
  const [root, ...others] = chainOf([
    told("1", "schedule.tick_launched", "s", "outside"), told("2", "job_run.requested", "a", "1"), told("3", "job_run.succeeded", "a", "2"),
    told("4", "job_run.requested", "b", "3"), told("5", "build.requested", "u", "3"), told("6", "job_run.started", "b", "4"),
  ]);
  const brief = ({ id, last, cause, children }) => [id, last, cause, children.map(brief)];
  assert.deepEqual(others, []);
  assert.deepEqual(brief(root), ["s", "tick launched", "", [["a", "succeeded", "tick launched", [["b", "started", "succeeded", []], ["u", "requested", "succeeded", []]]]]]);
});

test("what belongs to an app says to which, by the name that clients know", () => {
  const [repository] = chainOf([
    { ...told("1", "repository.added", "r", null), data: { repository_id: "shop" } },
    { ...told("2", "job_run.requested", "a", "1"), data: { parameters: {} } },
    { ...told("3", "build.requested", "u", "2"), data: { repository_id: "shop" } },
  ]);
  const [run] = repository.children;
  assert.deepEqual([repository, run, run.children[0]].map(({ app }) => app), ["shop", undefined, "shop"]);
});

test("a chain whose beginning is not known has several", () => {
  assert.deepEqual(chainOf([told("1", "job_run.requested", "a", null), told("2", "job_run.requested", "b", "gone")]).map(({ id }) => id), ["a", "b"]);
});
