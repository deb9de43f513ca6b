// The resumable stream over a WebSocket: no gap, no repeat, whatever happens to the connection.
//
// A position may yield several messages; all but its last say `more`. They are handed over together, and only then the
// position moves, so that a connection lost in between tells them again from the beginning.

/** The server breaks every silence after 15 seconds; a connection that stays silent for ten more is dead. */
const SILENCE_MS = 25_000;

const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** The code with which the server closes what it will never serve: another log, a wrong position, no token. */
const REFUSED = 1008;

/**
 * @typedef {import("./fold.js").Message} Message
 *
 * @typedef {"connecting" | "live" | "lost" | "refused"} StreamState
 *
 * What the server says once it is connected.
 * @typedef {{logId: string, head: number, now: string}} Ack
 *
 * `url` and `protocols` say where to connect; `onMessages` is called with whole positions, `onAck` once connected.
 * @typedef {{
 *   url: (after: number | null, logId: string | null) => URL,
 *   protocols?: () => string[],
 *   onMessages: (messages: Message[]) => void,
 *   onState: (state: StreamState, details?: {reason?: string, retryAt?: number}) => void,
 *   onAck?: (data: Ack) => void,
 *   WebSocket?: typeof globalThis.WebSocket,
 *   clock?: typeof BROWSERS_CLOCK,
 * }} Parts
 */

export class ResumableStream {
	/** Behind which event the stream goes on. @type {number | null} */
	position = null;

	/** @type {string | null} */
	logId = null;

	pause = SHORTEST_PAUSE_MS;

	/** @type {WebSocket | null} */
	socket = null;

	/** Whether the server has said what it is connected to. */
	isOpen = false;

	/** @type {number | undefined} */
	timer;

	/** When the socket last said something. */
	heardAt = 0;

	/** Messages of a position of which more are to come. @type {Message[]} */
	unfinished = [];

	/** Where the log ended when the socket was connected; null once all up to there has been heard. @type {number | null} */
	missedUpTo = null;

	/** @param {Parts} parts */
	constructor({
		url,
		protocols = () => [],
		onMessages,
		onState,
		onAck = () => {},
		WebSocket = globalThis.WebSocket,
		clock = BROWSERS_CLOCK,
	}) {
		this.url = url;
		this.protocols = protocols;
		this.onMessages = onMessages;
		this.onState = onState;
		this.onAck = onAck;
		this.WebSocket = WebSocket;
		this.clock = clock;
	}

	/**
	 * Begin, or begin anew, behind a position; null means with the next event.
	 * @param {number | null} position @param {string | null} logId
	 */
	start(position = null, logId = null) {
		this.stop();
		this.position = position;
		this.logId = logId;
		this.#connect();
	}

	stop() {
		this.clock.clear(this.timer);
		const socket = this.socket;
		this.socket = null; // Whatever it still says is for nobody.
		socket?.close();
	}

	/** Try again at once, as after a tap on 'try now', or when the browser is online again. */
	retryNow() {
		if (this.socket && this.isOpen) return;
		this.stop();
		this.#connect();
	}

	/** Take the connection for lost, as when the browser is offline: it would be silent. */
	drop() {
		if (!this.socket) return;
		const socket = this.socket;
		this.#lost({ code: 1006 });
		socket.close();
	}

	#connect() {
		this.unfinished = [];
		this.isOpen = false;
		this.onState("connecting");
		const socket = new this.WebSocket(this.url(this.position, this.logId), this.protocols());
		this.socket = socket;
		this.heardAt = this.clock.now();
		this.#giveUpWhenSilent(socket, SILENCE_MS);
		socket.onmessage = ({ data }) => {
			if (socket !== this.socket) return;
			this.heardAt = this.clock.now();
			this.#take(JSON.parse(data));
		};
		socket.onclose = (event) => {
			if (socket === this.socket) this.#lost(event);
		};
	}

	/** @param {any} message an event's, the first one, or a heartbeat */
	#take(message) {
		this.pause = SHORTEST_PAUSE_MS;
		if (message.type === "connection.ack") {
			this.isOpen = true;
			this.logId = message.data.logId;
			this.position ??= message.data.head;
			this.missedUpTo = message.data.head;
			this.onAck(message.data);
		} else if (message.eventId === undefined) {
			this.position = message.position ?? this.position; // A heartbeat: filters may pass over much.
		} else {
			this.unfinished.push(message);
			if (message.more) return;
			const messages = this.unfinished;
			this.unfinished = [];
			this.position = message.position;
			this.onMessages(messages);
		}
		this.#tellWhenCaughtUp();
	}

	/** Live is what has heard all that had happened when it was connected. */
	#tellWhenCaughtUp() {
		if (this.missedUpTo === null || (this.position ?? 0) < this.missedUpTo) return;
		this.missedUpTo = null;
		this.onState("live");
	}

	/** @param {{code: number, reason?: string}} event */
	#lost({ code, reason }) {
		this.clock.clear(this.timer);
		this.socket = null;
		if (code === REFUSED) {
			this.onState("refused", { reason });
			return;
		}
		const wait = this.pause;
		this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
		this.onState("lost", { retryAt: this.clock.now() + wait });
		this.timer = this.clock.set(() => this.#connect(), wait);
	}

	/**
	 * One timer for all messages: there may be hundreds a second.
	 * @param {WebSocket} socket @param {number} ms until it may have been silent too long
	 */
	#giveUpWhenSilent(socket, ms) {
		this.timer = this.clock.set(() => {
			if (socket !== this.socket) return;
			const now = this.clock.now();
			this.heardAt = Math.min(this.heardAt, now); // The clock may have been put back.
			const rest = this.heardAt + SILENCE_MS - now;
			if (rest > 0) {
				this.#giveUpWhenSilent(socket, rest);
				return;
			}
			socket.onclose = null;
			socket.close();
			this.#lost({ code: 1006 });
		}, ms);
	}
}

const BROWSERS_CLOCK = {
	now: () => Date.now(),
	set: (/** @type {() => void} */ call, /** @type {number} */ ms) => setTimeout(call, ms),
	clear: (/** @type {number | undefined} */ timer) => clearTimeout(timer),
};
