/**
 * Bundles the programs into a few files, so that a command starts in a third of the time that loading hundreds of modules
 * takes. Rarely used code stays in separate files, and PGlite in its package.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { rolldown } from "rolldown"
import { recordBundledPackages } from "./bundledPackages.mjs"

const dist = join(import.meta.dirname, "../dist")
const bundled = join(dist, "bundled")
const programs = ["cli", "demo"]

const bundle = await rolldown({
  input: Object.fromEntries(programs.map((name) => [`${name}/main`, join(dist, name, "main.js")])),
  platform: "node",
  external: [/^@electric-sql\//]
})
// At the same depth in the package as the bundled modules, because some read files relative to their own path.
const { output } = await bundle.write({
  dir: bundled,
  format: "esm",
  // The documentation of bundled packages. Legal comments stay.
  comments: { legal: true, annotation: false, jsdoc: false },
  entryFileNames: "[name].js",
  chunkFileNames: "cli/[name]-[hash].js"
})
await bundle.close()
recordBundledPackages("command line", output)
for (const name of programs) rmSync(join(dist, name), { recursive: true })
cpSync(bundled, dist, { recursive: true })
rmSync(bundled, { recursive: true })

/*
 * Removes the modules that only these programs use, with their declarations: they are in the bundles, and no entry of the
 * package reaches them. The build needs `buildTemplate`.
 */
const { exports } = JSON.parse(readFileSync(join(dist, "../package.json"), "utf8"))
const entries = Object.values(exports).flatMap((entry) => [entry.import ?? [], entry.types ?? []].flat())
const reached = new Set([...entries, "dist/services/pglite/buildTemplate.js"].map((name) => resolve(dist, "..", name)))
for (const file of reached) {
  for (const [, name] of readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
    const module = resolve(dirname(file), name)
    const imported = file.endsWith(".d.ts") ? module.replace(/\.[jt]s$/, ".d.ts") : module
    if (existsSync(imported)) reached.add(imported)
  }
}
const declarationOf = (module) => module.replace(/\.js$/, ".d.ts")
for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  const module = join(dist, name)
  const isProgram = programs.some((program) => name.startsWith(program))
  if (!name.endsWith(".js") || isProgram || reached.has(module)) continue
  rmSync(module)
  if (!reached.has(declarationOf(module))) rmSync(declarationOf(module))
}
