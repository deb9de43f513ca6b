import assert from "node:assert/strict";
import { test } from "node:test";

import { ResumableStream } from "../../../../../api/dashboard/web/state/stream.js";

/** A server in the same process, that a test speaks for; and a clock that it moves. */
function world() {
  const seen = { sockets: [], messages: [], states: [] };
  let now = 0;
  let timers = [];
  class Socket {
    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      seen.sockets.push(this);
    }
    close() {
      this.isClosed = true;
    }
    tell(...messages) {
      for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
    }
    drop(code = 1006, reason = "") {
      this.onclose?.({ code, reason });
    }
  }
  const clock = {
    now: () => now,
    set: (call, ms) => {
      const timer = { call, at: now + ms };
      timers.push(timer);
      return timer;
    },
    clear: (timer) => (timers = timers.filter((one) => one !== timer)),
  };
  const pass = (ms) => {
    now += ms;
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { call } of due) call();
  };
  const stream = new ResumableStream({
    url: (after, logId) => `${after} ${logId}`,
    protocols: () => ["p"],
    onMessages: (messages) => seen.messages.push(...messages.map(({ position, name }) => name ?? position)),
    onState: (state, details) => seen.states.push(details ? [state, details] : state),
    WebSocket: Socket,
    clock,
  });
  return { seen, pass, stream, last: () => seen.sockets.at(-1) };
}

const ACK = { type: "connection.ack", data: { logId: "L", head: 7 }, position: 7 };
const told = (position, more = {}) => ({ type: "job.run.updated", eventId: "e", position, ...more });

test("it resumes behind the last whole position, under the log's id", () => {
  const { seen, pass, stream, last } = world();
  stream.start(7);
  last().tell(ACK, told(8), told(9, { more: true, name: "9a" }));
  last().drop();
  pass(250);
  assert.equal(last().url, "8 L");
  last().tell(ACK, told(9, { more: true, name: "9a" }), told(9, { name: "9b" }));
  assert.deepEqual(seen.messages, [8, "9a", "9b"]);
});

test("without a position it begins at the head of when it connected, also if nothing came before it was cut off", () => {
  const { pass, stream, last } = world();
  stream.start();
  assert.equal(last().url, "null null");
  assert.deepEqual(last().protocols, ["p"]);
  last().tell(ACK);
  last().drop();
  pass(250);
  assert.equal(last().url, "7 L");
});

test("heartbeats move the position of filtered clients", () => {
  const { seen, pass, stream, last } = world();
  stream.start(7);
  last().tell(ACK, { type: "heartbeat", data: {}, position: 50 });
  last().drop();
  pass(250);
  assert.equal(last().url, "50 L");
  assert.deepEqual(seen.messages, []);
});

test("pauses grow while nothing answers, and are short again afterwards", () => {
  const { seen, pass, stream, last } = world();
  stream.start(1);
  for (const pause of [250, 500, 1000, 2000, 4000, 8000, 10000, 10000]) {
    last().drop();
    const before = seen.sockets.length;
    pass(pause - 1);
    assert.equal(seen.sockets.length, before);
    pass(1);
    assert.equal(seen.sockets.length, before + 1);
  }
  last().tell(ACK);
  last().drop();
  assert.deepEqual(seen.states.at(-1), ["lost", { retryAt: seen.states.at(-1)[1].retryAt }]);
  const before = seen.sockets.length;
  pass(250);
  assert.equal(seen.sockets.length, before + 1);
});

test("a connection that has been silent too long counts as lost", () => {
  const { seen, pass, stream, last } = world();
  stream.start(1);
  const first = last();
  first.tell(ACK);
  pass(24_000);
  first.tell({ type: "heartbeat", data: {}, position: 9 });
  pass(24_000);
  assert.equal(seen.sockets.length, 1);
  pass(1_000);
  assert.ok(first.isClosed);
  pass(250);
  assert.equal(last().url, "9 L");
});

test("a connection that was dropped is lost at once, and made anew", () => {
  const { seen, pass, stream, last } = world();
  stream.drop(); // Before the first one there is nothing to drop.
  stream.start(1);
  const first = last();
  first.tell(ACK, { type: "heartbeat", data: {}, position: 9 });
  stream.drop();
  assert.ok(first.isClosed);
  assert.equal(seen.states.at(-1)[0], "lost");
  pass(250);
  assert.equal(last().url, "9 L");
});

test("what a connection says after it was given up is for nobody", () => {
  const { seen, stream, last } = world();
  stream.start(1);
  const first = last();
  stream.start(5);
  first.tell(ACK, told(2));
  first.drop();
  last().tell(ACK, told(6));
  assert.deepEqual(seen.messages, [6]);
  assert.equal(seen.sockets.length, 2);
});

test("it is live once it has heard all that had happened when it was connected", () => {
  const { seen, stream, last } = world();
  stream.start(5);
  last().tell(ACK, told(6));
  assert.deepEqual(seen.states, ["connecting"]);
  last().tell(told(7, { more: true }));
  assert.deepEqual(seen.states, ["connecting"]);
  last().tell(told(7));
  assert.deepEqual(seen.states, ["connecting", "live"]);
  last().tell(told(8));
  assert.deepEqual(seen.states, ["connecting", "live"]);
});

test("a heartbeat also tells that nothing was missed", () => {
  const { seen, stream, last } = world();
  stream.start(5);
  last().tell(ACK, { type: "heartbeat", data: {}, position: 7 });
  assert.deepEqual(seen.states, ["connecting", "live"]);
});

test("a refusal is said and not tried again", () => {
  const { seen, pass, stream, last } = world();
  stream.start(1);
  last().drop(1008, "another log");
  pass(60_000);
  assert.deepEqual(seen.states.at(-1), ["refused", { reason: "another log" }]);
  assert.equal(seen.sockets.length, 1);
});

test("it tries at once when told to, but leaves what is live alone", () => {
  const { seen, stream, last } = world();
  stream.start(1);
  last().drop();
  stream.retryNow();
  assert.equal(seen.sockets.length, 2);
  last().tell(ACK);
  stream.retryNow();
  assert.equal(seen.sockets.length, 2);
});
