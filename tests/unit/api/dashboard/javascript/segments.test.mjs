import assert from "node:assert/strict";
import { test } from "node:test";

import { pathOf, placed, segmentsOf } from "../../../../../api/dashboard/web/screens/segments.js";

const START = Date.parse("2026-11-26T08:00:00.000Z");

/** Events of a run, by milliseconds since its request. */
const events = (...given) =>
  given.map(([ms, type, data = {}]) => ({ type: `job_run.${type}`, data, occurredAt: new Date(START + ms).toISOString() }));

const RETRIED = events(
  [0, "requested"], [10, "started", { attempt: 1, worker_id: "w" }], [40, "progressed"], [60, "attempt_failed", { retry_at: "later" }],
  [5_060, "started", { attempt: 2, worker_id: "w" }], [5_160, "succeeded"],
);

const brief = (segments) => segments.map(({ kind, from, to, outcome }) => [kind, from - START, to - START, outcome]);

test("time is told without a gap: wait, attempt, back-off, attempt", () => {
  assert.deepEqual(brief(segmentsOf(RETRIED, 0)), [
    ["wait", 0, 10, undefined], ["run", 10, 60, "failed"], ["backoff", 60, 5_060, undefined], ["run", 5_060, 5_160, "succeeded"],
  ]);
});

test("what goes on ends now, for the moment", () => {
  const [wait] = segmentsOf(events([0, "requested"]), START + 500);
  assert.deepEqual([wait.kind, wait.to - START, wait.isOpen], ["wait", 500, true]);
  const [, run] = segmentsOf(events([0, "requested"], [10, "started", { attempt: 1 }]), START + 500);
  assert.deepEqual([run.kind, run.to - START, run.isOpen], ["run", 500, true]);
});

test("a clock that is behind makes no segment of negative length", () => {
  const [wait] = segmentsOf(events([0, "requested"]), START - 500);
  assert.equal(wait.to, wait.from);
});

test("a run that was handed back waits again", () => {
  const given = events([0, "requested"], [10, "started", { attempt: 1 }], [20, "handed_back"], [30, "started", { attempt: 1 }], [40, "canceled"]);
  assert.deepEqual(brief(segmentsOf(given, 0)), [
    ["wait", 0, 10, undefined], ["run", 10, 20, "handed_back"], ["wait", 20, 30, undefined], ["run", 30, 40, "canceled"],
  ]);
});

test("idle time that would leave attempts no room is collapsed; places fill the whole width in order", () => {
  const places = placed(segmentsOf(RETRIED, 0));
  assert.deepEqual(places.map(({ isCollapsed }) => isCollapsed), [false, false, true, false]);
  let end = 0;
  for (const { start, width } of places) {
    assert.ok(Math.abs(start - end) < 1e-9);
    assert.ok(width >= 0.01);
    end = start + width;
  }
  assert.ok(Math.abs(end - 1) < 1e-9);
});

test("a run that only waits is one segment, however long", () => {
  const [only] = placed(segmentsOf(events([0, "requested"]), START + 1e9));
  assert.deepEqual([only.start, only.width, only.isCollapsed], [0, 1, false]);
});

for (const [given, path] of [
  [RETRIED, ["pending", "running", "pending", "running", "succeeded"]],
  [events([0, "requested"], [1, "cancel_requested"], [2, "canceled"]), ["pending", "canceled"]],
  [events([0, "requested"], [1, "start_deadline_passed"]), ["pending", "expired"]],
  [events([0, "requested"], [1, "started"], [2, "attempt_timed_out", { retry_at: null }]), ["pending", "running", "expired"]],
  [events([0, "requested"], [1, "started"], [2, "attempt_lost", { retry_at: null }]), ["pending", "running", "failed"]],
  [events([0, "requested"], [1, "started"], [2, "handed_back"]), ["pending", "running", "pending"]],
]) {
  test(`its way was ${path.join(" → ")}`, () => assert.deepEqual(pathOf(given), path));
}
