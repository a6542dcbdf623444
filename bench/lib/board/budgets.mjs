/** The budgets of the board, and how each is measured. */
import { setTimeout as sleep } from "node:timers/promises"
import { median, percentile } from "../statistics.mjs"
import { withPage } from "./browser.mjs"

/** Sends a command. Fails unless it is accepted. */
const send = async (url, path, body) => {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ actor: "bench", ...body })
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

/** What the page has recorded: long tasks in milliseconds, and the greatest number of elements. */
const readSeen = (page, sinceMillis = 0) =>
  page.evaluate((since) => {
    const { longTasks, maxElements } = globalThis.seen
    const later = longTasks.filter(({ startTime }) => performance.timeOrigin + startTime >= since)
    return { elements: maxElements, longTasks: later.map(({ duration }) => duration) }
  }, sinceMillis)

/**
 * Waits until the page has rendered what it has loaded, and the tool has installed its scripts in the page, which takes tasks of
 * its own. Returns the time, in milliseconds since 1970.
 */
const settle = async (page) => {
  await sleep(1000)
  await page.evaluate(() => undefined)
  return performance.timeOrigin + performance.now()
}

/**
 * For each load with an empty cache, the times from the navigation to the first paint and to the first cards, and the longest
 * task, in milliseconds; 0 if none takes 50 ms. The first load of the browser is left out.
 */
export const measureLoading = async (browser, url, { loads }) => {
  const measured = []
  for (let load = -1; load < loads; load++) {
    const one = await withPage(browser, url, async (page, shownAt) => {
      await sleep(1000)
      const { longTasks } = await readSeen(page)
      const { origin, paint } = await page.evaluate(() => ({
        origin: performance.timeOrigin,
        paint: performance.getEntriesByType("paint").find(({ name }) => name === "first-contentful-paint").startTime
      }))
      return { paint, cards: (await shownAt("cards")) - origin, longestTask: Math.max(0, ...longTasks) }
    })
    if (load >= 0) measured.push(one)
  }
  return {
    paint: median(measured.map(({ paint }) => paint)),
    cards: median(measured.map(({ cards }) => cards)),
    longestTasks: measured.map(({ longestTask }) => longestTask)
  }
}

/** The long tasks and the greatest number of elements, while every column is scrolled. */
export const measureScrolling = (browser, url) =>
  withPage(browser, url, async (page) => {
    const since = await settle(page)
    await page.evaluate(async () => {
      for (const column of document.querySelectorAll(".column-cards")) {
        for (let step = 0; step < 100; step++) {
          column.scrollTop += 1500
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
        }
      }
    })
    return readSeen(page, since)
  })

/** Appends `rate` events per second until the returned function is called, which returns how many were appended. */
const startLoad = (url, rate) => {
  let events = 0
  const ending = new AbortController()
  const perTick = Math.max(1, Math.round(rate / 20))
  const loop = (async () => {
    const began = performance.now()
    while (!ending.signal.aborted) {
      await Promise.all(
        Array.from({ length: perTick }, (_, index) =>
          send(url, "/note", { id: `load-${(events + index) % 10}`, text: `progress ${events + index}` })
        )
      )
      events += perTick
      await sleep(Math.max(0, began + (events / rate) * 1000 - performance.now()))
    }
  })()
  return async () => {
    ending.abort()
    await loop
    return events
  }
}

/** Creates the cards that the load writes notes on. */
export const prepareLoad = (url) =>
  send(url, "/create-many", {
    cards: Array.from({ length: 10 }, (_, index) => ({ id: `load-${index}`, title: "Load", priority: 1000 }))
  })

/** The time from the answer to a command to its card on the page, while other events are appended. */
export const measureLiveUpdates = (browser, url, { probes, rate }) =>
  withPage(browser, url, async (page, shownAt) => {
    const since = await settle(page)
    const stop = startLoad(url, rate)
    const began = performance.now()
    const committed = new Map()
    for (let probe = 0; probe < probes; probe++) {
      const id = `probe-${Math.round(began)}-${probe}`
      await send(url, "/create", { id, title: "Probe", priority: 2000 + probe })
      committed.set(id, performance.timeOrigin + performance.now())
      await sleep(150)
    }
    const seconds = (performance.now() - began) / 1000
    const events = await stop()
    const delays = []
    for (const [id, at] of committed) delays.push((await shownAt(id)) - at)
    return {
      p50: median(delays),
      p95: percentile(delays, 0.95),
      rate: events / seconds,
      longTasks: (await readSeen(page, since)).longTasks
    }
  })

/** The memory of the page's objects, in MiB, at the beginning and the end of a time in which events are appended. */
export const measureMemory = (browser, url, { minutes, rate }) =>
  withPage(browser, url, async (page) => {
    const session = await page.context().newCDPSession(page)
    const measure = async () => {
      await session.send("HeapProfiler.collectGarbage")
      const { usedSize } = await session.send("Runtime.getHeapUsage")
      return usedSize / 2 ** 20
    }
    const stop = startLoad(url, rate)
    const samples = []
    // The first minute fills the caches.
    await sleep(60_000)
    for (let sample = 0; sample <= 10; sample++) {
      samples.push(await measure())
      if (sample < 10) await sleep((minutes * 60_000) / 10)
    }
    const events = await stop()
    return { samples, events, growth: median(samples.slice(-3)) - median(samples.slice(0, 3)) }
  })

/** The time from a change of the moment to its board, for neighboring positions and for any. */
export const measurePast = (browser, url, { head, steps }) =>
  withPage(browser, `${url}/#/board?at=${Math.floor(head / 2)}`, async (page) => {
    const show = async (position) => {
      const began = performance.now()
      const answered = page.waitForResponse((response) => response.url().includes(`position=${position}`))
      await page.evaluate((at) => {
        location.hash = `#/board?at=${at}`
      }, position)
      await (await answered).finished()
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
      return performance.now() - began
    }
    const middle = Math.floor(head / 2)
    const next = []
    const any = []
    for (let step = 1; step <= steps; step++) next.push(await show(middle + step))
    for (let step = 1; step <= steps; step++) any.push(await show(Math.floor((head * step) / (steps + 1)) + 1))
    return { next: median(next), any: median(any) }
  })
