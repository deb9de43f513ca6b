// The question for a token, where the service asks for one.

import { signal, useSignal } from "@preact/signals";

import { Dialog, html, into } from "../parts.js";
import { keepToken, whenUnauthorized } from "../state.js";
import { texts } from "../texts.js";

const isAsked = signal(false);

whenUnauthorized(() => (isAsked.value = true));

export function Access() {
	const token = useSignal("");
	if (!isAsked.value) return null;
	const submit = (event) => {
		event.preventDefault();
		keepToken(token.value.trim());
		location.reload(); // Whatever was refused is asked for again.
	};
	return html`<${Dialog} title=${texts.access.title} onClose=${() => (isAsked.value = false)}>
		<form class="stack" onSubmit=${submit}>
			<p>${texts.access.hint}</p>
			<label>
				${texts.access.token}
				<input
					type="password" autocomplete="off" required value=${token.value}
					onInput=${into(token)} />
			</label>
			<div class="actions"><button class="main">${texts.access.go}</button></div>
		</form>
	<//>`;
}
