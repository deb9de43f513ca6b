// Which pages there are: what opens them, where their code is, and whether they can show the past.

/** @type {Record<string, {load: () => Promise<{Screen: Function}>, key?: string, knowsPast?: boolean, under?: string}>} */
export const PAGES = {
	overview: { load: () => import("../screens/overview/screen.js"), key: "o", knowsPast: true },
	runs: { load: () => import("../screens/runs/screen.js"), key: "r", knowsPast: true },
	run: { load: () => import("../screens/run/screen.js"), knowsPast: true, under: "runs" },
	bulk: { load: () => import("../screens/runs/operations.js"), knowsPast: true, under: "runs" },
	jobs: { load: () => import("../screens/jobs/screen.js"), key: "j", knowsPast: true },
	job: { load: () => import("../screens/jobs/job.js"), knowsPast: true, under: "jobs" },
	failures: { load: () => import("../screens/failures/screen.js"), key: "f", knowsPast: true },
	schedules: { load: () => import("../screens/schedules/screen.js"), key: "s", knowsPast: true },
	schedule: { load: () => import("../screens/schedules/schedule.js"), under: "schedules" },
	workers: { load: () => import("../screens/workers/screen.js"), key: "w" },
	log: { load: () => import("../screens/log/screen.js"), key: "l", knowsPast: true },
	apps: { load: () => import("../screens/apps/screen.js"), key: "a" },
	app: { load: () => import("../screens/apps/app.js"), under: "apps" },
};

/** Those that stand in the navigation. */
export const MAIN = Object.keys(PAGES).filter((view) => PAGES[view].key);
