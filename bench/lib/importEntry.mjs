/** Imports modules and ends: node importEntry.mjs BUILD [MODULE …]. A module is a file of the build, or a package that it uses. */
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [build, ...modules] = process.argv.slice(2)
const fromBuild = createRequire(join(build, "index.js"))
for (const module of modules) {
  await import(pathToFileURL(module.endsWith(".js") ? join(build, module) : fromBuild.resolve(module)).href)
}
