// Markup in template strings: html`<p class="note">${text}</p>`.

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);

/** @param {import("@preact/signals").Signal<string>} target @returns a handler that keeps what is written there */
export const into = (target) => (event) => (target.value = event.target.value);
