import assert from "node:assert/strict";
import { test } from "node:test";

import { amountOf, draftOf, emptyDraft, msOf, onItsClock, revisionOf, timesOf } from "../../../../../api/dashboard/web/screens/schedule_draft.js";

const SCHEDULE = {
  id: "nightly", version: 3, job: "report", parameters: { day: "monday" }, cron: "30 2 * * *", everyMs: null,
  timeZone: "Europe/Berlin", exclude: ["* * 25 12 *", "* * 1 1 *"], overlap: "buffer_one", catchUpMs: 60_000,
  jitterMs: 1_234, startAt: "2026-01-01T00:00:00.000Z", endAt: null, pauseOnFailure: true, owner: "reports",
};

for (const [ms, amount, unit] of [[0, "0", "s"], [1_000, "1", "s"], [90_000, "90", "s"], [5_400_000, "90", "min"], [172_800_000, "2", "d"], [1_234, "1.234", "s"]])
  test(`${ms} ms are ${amount} ${unit}, and the same again`, () => {
    assert.deepEqual(amountOf(ms), { amount, unit });
    assert.equal(msOf(amountOf(ms)), ms);
  });

test("a schedule that nobody has changed is not revised", () => {
  const draft = draftOf(SCHEDULE);
  assert.deepEqual(revisionOf(SCHEDULE, { ...timesOf(draft), parameters: draft.parameters.typed }), {});
});

test("a revision has what was changed alone, and takes back the other way of ticking", () => {
  const draft = { ...draftOf(SCHEDULE), rhythm: "every", every: { amount: "2", unit: "h" }, exclude: "\n * * 25 12 * \n" };
  assert.deepEqual(revisionOf(SCHEDULE, timesOf(draft)), { cron: null, everyMs: 7_200_000, exclude: ["* * 25 12 *"] });
});

test("what is empty is left to the service", () => {
  const times = timesOf({ ...emptyDraft("UTC"), rhythm: "every", every: { amount: "", unit: "h" } });
  assert.equal(times.everyMs, null);
  assert.equal("id" in times, false);
  assert.equal("job" in times, false);
});

test("a time is shown on the clock of its zone", () => {
  assert.equal(onItsClock("2026-12-02T03:00:00+01:00"), "Wed 2026-12-02 03:00:00 +01:00");
  assert.equal(onItsClock("2026-12-02T23:59:59.500000-03:30"), "Wed 2026-12-02 23:59:59 -03:30");
});
