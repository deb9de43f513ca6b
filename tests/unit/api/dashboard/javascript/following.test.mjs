import assert from "node:assert/strict";
import { test } from "node:test";

import { canFollow, MAX_KEPT, placeAfter, withNewer } from "../../../../../api/dashboard/web/screens/log_following.js";

for (const [told, asOf, given, expected] of [
  ["the present", "", {}, true],
  ["what a filter leaves of it", "", { type: "job_run.*" }, true],
  ["nothing of the past", "2026-11-26T12:00:00Z", {}, false],
  ["nothing from a position on, be it the first", "", { after: "0" }, false],
]) {
  test(`one can follow ${told}`, () => assert.equal(canFollow(asOf, given), expected));
}

const events = (...positions) => positions.map((position) => ({ position }));

test("following goes on behind what is shown", () => {
  assert.equal(placeAfter({ next: null, last: 10 }, 5_000), 10);
  assert.equal(placeAfter({ next: 10, last: 10 }, 10 + MAX_KEPT), 10);
});

test("whoever is too far behind goes to the head, and shows no list with a gap", () => {
  const page = { next: 50, last: 50, events: events(49, 50) };
  const after = placeAfter(page, 5_000);
  assert.equal(after, 4_970);
  const newer = { next: null, last: 4_972, events: events(4_971, 4_972) };
  assert.deepEqual(withNewer(page, newer, after, 5_000), { next: null, last: 5_000, events: newer.events });
});

test("what a filter passes over is not asked for again, unless there is more", () => {
  const page = { next: null, last: 10, events: events(9, 10) };
  const newer = { next: null, last: 12, events: events(12) };
  assert.deepEqual(withNewer(page, newer, 10, 40), { next: null, last: 40, events: events(9, 10, 12) });
  assert.equal(withNewer(page, { ...newer, next: 12 }, 10, 40).last, 12);
});

test("the next page of what is not followed joins the one before", () => {
  const page = { next: 30, last: 10, events: events(10) };
  const newer = { next: null, last: 31, events: events(31) };
  assert.deepEqual(withNewer(page, newer, 30, 0).events, events(10, 31));
});

test("no more events are kept than one can look at", () => {
  const page = { next: null, last: 600, events: events(...Array.from({ length: MAX_KEPT }, (_, place) => place + 100)) };
  const { events: kept } = withNewer(page, { next: null, last: 601, events: events(601) }, 600, 601);
  assert.deepEqual([kept.length, kept.at(-1).position], [MAX_KEPT, 601]);
});
