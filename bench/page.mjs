/** Updates the figures of docs/benchmarks.md and docs/scaling.md from results/, and redraws the plots. */
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { fillPage } from "./lib/page.mjs"
import { writePlots, writeScalingPlots } from "./lib/plots.mjs"
import { ratiosOf, unmetRatiosOf } from "./lib/ratios.mjs"
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

/** The title and description of each plot. */
const captions = {
  rates: [
    "One card at a time",
    "Each worker claims a card and completes it. With more workers in one process a transaction has more commands, so the " +
      "rate grows with the number of workers. A queue that uses a transaction for each job does not share it."
  ],
  batches: [
    "Many cards at a time",
    "Each call claims or completes many cards. The queues have the settings that their documentation recommends. " +
      "Hand-written SQL is the baseline: the same work as functions in the server."
  ],
  claims: [
    "Claims over large backlogs",
    "A claim of this program reads an index of claimable cards, so its latency does not depend on the number of cards. A " +
      "claim of the mutable table reads done and waiting cards first."
  ],
  reads: ["Reads over the largest backlog", "A card, a page of 100 cards in claim order, and the counts."],
  creates: [
    "Planning",
    "One call creates many cards, most of which depend on another card. Events and edges are included. The jobs of the " +
      "queues have no dependencies."
  ],
  drain: [
    "A backlog from its first card to its last",
    "Nothing is vacuumed during the measurement, so later claims pass over the dead rows of earlier ones."
  ],
  soak: [
    "Work with an open snapshot",
    "A transaction keeps a snapshot open, so that the server cannot remove dead rows. The plot shows the latency of claims " +
      "over time."
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
  const unmet = unmetRatiosOf(results)
  const about = read("latest-about.txt").trim().split("\n")
  fillPage(page("benchmarks"), {
    "not reached": unmet === "" ? "Every requirement is met." : unmet,
    machine: about[0] === "" ? "" : about.map((line) => `- ${line}`).join("\n"),
    plots: names.map(plot).join("\n\n"),
    ratios: ratios === "" ? "No run has two results that a ratio compares." : ratios,
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
