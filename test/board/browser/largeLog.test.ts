import { Context, Effect, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { columnCounts } from "../../../src/board/board/columns.ts"
import type { BacklogAt } from "../../../src/board/api/types.ts"
import { EventLog } from "../../../src/events/EventLog.ts"
import { AuditService } from "../../../src/index.ts"
import { KeyframeInterval, makeKeyframes } from "../../../src/projections/Keyframes.ts"
import { makeKeyframeWriter } from "../../../src/projections/KeyframeWriter.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { amount, seed } from "../../support/soak.ts"
import { makeRandom } from "../../support/random.ts"
import { countsAt, longLog } from "./longLog.ts"
import { describeInBrowser, type ServedBacklog, soon } from "./support.ts"

/** `npm run test:soak` has the million. Its import takes more than two minutes on a busy machine. */
const events = amount(100_000, 1_000_000)

/** How long the test waits for the page. */
const importLog = Effect.gen(function* () {
  const audit = yield* AuditService
  let number = 0
  yield* audit.importLog(Stream.map(Stream.fromIterable(longLog(events)), (text) => ({ number: ++number, text })))
})

/** Writes all keyframes at once. In the background of a server they take twice as long. */
const writeKeyframes = Effect.scoped(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const schema = yield* BacklogSchema
    const interval = yield* KeyframeInterval
    const log = Context.get(yield* Layer.build(Layer.fresh(EventLog.layer)), EventLog)
    const writer = makeKeyframeWriter(sql, schema, log, makeKeyframes(sql, schema, log, interval), interval)
    while (yield* writer.writeNext(events)) {}
  })
)

const slider = (page: Page) => page.getByRole("slider", { name: "Position in the log" })

const positionIn = (page: Page): Promise<number> =>
  slider(page).evaluate((each) => (each as HTMLInputElement).valueAsNumber)

/** What the view shows of its moment: the yellow line, the position in the URL, and the counts of the columns. */
const readMoment = (page: Page, kinds: ReadonlyArray<string>) =>
  page.evaluate((columns) => {
    const textOf = (selector: string): string => document.querySelector(selector)?.textContent ?? ""
    return {
      banner: textOf(".moment b"),
      at: new URLSearchParams(location.hash.split("?")[1]).get("at"),
      isRead: document.querySelector('[aria-busy="true"]') === null,
      counts: Object.fromEntries(
        columns.map((kind) => [kind, Number(textOf(`.time-column.${kind} h2 .count`).replaceAll(",", ""))])
      )
    }
  }, kinds)

/** Waits until the page shows a position, with the counts of the server, which are those of the events. */
const expectMoment = async (page: Page, server: ServedBacklog, position: number): Promise<void> => {
  const { stats } = (await server.get(`backlog-at?position=${position}`)) as unknown as BacklogAt
  const counts = columnCounts(stats)
  expect(counts).toEqual(countsAt(position))
  await soon(() => readMoment(page, Object.keys(counts))).toEqual({
    banner: `As of position ${position.toLocaleString("en-US")}`,
    at: String(position),
    isRead: true,
    counts
  })
}

describeInBrowser(`the slider over a log of ${events.toLocaleString("en-US")} events`, ({ open, problems, serve }) => {
  it("shows the moments of positions far apart and next to each other", { timeout: 1_800_000 }, async () => {
    const server = await serve()
    await server.run(importLog)
    await server.run(writeKeyframes)
    const page = await open(`${server.url}#/time`)
    await page.locator(".time-columns").waitFor()
    await soon(() => positionIn(page)).toBe(events)

    const random = makeRandom(seed)
    const field = page.getByRole("spinbutton", { name: "Position", exact: true })
    const middle = events / 2
    for (const position of [middle, 1, events - 1, ...Array.from({ length: 5 }, () => 1 + random.below(events - 1))]) {
      await field.fill(String(position))
      await page.keyboard.press("Enter")
      await expectMoment(page, server, position)
    }

    await field.fill(String(middle))
    await page.keyboard.press("Enter")
    await expectMoment(page, server, middle)
    for (const step of [1, 2, 3]) {
      await page.getByRole("button", { name: "Next event" }).click()
      await expectMoment(page, server, middle + step)
    }
    await page.getByRole("button", { name: "Previous event" }).click()
    await expectMoment(page, server, middle + 2)
    await slider(page).focus()
    for (const step of [1, 2, 3, 4]) {
      await page.keyboard.press("ArrowRight")
      await expectMoment(page, server, middle + 2 + step)
    }

    const box = (await slider(page).boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 }
    const y = box.y + box.height / 2
    const widthOfPixel = events / box.width
    for (const share of [0.1, 0.9, 0.5]) {
      await page.mouse.click(box.x + box.width * share, y)
      await soon(async () => Math.abs((await positionIn(page)) - events * share)).toBeLessThan(20 * widthOfPixel)
      await expectMoment(page, server, await positionIn(page))
    }
    await page.mouse.move(box.x + box.width * 0.5, y)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.2, y, { steps: 60 })
    await page.mouse.up()
    await soon(async () => Math.abs((await positionIn(page)) - events * 0.2)).toBeLessThan(20 * widthOfPixel)
    await expectMoment(page, server, await positionIn(page))

    // A part of the log, in which a pixel is few events.
    const before = await positionIn(page)
    await page.getByRole("button", { name: "Zoom in" }).click()
    await page.getByRole("button", { name: "Zoom in" }).click()
    await page.waitForFunction(() => location.hash.includes("from="))
    await expectMoment(page, server, before)
    await page.mouse.click(box.x + box.width * 0.75, y)
    await soon(async () => (await positionIn(page)) - before).toBeGreaterThan(0)
    const near = await positionIn(page)
    expect(near - before).toBeLessThan(events / 100)
    await expectMoment(page, server, near)

    // The other views show the same moment.
    await page.goto(`${server.url}#/board?at=${middle}`)
    await soon(() => page.locator(".column.done h2 .count").innerText()).toBe(
      countsAt(middle).done.toLocaleString("en-US")
    )
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThanOrEqual(1_500)
    expect(problems).toEqual([])
  })
})
