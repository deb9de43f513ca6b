import assert from "node:assert/strict";
import { test } from "node:test";

import {
  conditions, format, parse, suggestions, withoutWord, withWord, wordsOf, written,
} from "../../../../../api/dashboard/web/state/filters.js";
import { areDecided, belongsTo, matches, stillOrder } from "../../../../../api/dashboard/web/state/filters.js";

for (const [text, words] of [
  ["", []],
  ["status=failed", [["status", "failed"]]],
  ["status=failed job!=report", [["status", "failed"], ["job!", "report"]]],
  ['parameters.region="eu west"', [["parameters.region", "eu west"]]],
  ['parameters.text="a \\"b\\""', [["parameters.text", 'a "b"']]],
  ["status=", []],
  ["some text", [["search", "some text"]]],
  ["failed runs status=failed", [["status", "failed"], ["search", "failed runs"]]],
  ["parameters.sum=a=b", [["parameters.sum", "a=b"]]],
]) {
  test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parse(text), words));
}

for (const words of [
  [["status", "failed"], ["job!", "a,b"]],
  [["parameters.text", 'with "quotes" and blanks']],
  [["search", "two words"]],
]) {
  test(`${JSON.stringify(words)} is read as it was written`, () => assert.deepEqual(parse(format(words)), words));
}

test("bulk operations say that they mean all, and quote nothing", () => {
  assert.deepEqual(conditions([]), ["all"]);
  const words = [["job!", "a"], ["parameters.x", "b=c d"]];
  assert.deepEqual(conditions(words), ["job!=a", "parameters.x=b=c d"]);
  assert.deepEqual(wordsOf(written(words)), words);
  assert.deepEqual(written([]), []);
});

test("a condition replaces the one of its name; negated ones add up", () => {
  const words = [["status", "failed"], ["job!", "a"]];
  assert.deepEqual(withWord(words, ["status", "expired"]), [["job!", "a"], ["status", "expired"]]);
  assert.deepEqual(withWord(words, ["job!", "b"]), [...words, ["job!", "b"]]);
  assert.deepEqual(withWord(words, ["job!", "a"]), words);
  assert.deepEqual(withoutWord(words, 0), [["job!", "a"]]);
});

test("suggests names, then values, also after a comma", () => {
  const known = { jobs: ["report", "repair"], parameters: ["region"] };
  assert.deepEqual(suggestions("stat", known), ["status=", "status!="]);
  assert.deepEqual(suggestions("parameters.r", known), ["parameters.region=", "parameters.region!="]);
  assert.deepEqual(suggestions("job!=rep", known), ["job!=report", "job!=repair"]);
  assert.deepEqual(suggestions("status=failed,ex", known), ["status=failed,expired"]);
  assert.deepEqual(suggestions("parameters.region=e", known), []);
});

const ENDED = {
  completedAt: "2026-11-26T09:00:00.000Z", durationMs: 1_000, errorMessage: "No route to host",
};

const nameOf = () => "Has theName in it";

const RUN = {
  id: "01a2", slug: "Report", status: "failed", failureReason: "error", requestedBy: "ann", parameters: { n: 1, to: "eu" },
  createdAt: "2026-11-26T08:00:00.000Z", ...ENDED,
};

for (const [text, expected] of [
  ["", true], ["status=failed,expired", true], ["status!=failed", false], ["job=report", true], ["job!=other", true],
  ["parameters.n=1", true], ["parameters.n!=1", false], ["parameters.to=eu", true], ["parameters.missing=1", false],
  ["parameters.missing!=1", true], ["actor=bob", false], ["failure=error", true], ["search=port", true], ["search=01a", true],
  ["createdAfter=2026-11-26T09:00:00Z", false], ["createdBefore=2026-11-26T09:00:00Z", true],
  ["endedAfter=2026-11-26T09:00:00Z", true], ["endedBefore=2026-11-26T09:00:00Z", false],
  ["minDurationMs=1000", true], ["maxDurationMs=999", false], ['error="NO route"', true], ["error!=route", false],
  ["runtime=node", true], ["runtime!=node", true], ["search=theName", true], ["search=otherName", false],
  ["label.zone=eu", true],
  ["label.zone!=eu", true],
]) {
  test(`${JSON.stringify(text)} ${expected ? "matches" : "does not match"}`, () => assert.equal(matches(parse(text), RUN, nameOf), expected));
}

