// A link within the dashboard: a real one, to be opened in a new tab or copied.

import { address, hrefOf, navigate } from "../state/router.js";
import { html } from "./html.js";

export function Link({ to, children, ...rest }) {
	const follow = (event) => {
		if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
		event.preventDefault();
		navigate(to);
	};
	return html`<a href=${hrefOf(to)} onClick=${follow} ...${rest}>${children}</a>`;
}

export const RunLink = ({ id, children }) =>
	html`<${Link} to=${{ view: "run", id }} class="id">${children ?? shortId(id)}<//>`;

export const JobLink = ({ slug, children }) => html`<${Link} to=${{ view: "job", id: slug }}>${children ?? slug}<//>`;

/** The start of an id, by which it can be looked for: it tells the microsecond in which a run was launched. */
export const shortId = (id) => id.slice(0, 18);

/** Views of one thing: the address keeps which one is open. */
export function Tabs({ tabs, current }) {
	const target = (tab) => ({ ...address.value, tab, words: [] });
	const follow = (tab) => (event) => {
		event.preventDefault();
		navigate(target(tab));
	};
	return html`<nav class="tabs">
		${Object.entries(tabs).map(([tab, title]) => html`<a key=${tab} href=${hrefOf(target(tab))}
			aria-current=${tab === current ? "page" : undefined} onClick=${follow(tab)}>
			${title}</a>
		`)}
	</nav>`;
}
