/** Debian's Chromium, driven by playwright-core. */
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

/** The browser to use: `BACKLOG_TEST_CHROMIUM`, or one that is installed. */
const findChromium = () => {
  const path = [process.env.BACKLOG_TEST_CHROMIUM, ...places].find((each) => each !== undefined && existsSync(each))
  if (path === undefined)
    throw new Error("no Chromium is installed: install it, or set BACKLOG_TEST_CHROMIUM to its path")
  return path
}

/** Without a sandbox, which root has not, and without requests of the browser itself. */
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--js-flags=--expose-gc"
]

/** Starts a browser, and ends it after `use`. */
export const withBrowser = async (use) => {
  const requireFromRoot = createRequire(join(import.meta.dirname, "../../../package.json"))
  const { chromium } = requireFromRoot("playwright-core")
  const browser = await chromium.launch({ executablePath: findChromium(), args: flags })
  try {
    return await use(browser)
  } finally {
    await browser.close()
  }
}

/** Uses a page with an empty cache, at the address. Fails if the page reports an error. */
export const withPage = async (browser, url, use) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  try {
    const page = await context.newPage()
    const errors = []
    page.on("pageerror", (error) => errors.push(error))
    await page.addInitScript(observe)
    await page.goto(url)
    const result = await use(page)
    if (errors.length > 0) throw new AggregateError(errors, "the page failed")
    return result
  } finally {
    await context.close()
  }
}

/** Records long tasks, the greatest number of elements, and when cards appear. Runs in the page, before its own scripts. */
const observe = () => {
  const seen = { longTasks: [], maxElements: 0, shownAt: new Map() }
  globalThis.seen = seen
  new PerformanceObserver((list) => {
    for (const { duration, startTime } of list.getEntries()) seen.longTasks.push({ duration, startTime })
  }).observe({ type: "longtask", buffered: true })
  const look = () => {
    seen.maxElements = Math.max(seen.maxElements, document.getElementsByTagName("*").length)
    for (const { dataset } of document.querySelectorAll("[data-id^='probe-']")) {
      if (!seen.shownAt.has(dataset.id)) seen.shownAt.set(dataset.id, performance.timeOrigin + performance.now())
    }
  }
  document.addEventListener("DOMContentLoaded", () => {
    look()
    new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true, attributes: true })
  })
}
