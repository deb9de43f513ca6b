// All screens but the overview, which comes with the shell: one file, which is loaded before it is needed (`shell/app.js`).

import "./main.js"; // It runs already, so that nothing of it is in this file when that is built.

export { Screen as app } from "./screens/app.js";
export { Screen as apps } from "./screens/apps.js";
export { Screen as bulk } from "./screens/bulk.js";
export { Screen as failures } from "./screens/failures.js";
export { Screen as job } from "./screens/job.js";
export { Screen as jobs } from "./screens/jobs.js";
export { Screen as log } from "./screens/log.js";
export { Screen as run } from "./screens/run.js";
export { Screen as runs } from "./screens/runs.js";
export { Screen as schedule } from "./screens/schedule.js";
export { Screen as schedules } from "./screens/schedules.js";
export { Screen as workers } from "./screens/workers.js";
