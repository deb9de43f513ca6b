// Makes what browsers get (`built/`, which is committed, and served by `pages.py`) of the dashboard's sources (`web/`):
//
//     node api/dashboard/build.mjs [--check]
//
// `dashboard.js` is all that the overview needs, `screens.js` all other screens. With `--check` nothing is written: it
// fails if what is committed is not what the sources give.

import { build } from "esbuild";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = new URL("web/", import.meta.url);
const BUILT = new URL("built/", import.meta.url);
const MODULES = new URL("../../node_modules/", import.meta.url);

const { outputFiles, metafile } = await build({
  absWorkingDir: fileURLToPath(WEB),
  entryPoints: ["main.js", "screens.js", "styles/dashboard.css", "index.html", "icon.svg"],
  entryNames: "[name]",
  outdir: "built",
  write: false,
  metafile: true,
  bundle: true,
  splitting: true,
  // All that main.js needs is shared with screens.js: it is the only chunk. A second one would be an error.
  chunkNames: "dashboard",
  format: "esm",
  minify: true,
  // Which have `light-dark()`, the newest thing that the dashboard needs.
  target: ["chrome123", "firefox120", "safari17.5"],
  loader: { ".html": "copy", ".svg": "copy" },
  banner: { js: "// licences.txt names what is in it." },
  legalComments: "none",
  logLevel: "warning",
});

const files = new Map(outputFiles.map((file) => [basename(file.path), file.contents]));
files.delete("main.js"); // It only imports the chunk, which the page names itself.
files.set("licences.txt", new TextEncoder().encode(licences()));

/** The licences of all packages of which something is in the files. */
function licences() {
  const packages = Object.keys(metafile.inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  return [...new Set(packages)].sort().map((name) => {
    const { version, license } = JSON.parse(readFileSync(new URL(`${name}/package.json`, MODULES), "utf8"));
    return `${name} ${version} (${license})\n\n${readFileSync(new URL(`${name}/LICENSE`, MODULES), "utf8").trim()}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}

mkdirSync(BUILT, { recursive: true });
const committed = new Map(readdirSync(BUILT).map((name) => [name, readFileSync(new URL(name, BUILT))]));
const names = new Set([...files.keys(), ...committed.keys()]);
const stale = [...names].filter((name) => !files.has(name) || !committed.get(name)?.equals(files.get(name)));

if (process.argv.includes("--check")) {
  if (stale.length > 0) {
    console.error(`api/dashboard/built is older than its sources (${stale.join(", ")}): run \`make web\`, and commit it`);
    process.exit(1);
  }
} else {
  for (const name of stale) {
    if (files.has(name)) writeFileSync(new URL(name, BUILT), files.get(name));
    else rmSync(new URL(name, BUILT));
  }
  console.log(stale.length > 0 ? `built anew: ${stale.join(", ")}` : "nothing has changed");
}
