// Where the dashboard begins: show the shell, and begin to listen.

import { h, render } from "preact";

import { App } from "./shell/app.js";
import { goLive } from "./state/live.js";
import { identify } from "./state/session.js";

render(h(App, null), /** @type {HTMLElement} */ (document.getElementById("app")));
identify();
goLive();
