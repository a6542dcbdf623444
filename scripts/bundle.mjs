/**
 * Makes one file of the command line and what it uses, so that a command starts in a third of the time that loading
 * some hundred modules takes. What is seldom needed stays in files of its own, and PGlite in its package.
 */
import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

const dist = join(import.meta.dirname, "../dist")
const modules = join(dist, "cli")
const bundled = join(dist, "cli.bundled")

const bundle = await rolldown({
  input: { main: join(modules, "main.js") },
  platform: "node",
  external: [/^@electric-sql\//]
})
await bundle.write({ dir: bundled, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" })
await bundle.close()
rmSync(modules, { recursive: true })
renameSync(bundled, modules)
