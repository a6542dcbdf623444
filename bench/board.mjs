/** Measures the board in a browser against its budgets: see README.md. Updates docs/board.md. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { gzipSync } from "node:zlib"
import { describeServer, machine, progress } from "./lib/about.mjs"
import {
  measureLiveUpdates,
  measureLoading,
  measureMemory,
  measurePast,
  measureScrolling,
  prepareLoad
} from "./lib/board/budgets.mjs"
import { withBrowser } from "./lib/board/browser.mjs"
import { fillPage } from "./lib/page.mjs"
import { cardsIn } from "./lib/population.mjs"
import { median } from "./lib/statistics.mjs"
import { startPostgres } from "./lib/postgres.mjs"
import { makeTemporaryDirectory } from "./lib/temporaryDirectory.mjs"
import { withServer } from "./lib/server.mjs"
import { databaseOf } from "./lib/systems/mosaicHttp.mjs"
import { fill } from "./lib/systems/mosaic.mjs"

const usage = `node bench/board.mjs [--cards N] [--minutes N] [--quick] [--build DIR] [--results FILE]

  --cards N        number of cards. Defaults to 1,000,000, with --quick to 20,000
  --minutes N      duration of the measurement of memory. Defaults to 60, with --quick to 1
  --quick          few repetitions, written to results/quick-board.json, and into no page
  --build DIR      the build to measure. Defaults to ../dist
  --results FILE   write the results into this file instead, and into no page
`

const { values } = parseArgs({
  options: {
    cards: { type: "string" },
    minutes: { type: "string" },
    quick: { type: "boolean", default: false },
    build: { type: "string", default: new URL("../dist", import.meta.url).pathname },
    results: { type: "string" },
    help: { type: "boolean", short: "h", default: false }
  }
})
if (values.help) {
  process.stdout.write(usage)
  process.exit(0)
}
const { quick } = values
const cards = Number(values.cards ?? (quick ? 20_000 : 1_000_000))
const minutes = Number(values.minutes ?? (quick ? 1 : 60))
if (!Number.isInteger(cards) || cards < 1000 || !(minutes > 0)) {
  process.stderr.write(`--cards takes a number of at least 1000, and --minutes a positive number\n\n${usage}`)
  process.exit(2)
}

/** The longest task. The browser reports those of more than 50 ms. */
const describeTasks = (tasks) => {
  const longest = Math.max(0, ...tasks)
  return longest === 0 ? "none over 50 ms" : `${longest.toFixed(0)} ms`
}

const say = progress()
const directory = makeTemporaryDirectory("backlog-board-")

const place = join(directory, "postgres")
mkdirSync(place)
const postgres = await startPostgres(place)
const about = [machine(), await describeServer(postgres.url)]
for (const line of about) say(line)
const context = { directory, url: postgres.url, build: resolve(values.build) }

const backlog = { database: "postgres", schema: "bench_board" }
say(`filling a backlog with ${cards} cards, and writing its keyframes`)
await fill(context, backlog, cardsIn("mixed", cards))

const { budgets } = await withServer(context, [...databaseOf(context, backlog), "--board", "write"], (url) =>
  withBrowser(async (browser) => {
    const rows = []
    const add = (budget, required, measured, isMet) => {
      rows.push({ budget, required, measured, isMet })
      say(`${isMet ? "met    " : "NOT MET"}  ${budget}: ${measured} (${required})`)
    }
    const built = join(context.build, "board")
    const sizeOf = (names) =>
      names.reduce((sum, name) => sum + gzipSync(readFileSync(join(built, name)), { level: 9 }).length, 0) / 1024
    const linked = [...readFileSync(join(built, "index.html"), "utf8").matchAll(/"board\/([^"]+)"/g)].map(
      ([, name]) => name
    )
    const isScript = (name) => name.endsWith(".js")
    const addSize = (what, names, most) => {
      const size = sizeOf(names)
      add(`${what}, after gzip`, `≤ ${most} KB`, `${size.toFixed(1)} KB`, size <= most)
    }
    addSize("first JavaScript", linked.filter(isScript), 45)
    addSize(
      "CSS",
      linked.filter((name) => !isScript(name)),
      10
    )
    addSize("everything", readdirSync(built), 90)

    await prepareLoad(url)
    const loading = await measureLoading(browser, url, { loads: quick ? 3 : 11 })
    add("first paint, median", "≤ 200 ms", `${loading.paint.toFixed(0)} ms`, loading.paint <= 200)
    add("first cards, median", "–", `${loading.cards.toFixed(0)} ms`, true)
    const { longestTasks } = loading
    const slowLoads = longestTasks.filter((task) => task > 0).length
    const loadTasks = `${describeTasks(longestTasks)}${slowLoads === 0 ? "" : ` in ${slowLoads} of ${longestTasks.length} loads`}`
    add("longest task while loading, median", "≤ 50 ms", loadTasks, median(longestTasks) <= 50)

    const { elements, longTasks } = await measureScrolling(browser, url)
    add(`elements with ${cards} cards`, "≤ 1,500", `${elements}`, elements <= 1500)
    add("longest task while scrolling", "≤ 50 ms", describeTasks(longTasks), Math.max(0, ...longTasks) <= 50)

    const live = await measureLiveUpdates(browser, url, { probes: quick ? 20 : 200, rate: 200 })
    const livePage = `p95 ${live.p95.toFixed(0)} ms, p50 ${live.p50.toFixed(0)} ms at ${live.rate.toFixed(0)} events/s`
    add("from a commit to the page at 200 events/s", "p95 ≤ 100 ms", livePage, live.p95 <= 100)
    add("longest task at 200 events/s", "≤ 50 ms", describeTasks(live.longTasks), Math.max(0, ...live.longTasks) <= 50)

    const { position: head } = await (await fetch(`${url}/anchor`)).json()
    const past = await measurePast(browser, url, { head, steps: quick ? 5 : 20 })
    add(`the board of any position of ${head}, median`, "–", `${past.any.toFixed(0)} ms`, true)
    add("the board of the next position, median", "–", `${past.next.toFixed(0)} ms`, true)

    const memory = await measureMemory(browser, url, { minutes, rate: 50 })
    const [from, to] = [memory.samples[0], memory.samples.at(-1)].map((size) => size.toFixed(1))
    const memoryPage = `${from} → ${to} MiB in ${minutes} minutes, ${memory.events} events`
    add("memory at 50 events/s", "flat: ≤ 2 MiB more", memoryPage, memory.growth <= 2)
    return { budgets: rows, memory, live, past }
  })
)
await postgres.stop()

const results = { about, cards, minutes, budgets }
const file = values.results ?? new URL(`results/${quick ? "quick-" : ""}board.json`, import.meta.url).pathname
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
const table = [
  "| budget | required | measured | |",
  "|---|---|---|---|",
  ...budgets.map(
    ({ budget, isMet, measured, required }) => `| ${budget} | ${required} | ${measured} | ${isMet ? "" : "not met"} |`
  )
].join("\n")
process.stdout.write(`${table}\n`)
if (!quick && values.results === undefined) {
  const sources = `${about[0]}. Measured with \`npm run bench:board\`: ${cards} cards on a Postgres server on the same machine.`
  fillPage(new URL("../docs/board.md", import.meta.url).pathname, { budgets: `${sources}\n\n${table}` })
}
process.exitCode = budgets.every(({ isMet }) => isMet) ? 0 : 1
