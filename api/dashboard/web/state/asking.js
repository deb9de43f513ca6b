// One question at a time, as often as somebody wants to know. Pure.

export class Asking {
	/** @param {(signal: AbortSignal) => Promise<void>} ask never fails */
	constructor(ask) {
		Object.assign(this, { ask, running: null, isWanted: false });
	}

	/** Ask at once; whatever is under way is for nobody. */
	anew() {
		this.stop();
		const running = new AbortController();
		this.running = running;
		this.ask(running.signal).then(() => {
			if (running !== this.running) return;
			this.running = null;
			if (this.isWanted) this.anew();
		});
	}

	/** Ask once more. What is under way comes to its end first, or slow answers would never arrive. */
	again() {
		if (this.running) this.isWanted = true;
		else this.anew();
	}

	stop() {
		this.running?.abort();
		this.running = null;
		this.isWanted = false;
	}
}
