/** Fills in the figures of docs/scaling.md and docs/benchmarks.md from results/, and draws the plots anew. */
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { fillPage } from "./lib/page.mjs"
import { scalingTables } from "./lib/scaling/tables.mjs"

const resultsOf = (name) => JSON.parse(readFileSync(new URL(`results/${name}.json`, import.meta.url), "utf8"))
const page = (name) => new URL(`../docs/${name}.md`, import.meta.url).pathname

export const fillScalingPage = () => fillPage(page("scaling"), scalingTables(resultsOf("scaling")))

if (import.meta.url === pathToFileURL(process.argv[1]).href) fillScalingPage()
