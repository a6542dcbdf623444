/**
 * Builds the template that new embedded databases start as a copy of, from the installed PGlite and the migrations of this
 * package. Does nothing when it is current; `--always` builds it again.
 */
import { Effect } from "effect"
import { join } from "node:path"
import { buildTemplate } from "../dist/services/pglite/buildTemplate.js"

const directory = join(import.meta.dirname, "../template")
const built = await Effect.runPromise(buildTemplate(directory, { always: process.argv.includes("--always") }))
console.log(built ? "built the template of embedded databases" : "the template of embedded databases is current")
