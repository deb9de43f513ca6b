// Reports on the npm packages below a directory: which dependencies may change by themselves.
//
// A job in Node, run by `command`: parameters come as JSON on standard input, what is printed goes
// to the run's log, and the last line, JSON, is the result. Another exit code than 0 is a failure.

import { readdir, readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, relative } from "node:path";
import { text } from "node:stream/consumers";

const SKIPPED = new Set([".git", "node_modules", "dist", "build"]);
const LOCKS = ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"];
const KINDS = ["dependencies", "devDependencies", "optionalDependencies"];
const ANYTHING = new Set(["", "*", "latest", "x"]);

/** Yields the paths of all package.json files below a directory, in alphabetical order. */
async function* manifests(directory) {
  const entries = await readdir(directory, { withFileTypes: true });
  entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* manifests(path);
    else if (entry.isFile() && entry.name === "package.json") yield path;
  }
}

async function isLocked(directory) {
  const names = new Set(await readdir(directory));
  return LOCKS.some((name) => names.has(name));
}

async function report(path, root) {
  const manifest = JSON.parse(await readFile(path, "utf8"));
  const wanted = KINDS.flatMap((kind) => Object.entries(manifest[kind] ?? {}));
  return {
    path: relative(root, path),
    name: manifest.name ?? null,
    dependencies: wanted.length,
    unpinned: wanted.filter(([, range]) => ANYTHING.has(range.trim())).map(([name]) => name),
    locked: await isLocked(dirname(path)),
  };
}

const { directory } = JSON.parse(await text(process.stdin));
if (!isAbsolute(directory)) throw new Error(`directory must be an absolute path: ${directory}`);
const packages = [];
for await (const path of manifests(directory)) {
  console.log(`reading ${path}`);
  packages.push(await report(path, directory));
}
console.log(JSON.stringify({ packages }));
