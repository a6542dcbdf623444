/** Opens the built site in Chromium: pages in both themes and two widths, and the search. Reports problems and requests to other origins. */
import { chromium } from "playwright-core"
import { chromiumFlags, chromiumPath } from "../../scripts/chromium.mjs"

/** The pages that are opened: the home page, one of each kind, a decision, and the API. */
const paths = [
  "",
  "overview.html",
  "worker.html",
  "command-line.html",
  "architecture.html",
  "benchmarks.html",
  "decisions/",
  "contents.html",
  "api/mosaic-backlog/",
  "api/mosaic-backlog/classes/BacklogService.html"
]

/** Searches for words, and returns the addresses of the results. */
const search = async (page, words) => {
  await page.locator("#local-search button").first().click()
  await page.locator(".VPLocalSearchBox input").fill(words)
  await page.locator(".VPLocalSearchBox .result").first().waitFor()
  const found = await page
    .locator(".VPLocalSearchBox .result")
    .evaluateAll((results) => results.map((result) => result.getAttribute("href")))
  await page.keyboard.press("Escape")
  return found
}

/** Returns a sentence for each problem of the site at `address`. */
export const findProblemsInBrowser = async (address) => {
  const { origin } = new URL(address)
  const problems = []
  const browser = await chromium.launch({ executablePath: chromiumPath, args: [...chromiumFlags] })
  try {
    for (const [colorScheme, width] of [
      ["light", 390],
      ["dark", 1280]
    ]) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } })
      const page = await context.newPage()
      page.setDefaultTimeout(120_000)
      const report = (what) =>
        problems.push(`${page.url().slice(address.length)} (${colorScheme}, ${width} px): ${what}`)
      await context.route(
        (url) => url.origin !== origin && url.protocol !== "data:",
        (route) => {
          report(`requests ${route.request().url()}`)
          return route.abort()
        }
      )
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) report(message.text())
      })
      page.on("pageerror", (error) => report(String(error)))
      page.on("response", (response) => {
        if (response.status() >= 400) report(`${response.url()} has the status ${response.status()}`)
      })
      for (const path of paths) {
        await page.goto(`${address}${path}`, { waitUntil: "networkidle" })
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
        if (content > window) report(`is ${content} px wide`)
        const broken = await page.evaluate(() =>
          [...document.images].filter((image) => image.complete && image.naturalWidth === 0).map(({ src }) => src)
        )
        for (const image of broken) report(`the image ${image} is not shown`)
      }
      const found = await search(page, "lease expires")
      if (found.length === 0) report("the search finds nothing")
      await context.close()
    }
  } finally {
    await browser.close()
  }
  return problems
}
