/** Measures the board in a browser against its budgets: see README.md. Updates docs/board.md. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { gzipSync } from "node:zlib"
import { describeServer, machine, progress } from "./lib/about.mjs"
import {
  measureFirstPaint,
  measureLiveUpdates,
  measureMemory,
  measurePast,
  measureScrolling,
  prepareLoad
} from "./lib/board/budgets.mjs"
import { withBrowser } from "./lib/board/browser.mjs"
import { fillPage } from "./lib/page.mjs"
import { cardsIn } from "./lib/population.mjs"
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
    const compressed = readdirSync(join(context.build, "board")).map((name) => ({
      name,
      bytes: gzipSync(readFileSync(join(context.build, "board", name)), { level: 9 }).length
    }))
    const kilobytes = compressed.reduce((sum, { bytes }) => sum + bytes, 0) / 1024
    add("everything, after gzip", "≤ 90 KB", `${kilobytes.toFixed(1)} KB`, kilobytes <= 90)

    await prepareLoad(url)
    const paint = await measureFirstPaint(browser, url, { loads: quick ? 3 : 11 })
    add("first paint, median", "≤ 200 ms", `${paint.toFixed(0)} ms`, paint <= 200)

    const { elements, longTasks } = await measureScrolling(browser, url)
    const longest = Math.max(0, ...longTasks)
    add(`elements with ${cards} cards`, "≤ 1,500", `${elements}`, elements <= 1500)
    const tasks = longest === 0 ? "none over 50 ms" : `${longest.toFixed(0)} ms`
    add("longest task while loading and scrolling", "≤ 50 ms", tasks, longest <= 50)

    const live = await measureLiveUpdates(browser, url, { probes: quick ? 20 : 200, rate: 200 })
    const livePage = `p95 ${live.p95.toFixed(0)} ms, p50 ${live.p50.toFixed(0)} ms at ${live.rate.toFixed(0)} events/s`
    add("from a commit to the page at 200 events/s", "p95 ≤ 100 ms", livePage, live.p95 <= 100)
    const liveTask = Math.max(0, ...live.longTasks)
    const liveTasks = liveTask === 0 ? "none over 50 ms" : `${liveTask.toFixed(0)} ms`
    add("longest task at 200 events/s", "≤ 50 ms", liveTasks, liveTask <= 50)

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
