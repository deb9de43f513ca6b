// Reads and links every module, as a browser does before it runs any: what is imported must be there and be exported.

import { readdirSync, readFileSync } from "node:fs";
import { SourceTextModule } from "node:vm";

const WEB = new URL("../../../../../api/dashboard/web/", import.meta.url);

const manifest = JSON.parse(readFileSync(new URL("vendor/manifest.json", WEB)));

const imports = new Map(
  manifest.flatMap(({ folder, imports }) =>
    Object.entries(imports).map(([name, file]) => [name, new URL(`vendor/${folder}/${file}`, WEB).href]),
  ),
);

const modules = new Map();

function read(url) {
  if (!modules.has(url)) modules.set(url, new SourceTextModule(readFileSync(new URL(url), "utf8"), { identifier: url }));
  return modules.get(url);
}

const files = readdirSync(WEB, { recursive: true }).filter((path) => path.endsWith(".js") && !path.startsWith("vendor"));

for (const file of files) {
  const module = read(new URL(file, WEB).href);
  if (module.status !== "unlinked") continue;
  await module.link((name, from) => read(imports.get(name) ?? new URL(name, from.identifier).href));
}

console.log(`${modules.size} modules`);
