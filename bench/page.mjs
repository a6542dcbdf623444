/** Updates the figures of docs/benchmarks.md and docs/scaling.md from results/, and redraws the plots. */
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { fillPage } from "./lib/page.mjs"
import { writePlots, writeScalingPlots } from "./lib/plots.mjs"
import { ratiosOf } from "./lib/ratios.mjs"
import { scalingTables } from "./lib/scaling/tables.mjs"
import { plainTableOf } from "./lib/table.mjs"

const place = new URL("results/", import.meta.url)
const page = (name) => new URL(`../docs/${name}.md`, import.meta.url).pathname

/** Reads a file of the results; "" when it does not exist. */
const read = (name) => {
  try {
    return readFileSync(new URL(name, place), "utf8")
  } catch (error) {
    if (error.code === "ENOENT") return ""
    throw error
  }
}

/** The description of each plot. */
const captions = {
  rates: [
    "One card at a time",
    "Each worker claims a card and completes it. More workers in one process fill each transaction more, so the rate grows " +
      "with them; a queue that takes a transaction for each job does not have that."
  ],
  batches: [
    "Many cards at a time",
    "Claims and completions of many cards in one call, beside the queues at what their own pages recommend. The floor is the " +
      "same work as functions in the server: what is left to gain."
  ],
  claims: [
    "Claims over large backlogs",
    "The lines of this backlog are flat: a claim reads an index that holds claimable cards only. A table whose claim looks " +
      "through done and waiting cards becomes slower with them."
  ],
  reads: [
    "Reads over the largest backlog",
    "A card, a page of 100 in the order of claims, and the counts. None of them looks at all cards."
  ],
  creates: [
    "Planning",
    "A plan of many cards, of which most depend on another, events and edges included; the queues have no dependencies."
  ],
  drain: [
    "A backlog from its first card to its last",
    "Nothing tidies up in between, so that rows which are dead lie in the way of those who pass over them."
  ],
  soak: [
    "Work while somebody holds an old snapshot",
    "No dead row can be removed all the while. How much slower claims become by that, and by nothing else, is what it shows."
  ]
}

const plot = (name) => {
  const [title, sentence] = captions[name]
  return `## ${title}\n\n${sentence}\n\n![${title}](../bench/results/latest-${name}.svg)`
}

const fillBenchmarksPage = () => {
  const results = JSON.parse(read("latest.json"))
  const names = writePlots(place, "latest", results)
  const ratios = ratiosOf(results)
  const about = read("latest-about.txt").trim().split("\n")
  fillPage(page("benchmarks"), {
    machine: about[0] === "" ? "" : about.map((line) => `- ${line}`).join("\n"),
    plots: names.map(plot).join("\n\n"),
    ratios: ratios === "" ? "No two results that are compared were measured yet." : ratios,
    results: plainTableOf(results)
  })
}

export const fillScalingPage = () => {
  const results = JSON.parse(read("scaling.json"))
  if (results.oneServer !== undefined) writeScalingPlots(place, results.oneServer)
  fillPage(page("scaling"), scalingTables(results))
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  fillBenchmarksPage()
  fillScalingPage()
}
