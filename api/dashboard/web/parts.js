// All parts that screens are made of, by one door.

export { Announcer, More, MoreRows, announce, attempt } from "./parts/announcer.js";
export { Command, Copy } from "./parts/copy.js";
export { Confirmations, Dialog, Guard, confirm, isGuarded, orderWithReason } from "./parts/dialog.js";
export { html, into } from "./parts/html.js";
export { Icon } from "./parts/icons.js";
export { Differences, Json } from "./parts/json.js";
export { JobLink, Link, RunLink, Tabs, shortId } from "./parts/link.js";
export { Answered, Empty, Failed, Loading } from "./parts/states.js";
export { Pausing } from "./parts/pausing.js";
export { Status, lookOf } from "./parts/status.js";
export { Table } from "./parts/table.js";
export { Duration, Time } from "./parts/time.js";
