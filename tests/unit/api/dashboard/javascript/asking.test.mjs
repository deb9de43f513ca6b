import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { Asking } from "../../../../../api/dashboard/web/state/api.js";

/** Questions whose answers a test gives. */
function world() {
  const asked = [];
  const asking = new Asking((signal) => new Promise((answer) => asked.push({ signal, answer })));
  const answered = async (place) => {
    asked[place].answer();
    await new Promise(setImmediate);
  };
  return { asked, asking, answered };
}

test("a slow answer arrives, however often it is asked for meanwhile, and then is asked for once more", async () => {
  const { asked, asking, answered } = world();
  asking.anew();
  for (let times = 0; times < 5; times += 1) asking.again();
  assert.equal(asked.length, 1);
  assert.equal(asked[0].signal.aborted, false);
  await answered(0);
  assert.equal(asked.length, 2);
  await answered(1);
  assert.equal(asked.length, 2);
  asking.again();
  assert.equal(asked.length, 3);
});

test("another question is asked at once, and the answer to the one before leads to nothing", async () => {
  const { asked, asking, answered } = world();
  asking.anew();
  asking.again();
  asking.anew();
  assert.equal(asked[0].signal.aborted, true);
  assert.equal(asked.length, 2);
  await answered(0);
  await answered(1);
  assert.equal(asked.length, 2);
});

test("what has been stopped asks no more", async () => {
  const { asked, asking, answered } = world();
  asking.anew();
  asking.again();
  asking.stop();
  assert.equal(asked[0].signal.aborted, true);
  await answered(0);
  assert.equal(asked.length, 1);
});

/** The API's questions, to a server that answers as it is told and notes what it was asked. */
async function served(t, answer) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const [status, body] = answer(new URL(request.url, "http://localhost").searchParams);
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  globalThis.document = { baseURI: `http://127.0.0.1:${server.address().port}/` };
  globalThis.sessionStorage = { getItem: () => "wrong" };
  const api = await import(`../../../../../api/dashboard/web/state/api.js?${Math.random()}`);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, api };
}

test("a list is read to its end, by cursors and by positions", async (t) => {
  const pages = { "": [["a"], { nextCursor: "2" }], 2: [["b"], { nextCursor: null, next: 7 }], 7: [["c"], { next: null }] };
  const { api } = await served(t, (query) => {
    const [data, meta] = pages[query.get("cursor") ?? query.get("after") ?? ""];
    return [200, { data, meta }];
  });
  assert.deepEqual(await api.all("/events", [["limit", 1]]), ["a", "b", "c"]);
});

test("once a token was refused nothing is asked until there is another, and each question says so", async (t) => {
  const { asked, api } = await served(t, () => [401, { error: "no token", code: "unauthorized" }]);
  let told = 0;
  api.whenUnauthorized(() => (told += 1));
  for (let times = 0; times < 3; times += 1) await assert.rejects(api.get("/jobs"), { status: 401, code: "unauthorized" });
  assert.deepEqual([asked, told, api.mayAsk()], [["/jobs"], 3, false]);
});
