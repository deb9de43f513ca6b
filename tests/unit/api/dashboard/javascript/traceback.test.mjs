import assert from "node:assert/strict";
import { test } from "node:test";

import { ownFrames, shortPath } from "../../../../../api/dashboard/web/screens/traceback.js";

const STACK = `Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/apphub_jobs/process/program.py", line 270, in _call
    result = function(context)
  File "/srv/shop/orders.py", line 12, in load
    return parse(row)
           ^^^^^^^^^^
  File "/srv/venv/lib/python3.12/site-packages/pydantic/main.py", line 5, in __init__
    validate(self)
  File "/srv/shop/parsing.py", line 3, in parse
    raise ValueError("no price")
  File "<string>", line 1, in <module>
ValueError: no price
`;

test("of a traceback one's own lines come first, that nearest to the failure at the top", () => {
  assert.deepEqual(ownFrames(STACK), [
    { file: "/srv/shop/parsing.py", line: 3, name: "parse", code: 'raise ValueError("no price")' },
    { file: "/srv/shop/orders.py", line: 12, name: "load", code: "return parse(row)" },
  ]);
  assert.deepEqual(ownFrames("no traceback at all"), []);
});

test("a file is known by its last two parts", () => {
  assert.equal(shortPath("/srv/shop/parsing.py"), "shop/parsing.py");
  assert.equal(shortPath("C:\\shop\\parsing.py"), "shop/parsing.py");
  assert.equal(shortPath("parsing.py"), "parsing.py");
});
