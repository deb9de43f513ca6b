// Lets node find what browsers find by the page's import map.

import { readFileSync } from "node:fs";
import { register } from "node:module";

const WEB = new URL("../../../../../api/dashboard/web/", import.meta.url);

const manifest = JSON.parse(readFileSync(new URL("vendor/manifest.json", WEB)));

const imports = Object.fromEntries(
  manifest.flatMap(({ folder, imports }) =>
    Object.entries(imports).map(([name, file]) => [name, new URL(`vendor/${folder}/${file}`, WEB).href]),
  ),
);

const hooks = `
  const imports = ${JSON.stringify(imports)};
  export function resolve(name, context, next) {
    return imports[name] ? { url: imports[name], format: "module", shortCircuit: true } : next(name, context);
  }
  export async function load(url, context, next) {
    return next(url, url.startsWith("${WEB.href}") ? { ...context, format: "module" } : context);
  }
`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
