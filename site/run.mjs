/**
 * Builds or serves the documentation site:
 *
 *     node site/run.mjs build [--base PATH]    # builds site/dist, checks it, and prints sizes
 *     node site/run.mjs serve [--port N]       # serves the pages, and updates them when their files change
 *
 * PATH is the path below which the site will be served. Defaults to /.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, watch } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { build, createServer, serve } from "vitepress"
import { whyNoChromium } from "../scripts/chromium.mjs"
import { findProblemsInBrowser } from "./lib/browser.mjs"
import { findDeadLinksOfSite, findForeignResources } from "./lib/checkBuilt.mjs"
import { collect, collected } from "./lib/collect.mjs"
import { findDeadLinksOfPages } from "./lib/links.mjs"
import { findNavigationProblems, root } from "./lib/pages.mjs"
import { writeReference } from "./lib/reference.mjs"

const {
  positionals: [command],
  values: { base, port }
} = parseArgs({
  allowPositionals: true,
  options: { base: { type: "string", default: "/" }, port: { type: "string", default: "4020" } }
})
const dist = join(import.meta.dirname, "dist")

/** Prints the problems and ends the process if there are any. */
const endIfAny = (what, problems) => {
  if (problems.length === 0) return
  console.error(`\n${what}:\n${[...new Set(problems)].map((problem) => `  ${problem}`).join("\n")}`)
  process.exit(1)
}

const timed = async (what, run) => {
  const start = performance.now()
  const result = await run()
  console.log(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

const sizeOf = (folder, isCounted = () => true) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isCounted(entry.name))
    .reduce((size, entry) => size + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0)

const kilobytes = (size) => `${Math.round(size / 1000).toLocaleString("en")} kB`

const buildSite = async () => {
  endIfAny("Problems of the navigation", findNavigationProblems())
  endIfAny("Dead links", findDeadLinksOfPages())
  rmSync(collected, { recursive: true, force: true })
  collect()
  await timed("API reference", writeReference)
  await timed("Pages", () => build(import.meta.dirname, { base }))
  endIfAny("Dead links in the built site", findDeadLinksOfSite(dist, base))
  endIfAny("Resources from other origins", findForeignResources(dist))
  if (whyNoChromium === undefined) {
    const server = await serve({ root: import.meta.dirname, base, port: 0 })
    const address = `http://localhost:${server.server.address().port}${base}`
    endIfAny("Problems in Chromium", await timed("Chromium", () => findProblemsInBrowser(address)))
    server.server.close()
  } else {
    console.log(`The site was not opened in a browser: ${whyNoChromium}.`)
  }
  const isIndex = (name) => name.includes("localSearchIndex")
  console.log(`site/dist: ${kilobytes(sizeOf(dist))}, of which the search index ${kilobytes(sizeOf(dist, isIndex))}`)
  process.exit()
}

const serveSite = async () => {
  mkdirSync(collected, { recursive: true })
  collect()
  if (!existsSync(join(collected, "api"))) await timed("API reference", writeReference)
  const server = await createServer(import.meta.dirname, { port: Number(port) })
  await server.listen()
  server.printUrls()
  for (const folder of ["", "docs", "docs/decisions", "docs/images", "bench", "site"]) {
    watch(join(root, folder), (_, name) => {
      if (name === null || !/\.(?:md|svg|png)$/.test(name)) return
      try {
        collect()
      } catch (error) {
        console.error(String(error))
      }
    })
  }
}

await (command === "serve" ? serveSite() : buildSite())
