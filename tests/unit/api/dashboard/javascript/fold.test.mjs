import assert from "node:assert/strict";
import { test } from "node:test";

import { counted, fold, isErasure, MAX_KEPT, newest, nothing, recounted, statusBefore } from "../../../../../api/dashboard/web/state/fold.js";

const NONE = { pending: 0, running: 0, succeeded: 0, failed: 0, canceled: 0, expired: 0 };
const AT = "2026-11-26T08:00:00.000Z";
const LATER = "2026-11-26T08:00:01.000Z";

function told(position, status, run = {}, occurredAt = LATER) {
  const whole = { id: "a", status, createdAt: AT, startedAt: AT, updatedAt: occurredAt, ...run };
  const common = { position, occurredAt, data: { run: whole } };
  return [{ type: `job.run.${status}`, more: true, ...common }, { type: "job.run.updated", ...common }];
}

test("a run's life moves it through the counts", () => {
  let world = counted(nothing(), NONE, 10);
  const steps = [
    [told(11, "pending", {}, AT), { pending: 1 }],
    [told(12, "running"), { running: 1 }],
    [told(13, "pending"), { pending: 1 }],
    [told(14, "running"), { running: 1 }],
    [told(15, "succeeded"), { succeeded: 1 }],
  ];
  for (const [messages, expected] of steps) {
    world = fold(world, messages);
    assert.deepEqual(world.counts, { ...NONE, ...expected });
  }
  assert.equal(world.position, 15);
  assert.equal(world.recent.runs.get("a").status, "succeeded");
});

test("what the counts know already is not counted again", () => {
  const world = counted(nothing(), { ...NONE, running: 1 }, 12);
  assert.deepEqual(fold(world, told(12, "running")).counts, { ...NONE, running: 1 });
});

test("newer counts take over, and what they know already is not counted again", () => {
  const before = fold(counted(nothing(), NONE, 10), told(11, "pending", {}, AT));
  const known = { ...NONE, running: 5 };
  assert.equal(recounted(before, known, 10), before);
  const after = recounted(before, known, 12);
  assert.equal(after.position, 11);
  assert.deepEqual(fold(after, told(12, "running")).counts, known);
  assert.deepEqual(fold(after, told(13, "succeeded")).counts, { ...NONE, running: 4, succeeded: 1 });
});

test("a message without a change of status changes no count", () => {
  const world = counted(nothing(), { ...NONE, running: 1 }, 12);
  const [, updated] = told(13, "running");
  assert.deepEqual(fold(world, [updated]).counts, world.counts);
});

for (const [status, run, before] of [
  ["pending", { createdAt: LATER }, null],
  ["pending", { createdAt: AT }, "running"],
  ["running", {}, "pending"],
  ["succeeded", { startedAt: AT }, "running"],
  ["failed", { startedAt: AT }, "running"],
  ["canceled", { startedAt: AT }, "running"],
  ["canceled", { startedAt: null }, "pending"],
  ["expired", { startedAt: null }, "pending"],
  ["expired", { startedAt: AT }, "running"],
]) {
  test(`before ${status} ${JSON.stringify(run)}: ${before}`, () => assert.equal(statusBefore(status, run, LATER), before));
}

test("what an erasure may have emptied is forgotten, and asked for anew", () => {
  const erased = { type: "subject.erased", position: 12, data: { subject: {} } };
  const before = fold(nothing(), told(11, "succeeded", { parameters: { email: "a@example.org" } }));
  assert.equal(before.recent.runs.size, 1);
  assert.equal(fold(before, [erased]).recent.runs.size, 0);
  assert.ok(isErasure(erased));
  assert.ok(!isErasure(told(13, "running")[0]));
});

test("a world is never changed, only followed by another", () => {
  const before = counted(nothing(), NONE, 1);
  const copy = structuredClone(before);
  fold(before, told(2, "pending", {}, AT));
  assert.deepEqual(before, copy);
  assert.equal(fold(before, []), before);
});

test("only the last things of a kind are kept, those that changed last", () => {
  const messages = Array.from({ length: MAX_KEPT + 5 }, (_, index) => told(index + 1, "running", { id: `r${index}` })[1]);
  const again = told(MAX_KEPT + 9, "running", { id: "r5" })[1];
  const { runs } = fold(nothing(), [...messages, again]).recent;
  assert.equal(runs.size, MAX_KEPT);
  assert.ok(!runs.has("r4") && runs.has("r6"));
  assert.equal([...runs.keys()].at(-1), "r5");
});

test("every subject's messages are folded by what names it", () => {
  const messages = [
    { type: "job.definition.updated", position: 1, data: { job: { slug: "a", version: 2 } } },
    { type: "failure.updated", position: 2, data: { failure: { fingerprint: "f" } } },
    { type: "schedule.updated", position: 3, data: { schedule: { id: "s" } } },
    { type: "bulk.updated", position: 4, data: { bulk: { id: "b" } } },
    { type: "repository.updated", position: 5, data: { repository: { id: "r" } } },
    { type: "build.updated", position: 6, data: { build: { id: "u" } } },
    { type: "view.updated", position: 6, data: { view: { name: "v" } } },
    { type: "failure.noted", position: 7, data: { search: {} } },
  ];
  const { recent, position } = fold(nothing(), messages);
  const keys = Object.fromEntries(Object.entries(recent).map(([kind, map]) => [kind, [...map.keys()]]));
  assert.deepEqual(keys, {
    runs: [], jobs: ["a"], deletedJobs: [], apps: ["r"], builds: ["u"], schedules: ["s"], failures: ["f"], bulk: ["b"],
    views: ["v"],
  });
  assert.equal(position, 7);
});

test("a list takes what is newer, and stays the same where nothing is", () => {
  const rows = [{ id: "a", updatedAt: AT }, { id: "b", updatedAt: LATER }];
  const key = ({ id }) => id;
  assert.equal(newest(rows, new Map(), key), rows);
  assert.equal(newest(rows, new Map([["b", { id: "b", updatedAt: AT }]]), key), rows);
  const fresh = { id: "a", updatedAt: LATER };
  assert.deepEqual(newest(rows, new Map([["a", fresh], ["c", fresh]]), key), [fresh, rows[1]]);
});
