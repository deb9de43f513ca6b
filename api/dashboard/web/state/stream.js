// The resumable stream over a WebSocket: no gap, no repeat, whatever happens to the connection.
//
// A position may yield several messages; all but its last say `more`. They are handed over together, and only then the
// position moves, so that a connection lost in between tells them again from the beginning.

/** The server breaks every silence after 15 seconds; a connection that stays silent three times as long is dead. */
const SILENCE_MS = 45_000;

const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** The code with which the server closes what it will never serve: another log, a wrong position, no token. */
const REFUSED = 1008;

export class ResumableStream {
	/**
	 * @param {object} parts `url(after, logId)` and `protocols()` say where to connect; `onMessages(messages)` is called with
	 *   whole positions, `onState(state, details)` with `connecting`, `live`, `lost` or `refused`, `onAck(data)` once connected
	 */
	constructor({
		url,
		protocols = () => [],
		onMessages,
		onState,
		onAck = () => {},
		WebSocket = globalThis.WebSocket,
		clock = BROWSERS_CLOCK,
	}) {
		Object.assign(this, { url, protocols, onMessages, onState, onAck, WebSocket, clock });
		this.position = null;
		this.logId = null;
		this.pause = SHORTEST_PAUSE_MS;
		this.socket = null;
		this.timer = null;
		this.unfinished = [];
		this.missedUpTo = null;
	}

	/** Begin, or begin anew, behind a position; null means with the next event. */
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
		if (this.socket?.isOpen) return;
		this.stop();
		this.#connect();
	}

	#connect() {
		this.unfinished = [];
		this.onState("connecting");
		const socket = new this.WebSocket(this.url(this.position, this.logId), this.protocols());
		this.socket = socket;
		this.#listenFor(socket);
		socket.onmessage = ({ data }) => {
			if (socket !== this.socket) return;
			this.#listenFor(socket);
			this.#take(JSON.parse(data), socket);
		};
		socket.onclose = (event) => {
			if (socket === this.socket) this.#lost(event);
		};
	}

	#take(message, socket) {
		this.pause = SHORTEST_PAUSE_MS;
		if (message.type === "connection.ack") {
			socket.isOpen = true;
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
		if (this.missedUpTo === null || this.position < this.missedUpTo) return;
		this.missedUpTo = null;
		this.onState("live");
	}

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

	#listenFor(socket) {
		this.clock.clear(this.timer);
		this.timer = this.clock.set(() => {
			if (socket !== this.socket) return;
			socket.onclose = null;
			socket.close();
			this.#lost({ code: 1006 });
		}, SILENCE_MS);
	}
}

const BROWSERS_CLOCK = {
	now: () => Date.now(),
	set: (call, ms) => setTimeout(call, ms),
	clear: (timer) => clearTimeout(timer),
};
