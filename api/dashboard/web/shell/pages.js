// Which pages there are: what opens them, and where below `screens` their code is.

/** @type {Record<string, {file: string, key?: string, under?: string}>} */
export const PAGES = {
	overview: { file: "overview/screen", key: "o" },
	runs: { file: "runs/screen", key: "r" },
	run: { file: "run/screen", under: "runs" },
	bulk: { file: "runs/operations", under: "runs" },
	jobs: { file: "jobs/screen", key: "j" },
	job: { file: "jobs/job", under: "jobs" },
	failures: { file: "failures/screen", key: "f" },
	schedules: { file: "schedules/screen", key: "s" },
	schedule: { file: "schedules/schedule", under: "schedules" },
	workers: { file: "workers/screen", key: "w" },
	log: { file: "log/screen", key: "l" },
	apps: { file: "apps/screen", key: "a" },
	app: { file: "apps/app", under: "apps" },
};

/** Those that stand in the navigation. */
export const MAIN = Object.keys(PAGES).filter((view) => PAGES[view].key);
