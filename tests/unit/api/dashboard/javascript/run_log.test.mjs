import assert from "node:assert/strict";
import { test } from "node:test";

import {
  layoutOf, lineAt, LogText, MAX_LINES, partsOf, patternOf, Search, stepTo,
} from "../../../../../api/dashboard/web/screens/log_lines.js";
import { MAX_CHARACTERS, PLAIN, terminalLine } from "../../../../../api/dashboard/web/screens/terminal_text.js";

function logOf(...pieces) {
  const log = new LogText();
  for (const piece of pieces) log.add(piece);
  return log;
}

const textsOf = (log) =>
  Array.from({ length: log.end - log.dropped }, (_, index) => log.line(log.dropped + index).text);

const never = () => false;

function hitsOf(log, sought) {
  const search = new Search(patternOf(sought));
  assert.equal(search.advance(log, never), true);
  return search.hits;
}

const shown = (raw) => terminalLine(raw, PLAIN).text;

const spansOf = (raw) => terminalLine(raw, PLAIN).spans.map(({ from, to, classes }) => [from, to, classes]);

test("pieces of a log become lines, wherever they were cut", () => {
  const log = logOf("one\ntw", "o\n", "", "thr", "ee");
  assert.deepEqual(textsOf(log), ["one", "two", "three"]);
  assert.equal(log.finished, 2);
  log.add("\n\n");
  assert.deepEqual(textsOf(log), ["one", "two", "three", ""]);
  log.finish();
  assert.equal(log.end, 4);
  assert.deepEqual(textsOf(logOf()), []);
  const cut = logOf("no end");
  cut.finish();
  assert.deepEqual([textsOf(cut), cut.finished], [["no end"], 1]);
});

test("of a log without end the last lines are kept under their numbers", () => {
  const log = logOf("\x1b[31mline\n", "line\n".repeat(MAX_LINES * 2), "\x1b[32mlast\n");
  assert.ok(log.end - log.dropped >= MAX_LINES && log.dropped > 0);
  assert.equal(log.end, MAX_LINES * 2 + 2);
  assert.deepEqual(log.line(log.end - 1).spans, [{ from: 0, to: 4, classes: "ansi-2" }]);
  assert.deepEqual(log.line(log.end - 2).spans, [{ from: 0, to: 4, classes: "ansi-1" }]);
  assert.deepEqual(hitsOf(log, "last"), [log.end - 1]);
});

test("the time before a line stays where a terminal would overwrite it", () => {
  const stamp = "2026-12-01T02:41:03.202Z ";
  const log = logOf(`${stamp}5 %\r\x1b[31m100 %\n${stamp}`, "1 %\r2 %".repeat(50_000));
  const spans = [{ from: 25, to: 30, classes: "ansi-1" }];
  assert.deepEqual(log.line(0), { text: `${stamp}100 %`, spans, isError: false });
  assert.equal(log.line(1).text, `${stamp}2 %`);
});

test("a line is what a terminal shows in the end", () => {
  for (const [raw, expected] of [
    ["plain ü 𝄞", "plain ü 𝄞"],
    ["10 %\r50 %\r100 %\r", "100 %"],
    ["longer\rab", "abnger"],
    ["longer\r\x1b[Kab", "ab"],
    ["ab\bc", "ac"],
    ["a\tb", "a       b"],
    ["\x1b]0;title\x07text\x1b[2J\x1b(B", "text"],
    ["\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"],
    ["a\x1b[3Cb", "a   b"],
    ["cut\x1b[3", "cut3"],
    ["bell\x07\x00", "bell"],
  ])
    assert.equal(shown(raw), expected, JSON.stringify(raw));
  assert.equal(shown("x".repeat(1_000_000)).length, MAX_CHARACTERS);
  assert.equal(shown(`\x1b[1m${"x\x1b[999999999C".repeat(9)}`).length <= MAX_CHARACTERS, true);
});

