/** Chromium, driven by playwright-core. */
import { createRequire } from "node:module"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { chromiumFlags, chromiumPath, whyNoChromium } from "../../../scripts/chromium.mjs"

/** Starts a browser, and ends it after `use`. */
export const withBrowser = async (use) => {
  if (whyNoChromium !== undefined) throw new Error(whyNoChromium)
  const requireFromRoot = createRequire(join(import.meta.dirname, "../../../package.json"))
  const { chromium } = requireFromRoot("playwright-core")
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: [...chromiumFlags, "--js-flags=--expose-gc"]
  })
  try {
    return await use(browser)
  } finally {
    await browser.close()
  }
}

/**
 * Uses a page with an empty cache, at the address, when it shows cards. The page reports what it shows: a locator would run scripts
 * of the tool in the page, which take longer than the tasks of the page. Fails if the page reports an error.
 */
export const withPage = async (browser, url, use) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  try {
    const page = await context.newPage()
    const errors = []
    page.on("pageerror", (error) => errors.push(error))
    const reports = new Map()
    const waiting = new Map()
    await page.exposeFunction("report", (what, at) => {
      reports.set(what, at)
      waiting.get(what)?.()
    })
    /** When the page showed something first, in milliseconds since 1970. */
    const shownAt = async (what) => {
      if (!reports.has(what)) await withTimeout(new Promise((resolve) => waiting.set(what, resolve)), what)
      return reports.get(what)
    }
    await page.addInitScript(observe)
    await page.goto(url)
    await shownAt("cards")
    const result = await use(page, shownAt)
    if (errors.length > 0) throw new AggregateError(errors, "the page failed")
    return result
  } finally {
    await context.close()
  }
}

const timeoutMillis = 60_000

const withTimeout = async (promise, what) => {
  const ending = new AbortController()
  const late = async () => {
    await sleep(timeoutMillis, undefined, { signal: ending.signal }).catch(() => {})
    if (!ending.signal.aborted) throw new Error(`the page did not show ${what} within ${timeoutMillis / 1000} seconds`)
  }
  try {
    await Promise.race([promise, late()])
  } finally {
    ending.abort()
  }
}

/** Records long tasks and the greatest number of elements, and reports when cards appear. Runs in the page, before its own scripts. */
const observe = () => {
  const seen = { longTasks: [], maxElements: 0 }
  globalThis.seen = seen
  new PerformanceObserver((list) => {
    for (const { duration, startTime } of list.getEntries()) seen.longTasks.push({ duration, startTime })
  }).observe({ type: "longtask", buffered: true })
  const reported = new Set()
  const report = (what) => {
    if (reported.has(what)) return
    reported.add(what)
    globalThis.report(what, performance.timeOrigin + performance.now())
  }
  const look = () => {
    seen.maxElements = Math.max(seen.maxElements, document.getElementsByTagName("*").length)
    if (document.querySelector(".tile") !== null) report("cards")
    for (const { dataset } of document.querySelectorAll("[data-id^='probe-']")) report(dataset.id)
  }
  document.addEventListener("DOMContentLoaded", () => {
    look()
    new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true, attributes: true })
  })
}
