// All that screens know and ask, by one door. Pure modules do not use it: it needs a browser.

export { ApiError, all, get, inPath, newKey, pageOf, pagesOf, post, problemOf, send, text } from "./state/api.js";
export { connection, head, retryNow, world } from "./state/live.js";
export { awaited, useAnswer, useCounts, useJobs, useNewest, useOwnJobs, useRefresh, useSettled } from "./state/loading.js";
export { lookedAt, minutesOff, now, positionAt, positionTime, present } from "./state/now.js";
export {
	address, asOf, change, forgetPlace, hadHappened, keepPlace, keptPlace, moment, navigate, showsPast,
} from "./state/router.js";
export { identify, lacksToken, mayAct, me, signIn, signOut } from "./state/session.js";
