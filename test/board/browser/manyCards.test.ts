import { Effect } from "effect"
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { BacklogService } from "../../../src/index.ts"
import { describeInBrowser, soon } from "./support.ts"

const total = 100_000

/** The kinds of cards alternate, so each of the four columns has a quarter of them. */
const kinds = ["claimable", "waiting", "blocked", "done"] as const

const cards = Array.from({ length: total }, (_, index) => {
  const kind = kinds[index % kinds.length]
  return {
    id: `c${String(index).padStart(6, "0")}`,
    title: `Card ${index}`,
    // The first in each column is known.
    priority: index < kinds.length ? 1 : 0,
    ...(kind === "blocked" || kind === "done" ? { status: kind } : {}),
    ...(kind === "waiting" ? { dependsOn: [`c${String(index - 1).padStart(6, "0")}`] } : {})
  }
})

const cardsAtOnce = 20_000

const createCards = Effect.gen(function* () {
  const backlog = yield* BacklogService
  for (let from = 0; from < total; from += cardsAtOnce) {
    yield* backlog.createMany({ cards: cards.slice(from, from + cardsAtOnce), actor: "test" })
  }
})

/** How long the test waits for the page. */
const column = (page: Page, kind: string) => page.locator(`.column.${kind}`)

const countsOf = async (page: Page): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries(
    await page
      .locator(".column")
      .evaluateAll((columns) =>
        columns.map((each) => [each.className.split(" ").at(-1) ?? "", each.querySelector(".count")?.textContent ?? ""])
      )
  )

const elementsOf = (page: Page): Promise<number> => page.evaluate(() => document.querySelectorAll("*").length)

/** The titles of a column that are in the document, by their places. */
const rowsOf = (page: Page, kind: string): Promise<ReadonlyArray<readonly [number, string]>> =>
  column(page, kind)
    .locator("li")
    .evaluateAll((rows) =>
      rows.map((row) => [Number(row.getAttribute("data-row")), row.querySelector("b")?.textContent ?? ""] as const)
    )

/** Scrolls a column to the end of what is loaded until it has this many cards. Returns the greatest number of elements. */
const scrollTo = async (page: Page, kind: string, wanted: number): Promise<number> => {
  let most = 0
  const list = column(page, kind).locator(".column-cards")
  const lastRow = async (): Promise<number> => Math.max(...(await rowsOf(page, kind)).map(([row]) => row))
  for (let last = await lastRow(); last + 1 < wanted; last = await lastRow()) {
    await list.evaluate((element) => element.scrollTo(0, element.scrollHeight))
    await soon(lastRow).toBeGreaterThan(last)
    most = Math.max(most, await elementsOf(page))
  }
  return most
}

describeInBrowser("the board with 100,000 cards", ({ open, problems, serve }) => {
  it("counts them, loads far pages, has few elements, and shows changes", { timeout: 600_000 }, async () => {
    const server = await serve({ board: "write" })
    await server.run(createCards)
    const page = await open(server.url)
    const quarter = (total / kinds.length).toLocaleString("en-US")
    const counts = { claimable: quarter, claimed: "0", expired: "0", deferred: "0", waiting: quarter, blocked: quarter }
    await soon(() => countsOf(page)).toEqual({ ...counts, done: quarter })
    for (const kind of kinds) {
      await column(page, kind)
        .getByText(new RegExp(`^Showing \\d+ of ${quarter}. Scroll for more.`))
        .waitFor()
    }
    expect(await elementsOf(page)).toBeLessThanOrEqual(1_500)

    // Every column is scrolled through many pages. The rows are without gaps, and in the order of the column.
    for (const [index, kind] of kinds.entries()) {
      expect(await scrollTo(page, kind, kind === "claimable" ? 2_000 : 400)).toBeLessThanOrEqual(1_500)
      const rows = await rowsOf(page, kind)
      expect(rows.map(([row]) => row)).toEqual(rows.map((_, place) => (rows[0]?.[0] ?? 0) + place))
      // Done cards that were created in one transaction have the same time.
      const ordered = kind === "done" ? rows : rows.map(([row]) => [row, `Card ${row * kinds.length + index}`])
      expect(rows).toEqual(ordered)
    }

    // Changes appear at the top, in the middle of a long list, and in the counts.
    await column(page, "claimable")
      .locator(".column-cards")
      .evaluate((element) => element.scrollTo(0, 0))
    await column(page, "claimable").getByText("Card 0", { exact: true }).waitFor()
    await server.post("revise", { id: "c000004", title: "Revised card" })
    await column(page, "claimable").getByText("Revised card").waitFor()
    const { claimToken } = await server.post("claim", { id: "c000000", owner: "worker-1" })
    await column(page, "claimed").getByText("Card 0", { exact: true }).waitFor()
    await server.post("create", { id: "new", title: "Urgent card", priority: 9 })
    await column(page, "claimable").getByText("Urgent card").waitFor()
    await soon(() => countsOf(page)).toEqual({ ...counts, claimed: "1", done: quarter })
    await server.post("complete", { id: "c000000", token: claimToken })
    const changed = { claimable: "25,001", waiting: "24,999", done: "25,001" }
    await soon(() => countsOf(page)).toEqual({ ...counts, ...changed })
    expect(await elementsOf(page)).toBeLessThanOrEqual(1_500)

    // A search finds a card that is on no loaded page.
    await page.fill("#search", "c099996")
    await column(page, "claimable").getByText("Card 99996", { exact: true }).waitFor()
    await page.locator(".tile", { hasText: "Urgent card" }).waitFor({ state: "detached" })
    expect(problems).toEqual([])
  })
})
