// The top of the page: which service this is, search, and the moment that is shown.

import { html, Icon, Link } from "../parts.js";
import { environment } from "../state/preferences.js";
import { texts } from "../texts.js";
import { ConnectionState } from "./connection.js";
import { openPalette } from "./palette.js";
import { openPast } from "./past.js";
import { openSettings } from "./settings.js";

export function Header() {
	return html`<header class="header environment-${environment.colour}">
		<${Link} to=${{ view: "overview" }} class="brand">${texts.product}<//>
		${environment.name && html`<span class="environment">${environment.name}</span>`}
		<button class="search" onClick=${openPalette} aria-keyshortcuts="Control+K Meta+K">
			<${Icon} name="search" /><span>${texts.palette.title}</span><kbd>Ctrl K</kbd>
		</button>
		<button class="plain" onClick=${openPast} title=${texts.past.open} aria-label=${texts.past.open}>
			<${Icon} name="clock" />
		</button>
		<button class="plain" onClick=${openSettings} title=${texts.settings.title} aria-label=${texts.settings.title}>
			<${Icon} name="settings" />
		</button>
		<${ConnectionState} />
	</header>`;
}