test("a run of a job that is not known yet may match whatever is searched for", () => {
  assert.equal(matches(parse("search=otherName"), RUN, () => undefined), true);
});

for (const [text, areSo] of [
  ["status=failed theName", true], ["parameters.worker=1", true], ["worker=w", false], ["retried!=true", false], ["label.zone!=eu", false],
]) {
  test(`whether a run matches ${text} ${areSo ? "is certain" : "only the service knows"}`, () => assert.equal(areDecided(parse(text)), areSo));
}

for (const [text, expected] of [["failureGroup=f", false], ["worker=w", false], ["retried=true", false], ["retried=false", true]]) {
  test(`a run that has not started ${expected ? "matches" : "does not match"} ${text}`, () => {
    const waiting = { ...RUN, status: "pending", startedAt: null, completedAt: null };
    assert.equal(matches(parse(text), waiting, nameOf), expected);
    assert.equal(matches(parse(text.replace("=", "!=")), waiting, nameOf), !expected);
  });
}

for (const text of ["endedAfter=2020-01-01T00:00:00Z", "endedBefore=2030-01-01T00:00:00Z", "minDurationMs=0", "maxDurationMs=9", "error=o"]) {
  test(`a run that has not ended does not match ${text}, only its negation`, () => {
    const waiting = { ...RUN, status: "pending", completedAt: null, durationMs: null };
    assert.equal(matches(parse(text), waiting, nameOf), false);
    assert.equal(matches(parse(text.replace("=", "!=")), waiting, nameOf), true);
  });
}

const at = (createdAt, completedAt, durationMs) => ({ ...RUN, createdAt, startedAt: createdAt, completedAt, durationMs });

const NEWER = at("2026-11-26T08:05:00Z", "2026-11-26T08:06:00Z", 60_000);
const OLDER = at("2026-11-26T08:01:00Z", "2026-11-26T08:02:00Z", 90_000);
const BETWEEN = at("2026-11-26T08:03:00Z", "2026-11-26T08:10:00Z", 10_000);
const OLDEST = at("2026-11-26T07:00:00Z", "2026-11-26T08:11:00Z", 99_000);

for (const [told, text, sort, rows, next, run, expected] of [
  ["one that has failed only now", "status=failed", "", [NEWER, OLDER], "1", BETWEEN, true],
  ["one of a page that is not shown", "status=failed", "", [NEWER, OLDER], "1", OLDEST, false],
  ["the oldest of the last page", "status=failed", "", [NEWER, OLDER], null, OLDEST, true],
  ["one that does not match", "status=canceled", "", [], null, NEWER, false],
  ["an older one that may match", "worker=w1", "", [NEWER, OLDER], null, BETWEEN, false],
  ["a newer one that may match", "worker=w1", "", [BETWEEN, OLDER], null, NEWER, true],
  ["the last that ended", "", "ended", [NEWER, OLDER], "1", OLDEST, true],
  ["the last that started", "", "started", [NEWER, OLDER], "1", { ...OLDEST, startedAt: "2026-11-26T08:10:30Z" }, true],
  ["the longest", "", "duration", [OLDER, NEWER], "1", OLDEST, true],
  ["a short one", "", "duration", [OLDER, NEWER], "1", BETWEEN, false],
  ["one that has not ended", "", "ended", [NEWER], null, at("2026-11-26T08:20:00Z", null, null), false],
]) {
  test(`${told} ${expected ? "belongs" : "does not belong"} to a list`, () =>
    assert.equal(belongsTo(run, { words: parse(text), sort }, { rows, next }, nameOf), expected));
}

for (const [before, now, expected] of [
  ["", "ba", "ba"], ["abc", "cab", "abc"], ["abc", "cnab", "nabc"], ["ab", "bade", "abde"], ["abc", "ca", "ac"], ["ab", "nx", "nx"],
]) {
  test(`${now} after ${before} is shown as ${expected}`, () => assert.equal(stillOrder([...before], [...now]).join(""), expected));
}