test("colours are the nearest that can be read, and end where they are ended", () => {
  for (const [raw, expected] of [
    ["\x1b[31mred\x1b[0m not", [[0, 3, "ansi-1"]]],
    ["\x1b[1;92mok\x1b[m.", [[0, 2, "ansi-2 ansi-bold"]]],
    ["\x1b[38;5;196mr\x1b[38;2;0;0;255mb\x1b[38:2::255:255:0my", [[0, 1, "ansi-1"], [1, 2, "ansi-4"], [2, 3, "ansi-3"]]],
    ["\x1b[38;5;240mgrey\x1b[39m-", [[0, 4, "ansi-0"]]],
    ["\x1b[37;41mon\x1b[49mw", [[0, 2, "ansi-on-1"], [2, 3, "ansi-7"]]],
    ["\x1b[7;32minverse\x1b[27mg", [[0, 7, "ansi-on-2"], [7, 8, "ansi-2"]]],
    ["\x1b[3;4;9ma\x1b[23;24;29mb", [[0, 1, "ansi-italic ansi-underline ansi-strike"]]],
    ["\x1b[38mx\x1b[99;;;my\x1b[>4;2mz", []],
  ])
    assert.deepEqual(spansOf(raw), expected, JSON.stringify(raw));
  const log = logOf("\x1b[33mfirst\nsecond\x1b[0m\nthird");
  assert.deepEqual(log.line(1).spans, [{ from: 0, to: 6, classes: "ansi-3" }]);
  assert.deepEqual(log.line(2).spans, []);
});

test("a search finds lines whatever their case, goes on with what comes, and stops when it is told", () => {
  const log = logOf("Error: a\nfine\nan ERROR\n");
  const search = new Search(patternOf("error"));
  assert.equal(search.advance(log, never), true);
  assert.deepEqual(search.hits, [0, 2]);
  log.add("no\nerror\n");
  search.advance(log, never);
  assert.deepEqual(search.hits, [0, 2, 4]);
  assert.equal(patternOf(""), null);
  assert.deepEqual(hitsOf(logOf("a.c\nabc\n"), "a.c"), [0]);
  const paused = new Search(patternOf("x"));
  assert.equal(paused.advance(log, () => true), false);
});

test("one goes from hit to hit, both ways and round and round", () => {
  const hits = [3, 50, 90];
  for (const [current, first, direction, expected] of [
    [null, 40, 1, 50],
    [null, 50, 1, 50],
    [null, 40, -1, 50],
    [null, 20, -1, 3],
    [50, 0, 1, 90],
    [90, 0, 1, 3],
    [3, 0, -1, 90],
  ])
    assert.equal(stepTo(hits, current, { first, last: first + 20 }, direction), expected);
  assert.equal(stepTo([], null, { first: 0, last: 0 }, 1), null);
});

test("hits are marked across colours", () => {
  const line = { text: "an error", spans: [{ from: 3, to: 6, classes: "ansi-1" }] };
  assert.deepEqual(partsOf(line, patternOf("ERRO")), [
    { text: "an ", classes: "", isHit: false },
    { text: "err", classes: "ansi-1", isHit: true },
    { text: "o", classes: "", isHit: true },
    { text: "r", classes: "", isHit: false },
  ]);
  assert.deepEqual(partsOf({ text: "", spans: [] }, null), []);
});

test("wrapped lines take as many rows as they need", () => {
  const log = logOf(`short\n${"x".repeat(25)}\n\n${"漢".repeat(10)}\n`);
  const layout = layoutOf(log, 10, new Map());
  assert.deepEqual([0, 1, 2, 3, 4].map(layout.begins), [0, 1, 4, 5, 7]);
  assert.deepEqual([0, 1, 3, 4, 6, 99].map((row) => lineAt(row, layout)), [0, 1, 1, 2, 3, 3]);
  assert.equal(layoutOf(log, 10, new Map([[3, 3]])).begins(4), 8);
  assert.equal(layoutOf(log, null, new Map()).begins(3), 3);
});

test("lines of stderr are known by their times, and can be shown alone", () => {
  const [out, error] = ["2026-12-01T02:41:03.202Z ", "2026-12-01T02:41:03.202z "];
  const log = logOf(`${out}one\n${error}two\n[9 bytes were left out]\n${error}four\n${out}five\n`, `${error}si`);
  assert.deepEqual(log.errors(), [1, 3, 5]);
  assert.equal(log.line(1).text, `${out}two`);
  const layout = layoutOf(log, 29, new Map(), log.errors());
  assert.equal(layout.count, 3);
  assert.deepEqual([0, 1, 2, 3].map(layout.begins), [0, 1, 2, 3]);
  assert.deepEqual([0, 1, 2, 3].map(layout.numberAt), [1, 3, 5, 6]);
  assert.deepEqual([0, 1, 2, 3, 6].map(layout.indexOf), [0, 0, 1, 1, 3]);
  const all = layoutOf(log, null, new Map());
  assert.deepEqual([all.count, all.numberAt(2), all.indexOf(2), all.indexOf(99)], [6, 2, 2, 6]);
  const long = logOf(`${error}old\n`, `${out}line\n`.repeat(MAX_LINES * 2), `${error}new\n`);
  assert.deepEqual(long.errors(), [long.end - 1]);
});
