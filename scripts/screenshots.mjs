/**
 * Takes pictures of every view of the board in both themes: node scripts/screenshots.mjs [--out DIR] [--width N]
 * Those that the documentation shows are in docs/images/. Needs Chromium, and `npm run build` before.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { chromium } from "playwright-core"
import { chromiumFlags, chromiumPath, whyNoChromium } from "./chromium.mjs"

const { values } = parseArgs({
  options: { out: { type: "string", default: "docs/images" }, width: { type: "string", default: "1280" } }
})
const width = Number(values.width)
if (whyNoChromium !== undefined) {
  console.error(`Pictures need a browser, but ${whyNoChromium}.`)
  process.exit(1)
}

/** The number of events that the simulated team has recorded before the pictures are taken. */
const minEvents = 600

const root = join(import.meta.dirname, "..")
const demo = spawn(process.execPath, [join(root, "dist/demo/main.js"), "--board", "--port", "0", "--minutes", "30"], {
  stdio: ["ignore", "pipe", "inherit"]
})
process.once("exit", () => demo.kill("SIGTERM"))

/** The address of the board, which the demo prints. */
const findAddress = async () => {
  let text = ""
  for await (const part of demo.stdout.setEncoding("utf8")) {
    text += part
    const address = /The board is at (\S+)\n/.exec(text)
    if (address !== null) return address[1]
  }
  throw new Error(`the demo ended with ${demo.exitCode}:\n${text}`)
}

const url = await findAddress()
const getJson = async (path) => (await fetch(new URL(path, url))).json()
for (;;) {
  const { position } = await getJson("anchor")
  if (position >= minEvents) break
  await new Promise((resolve) => setTimeout(resolve, 1000))
}
await fetch(new URL("verify", url), {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: "{}"
}).then((response) => response.text())

const { position: head } = await getJson("anchor")
const cards = await getJson("list?fields=summary&limit=200")
const mostOf = (count) => cards.toSorted((left, right) => count(right) - count(left))[0].id
/** The card with the most attempts, and the one with the most neighbors. */
const worked = mostOf(({ attempts, noteCount }) => attempts * 100 + noteCount)
const connected = mostOf(({ dependsOn }) => dependsOn.length)

/** The route of each view, and what it shows when it is complete. */
const views = {
  board: ["#/board", ".tile"],
  card: [`#/board?card=${encodeURIComponent(worked)}`, "article.card"],
  claims: ["#/claims", "main"],
  graph: [`#/graph?root=${encodeURIComponent(connected)}`, "main svg"],
  time: [`#/time?at=${Math.floor(head * 0.6)}`, "main"],
  past: [`#/board?at=${Math.floor(head * 0.6)}`, ".tile"],
  trust: ["#/trust", "main"],
  flow: ["#/flow?range=1h", "main"]
}

mkdirSync(values.out, { recursive: true })
const browser = await chromium.launch({ executablePath: chromiumPath, args: [...chromiumFlags] })
for (const colorScheme of ["light", "dark"]) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: width < 600 ? 844 : 800 } })
  for (const [name, [route, complete]] of Object.entries(views)) {
    const page = await context.newPage()
    await page.goto(new URL(route, url).href)
    await page.locator(complete).first().waitFor()
    // Following the log keeps one request open. All other requests have ended.
    await page.waitForFunction(() => document.querySelector("[aria-busy='true'], .loading") === null)
    const file = join(values.out, `board-${name}-${colorScheme}${width === 1280 ? "" : `-${width}`}.png`)
    await page.screenshot({ path: file })
    console.log(file)
    await page.close()
  }
  await context.close()
}
await browser.close()
demo.kill("SIGTERM")
await once(demo, "exit")
