import assert from "node:assert/strict";
import { test } from "node:test";

import { read, write } from "../../../../../api/dashboard/web/state/address.js";

test("an empty query is the first view, of the present, unfiltered", () => {
  assert.deepEqual(read(""), { view: "overview", id: "", tab: "", asOf: "", compare: "", range: "", sort: "", words: [] });
});

for (const query of [
  "?",
  "?view=runs",
  "?view=runs&asOf=2026-11-26T08:00:00.000Z&status=failed,expired&job!=report",
  "?view=runs&sort=ended&status=failed",
  "?view=run&id=01a2&tab=log",
  "?view=runs&parameters.region=eu+west&job!=a&job!=b",
  "?view=runs&search=100%25+%26+more",
]) {
  test(`${query} is written as it was read`, () => {
    assert.equal(write(read(query)), query);
  });
}

test("what is no part of the page is a filter, in the order in which it was written", () => {
  const { words } = read("?status!=failed&view=runs&parameters.a=%3D");
  assert.deepEqual(words, [["status!", "failed"], ["parameters.a", "="]]);
});
