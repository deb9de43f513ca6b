/**
 * Follow the event stream of AppHub Jobs, in browsers and in Node 18 or newer. Lost connections are resumed, so that
 * nothing is lost or told twice. No dependencies.
 *
 *     for await (const message of new Stream("http://localhost:4000", { after: 0, types: "job.run.*" })) {
 *       console.log(message.position, message.type);
 *     }
 */

/**
 * The server breaks every silence after 15 seconds. After three times as long the connection is given up: until then the
 * server may be busy, or the network away, and to connect and resume would only add to that.
 */
const SILENCE_MS = 45_000;

/** Between two attempts to connect: twice as long each time, until something comes again. */
const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** A WebSocket cannot be told to wait. When this many messages wait for you, it is closed, and resumed later. */
const MAX_WAITING = 1_000;

/** The code with which the server closes what it will never serve. */
const REFUSED = 1008;

/** The server will not serve this request, however often it is asked; the message says why. */
export class StreamRefusedError extends Error {}

export class Stream {
  /**
   * From where to resume; keep it if you want to go on after a restart. It moves when you ask for the message after the
   * last one of a position, so what you were given last counts only once you have handled it.
   */
  position;

  /** The log that the position belongs to; keep it as well. */
  logId;

  #url;
  #options;
  #pause = SHORTEST_PAUSE_MS;
  #socketFailed = false;

  /**
   * @param {string} url of the API
   * @param {{after?: number, logId?: string, types?: string, job?: string, token?: string, signal?: AbortSignal,
   *          transport?: "websocket" | "events"}} options `transport` is chosen if you do not: a WebSocket where there
   *   are any and they get through, else server-sent events by `fetch`
   */
  constructor(url, options = {}) {
    this.#url = url.replace(/\/$/, "");
    this.#options = options;
    this.position = options.after;
    this.logId = options.logId;
  }

  /** Yield every message of every position in order, each position's only once all of them are here. */
  async *[Symbol.asyncIterator]() {
    const { signal } = this.#options;
    while (!signal?.aborted) {
      let messages = [];
      try {
        for await (const message of this.#connection()) {
          this.#pause = SHORTEST_PAUSE_MS;
          if (message.type === "connection.ack") {
            this.logId = message.data.logId;
            this.position ??= message.data.head;
          } else if (message.eventId === undefined) {
            this.position = message.position; // A heartbeat: filters may pass over much.
          } else {
            messages.push(message);
            if (!message.more) {
              yield* messages;
              this.position = message.position;
              messages = [];
            }
          }
        }
      } catch (error) {
        if (error instanceof StreamRefusedError) throw error;
      }
      await pause(this.#pause * (0.5 + Math.random() / 2), signal);
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    }
  }

  async *#connection() {
    const { transport = globalThis.WebSocket ? "websocket" : "events" } = this.#options;
    if (transport === "websocket" && !this.#socketFailed) {
      // Of a refused handshake one is told nothing. The next attempt is by fetch, which is told.
      this.#socketFailed = this.#options.transport === undefined;
      for await (const message of socketMessages(this.#query("/ws", true), this.#options.signal)) {
        this.#socketFailed = false;
        yield message;
      }
    } else {
      this.#socketFailed = false;
      yield* eventMessages(this.#query("/events/stream", false), this.#options);
    }
  }

  #query(path, withToken) {
    const { types, job, token } = this.#options;
    const asked = { after: this.position, logId: this.logId, types, job, token: withToken ? token : undefined };
    const known = Object.entries(asked).filter(([, value]) => value !== undefined);
    return `${this.#url}${path}?${new URLSearchParams(known)}`;
  }
}

async function* socketMessages(url, signal) {
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  const waiting = [];
  let closed;
  let wake = () => {};
  const end = (event) => {
    closed = event;
    wake();
  };
  const hangUp = () => {
    socket.close();
    end({}); // Whatever the other side says to that.
  };
  socket.onmessage = ({ data }) => {
    waiting.push(data);
    if (waiting.length >= MAX_WAITING) {
      socket.onmessage = null; // What still comes is asked for again.
      hangUp();
    }
    wake();
  };
  socket.onclose = end;
  socket.onerror = end; // Some never say that they are closed when they have not been open.
  signal?.addEventListener("abort", hangUp);
  try {
    while (waiting.length > 0 || !closed) {
      if (waiting.length > 0) yield JSON.parse(waiting.shift());
      else await orHangUp(new Promise((resolve) => (wake = resolve)), hangUp);
    }
    if (closed.code === REFUSED) throw new StreamRefusedError(closed.reason);
  } finally {
    signal?.removeEventListener("abort", hangUp);
    hangUp();
  }
}

async function* eventMessages(url, { token, signal }) {
  const ending = new AbortController();
  const hangUp = () => ending.abort();
  signal?.addEventListener("abort", hangUp);
  try {
    const headers = { Accept: "text/event-stream", ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await orHangUp(fetch(url, { headers, signal: ending.signal }), hangUp);
    if (response.status >= 400 && response.status < 500) {
      const { error } = await orHangUp(response.json(), hangUp);
      throw new StreamRefusedError(typeof error === "string" ? error : JSON.stringify(error));
    }
    if (!response.ok) return;
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of chunks(response.body, hangUp)) {
      const events = (text + decoder.decode(bytes, { stream: true })).split("\n\n");
      text = events.pop();
      for (const event of events) yield JSON.parse(event.slice(event.indexOf("data: ") + "data: ".length));
    }
  } finally {
    signal?.removeEventListener("abort", hangUp);
    hangUp();
  }
}

/** Not every browser can iterate over a body. */
async function* chunks(body, hangUp) {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await orHangUp(reader.read(), hangUp);
    if (done) return;
    yield value;
  }
}

/** Wait for what comes next, and hang up if nothing does. The time that you take for a message is no silence. */
async function orHangUp(next, hangUp) {
  const timer = setTimeout(hangUp, SILENCE_MS);
  try {
    return await next;
  } finally {
    clearTimeout(timer);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
  });
}
