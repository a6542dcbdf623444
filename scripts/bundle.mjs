/**
 * Bundles the programs into a few files, so that a command starts in a third of the time that loading hundreds of modules
 * takes. Rarely used code stays in separate files, and PGlite in its package.
 */
import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

const dist = join(import.meta.dirname, "../dist")
const bundled = join(dist, "bundled")
const programs = ["cli", "demo"]

const bundle = await rolldown({
  input: Object.fromEntries(programs.map((name) => [`${name}/main`, join(dist, name, "main.js")])),
  platform: "node",
  external: [/^@electric-sql\//]
})
// At the same depth in the package as the bundled modules, because some read files relative to their own path.
await bundle.write({
  dir: bundled,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "cli/[name]-[hash].js"
})
await bundle.close()
for (const name of programs) rmSync(join(dist, name), { recursive: true })
cpSync(bundled, dist, { recursive: true })
rmSync(bundled, { recursive: true })
