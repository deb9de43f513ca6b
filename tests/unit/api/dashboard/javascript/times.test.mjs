import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, momentOf, relative, splitAtTimes, timeOf, utc } from "../../../../../api/dashboard/web/state/times.js";

for (const [ms, text] of [
  [0, "0 ms"], [999, "999 ms"], [1_449, "1.4 s"], [9_999, "9.9 s"], [10_000, "10 s"], [59_999, "59 s"], [60_000, "1 min"],
  [125_000, "2 min 5 s"], [3_600_000, "1 h"], [5_400_000, "1 h 30 min"], [90_000_000, "1 d 1 h"], [null, "–"], [NaN, "–"],
]) {
  test(`${ms} ms last ${text}`, () => assert.equal(duration(ms), text));
}

const NOW = Date.parse("2026-11-26T12:00:00Z");

for (const [at, text] of [
  ["2026-11-26T11:59:59Z", "just now"], ["2026-11-26T11:59:30Z", "30 s ago"], ["2026-11-26T11:00:00Z", "1 h ago"],
  ["2026-11-26T12:05:00Z", "in 5 min"], ["2026-11-20T12:00:00Z", "6 d ago"],
]) {
  test(`${at} is ${text}`, () => assert.equal(relative(at, NOW), text));
}

test("UTC says so, whatever the offset", () => {
  assert.equal(utc("2026-11-26T09:14:03.120Z"), "2026-11-26 09:14:03.120 UTC");
  assert.equal(utc("2026-11-26T10:14:03.120+01:00"), "2026-11-26 09:14:03.120 UTC");
});

test("the times in a sentence are found, so that they can be written otherwise", () => {
  const [due, until] = ["2026-11-26T09:14:03.120Z", "2026-11-26T10:00:00+01:00"];
  assert.deepEqual(splitAtTimes(`due at ${due}: not before ${until}`), ["due at ", due, ": not before ", until, ""]);
  assert.deepEqual(splitAtTimes("it runs"), ["it runs"]);
});

test("a moment may be a time, a position or the present", () => {
  assert.equal(timeOf(""), null);
  assert.equal(timeOf("1234"), null);
  assert.equal(timeOf("2026-11-26T12:00:00Z"), NOW);
});

test("what is no moment is none, and breaks nothing", () => {
  for (const text of ["banana", "2026-13-45", "-1"]) assert.equal(timeOf(text), null, text);
});

for (const [written, moment] of [
  ["", ""], ["1234", "1234"], ["2026-11-26 12:00", "2026-11-26T12:00:00.000Z"], ["2026-11-26 12:00:00 UTC", "2026-11-26T12:00:00.000Z"],
  ["2026-11-26T12:00:00.5Z", "2026-11-26T12:00:00.500Z"], ["2026-11-26T13:00:00+01:00", "2026-11-26T12:00:00.000Z"],
  ["2026-11-26", "2026-11-26T00:00:00.000Z"], ["banana", "banana"],
]) {
  test(`"${written}" is the moment "${moment}", wherever the reader is`, () => assert.equal(momentOf(written), moment));
}
