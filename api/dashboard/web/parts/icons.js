// Small pictures. Each status has a shape of its own, so that none is told by its colour alone.

import { html } from "./html.js";

const PATHS = {
	pending: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M8 5v3.2h2.4",
	running: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5M6.6 5.4v5.2L10.6 8z",
	succeeded: "M3 8.6l3.2 3.2L13 4.6",
	failed: "M4 4l8 8M12 4l-8 8",
	canceled: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M4.2 4.2l7.6 7.6",
	expired: "M4 2.5h8M4 13.5h8M5 2.5c0 3.2 3 3.8 3 5.5s-3 2.3-3 5.5M11 2.5c0 3.2-3 3.8-3 5.5s3 2.3 3 5.5",
	search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9M10.4 10.4l3.4 3.4",
	clock: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M8 4.8V8l2.2 1.4",
	close: "M4 4l8 8M12 4l-8 8",
	copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
	next: "M6 3.5L10.5 8L6 12.5",
	play: "M5 3.5v9L12.5 8z",
	pause: "M5 3.5v9M11 3.5v9",
	warning: "M8 2.5l6 11H2zM8 6.5v3.2M8 11.4v.4",
	filter: "M2.5 3.5h11L9.3 8.4v4.1l-2.6 1V8.4z",
	settings: "M3 5h6M12 5h1M3 11h1M7 11h6M10.5 3.5v3M5.5 9.5v3",
};

/** @param {{name: keyof PATHS, label?: string}} what with a label it is read aloud, else it decorates */
export function Icon({ name, label }) {
	const naming = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
	return html`<svg class="icon icon-${name}" viewBox="0 0 16 16" ...${naming}><path d=${PATHS[name]} /></svg>`;
}
