import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, soon } from "./support.ts"

const column = (page: Page, kind: string) => page.locator(`.column.${kind}`)

/** The tile of a card in a column, by its title. */
const tile = (page: Page, kind: string, title: string) => column(page, kind).locator(".tile b", { hasText: title })

const countOf = (page: Page, kind: string): Promise<string> => column(page, kind).locator("h2 .count").innerText()

describeInBrowser("the board", ({ context, open, problems, serve, serveProgram }) => {
  it("shows the cards in columns, with their counts, and violates no policy", async () => {
    const server = await serve()
    await server.post("create", { id: "design", title: "Design it", priority: 5 })
    await server.post("create", { id: "build", title: "Build it", dependsOn: ["design"] })
    await server.post("create", { id: "stuck", title: "Stuck", status: "blocked", blockedReason: "No server" })
    await server.post("create", { id: "later", title: "Later", notBefore: "2100-01-01T00:00:00.000Z" })
    await server.post("create", { id: "old", title: "Old", status: "done" })
    const page = await open(server.url)
    await tile(page, "claimable", "Design it").waitFor()
    await tile(page, "waiting", "Build it").waitFor()
    await tile(page, "blocked", "Stuck").waitFor()
    await tile(page, "deferred", "Later").waitFor()
    await tile(page, "done", "Old").waitFor()
    for (const kind of ["claimable", "waiting", "blocked", "deferred", "done"]) {
      await soon(() => countOf(page, kind)).toBe("1")
    }
    await soon(() => countOf(page, "expired")).toBe("0")
    expect(problems).toEqual([])
  })

  it("shows what workers do as they do it", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "First task" })
    const page = await open(server.url)
    await tile(page, "claimable", "First task").waitFor()
    await page.getByText("Live", { exact: true }).waitFor()
    const { claimToken } = await server.post("claim", { owner: "worker-7" })
    await column(page, "claimed").getByText("worker-7").waitFor()
    await server.post("create", { id: "b", title: "Second task", dependsOn: ["a"] })
    await tile(page, "waiting", "Second task").waitFor()
    await server.post("complete", { id: "a", token: claimToken })
    await tile(page, "done", "First task").waitFor()
    await tile(page, "claimable", "Second task").waitFor()
  })

  it("moves a claim to the expired ones when its lease ends, which is no event", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "Short lease" })
    const page = await open(server.url)
    await tile(page, "claimable", "Short lease").waitFor()
    // The page receives the claim. On a slow machine the lease may end before the page shows it.
    await server.post("claim", { owner: "w", ttlSeconds: 2 })
    await tile(page, "expired", "Short lease").waitFor()
  })

  it("says why nothing is claimable", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A", status: "blocked" })
    await server.post("create", { id: "b", title: "B", dependsOn: ["a"] })
    const page = await open(server.url)
    const sentence = page.locator(".outlook")
    await sentence.waitFor()
    await soon(() => sentence.innerText()).toContain("Nothing is claimable: 1 waiting for dependencies, 1 blocked.")
  })

  it("keeps everything in the URL: the card, the search and the way back", async () => {
    const server = await serve()
    await server.post("create", { id: "a/b ü", title: "Strange id" })
    await server.post("create", { id: "other", title: "Other", labels: ["ui"] })
    const page = await open(server.url)
    await page.getByText("Strange id").click()
    await page.locator(".panel h1", { hasText: "Strange id" }).waitFor()
    await page.reload()
    await page.locator(".panel h1", { hasText: "Strange id" }).waitFor()
    await page.goBack()
    await page.locator(".panel").waitFor({ state: "detached" })
    await page.fill("#search", "label:ui")
    await page.locator(".tile", { hasText: "Strange id" }).waitFor({ state: "detached" })
    expect(page.url()).toContain("q=label%3Aui")
    await page.reload()
    await tile(page, "claimable", "Other").waitFor()
    await soon(() => page.locator(".tile").count()).toBe(1)
  })

  it("shows a card: its attempts, its notes, its neighbors, what it frees, and its events with their hashes", async () => {
    const server = await serve()
    await server.post("create", {
      id: "a",
      title: "The card",
      body: "See https://example.com/x and javascript:alert(1)"
    })
    await server.post("create", { id: "b", title: "The dependent", dependsOn: ["a"] })
    const { claimToken } = await server.post("claim", { owner: "w1" })
    await server.post("renew", { id: "a", token: claimToken, note: "Half done" })
    await server.post("release", { id: "a", token: claimToken, reason: "No time", retryAfterSeconds: 0 })
    const page = await open(`${server.url}#/card?card=a`)
    await page.locator(".part h2", { hasText: "Attempts 1" }).waitFor()
    for (const part of [
      "A worker can claim it now.",
      "The dependent",
      "1 open card waits for it",
      "Half done",
      "1 renewal · 1 note",
      "No time"
    ])
      await soon(() => page.locator(".card").innerText()).toContain(part)
    expect(
      await page.locator(".card .text a").evaluateAll((links) => links.map((each) => each.getAttribute("href")))
    ).toEqual(["https://example.com/x"])
    await page.locator("summary", { hasText: "Created" }).click()
    const [created] = await server.history("a")
    expect(created).toMatchObject({ type: "CardCreated" })
    await page.getByText(created?.chainHash ?? "no event").waitFor()
  })

  it("shows the board and a card as of a past position, without commands", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "First title" })
    await server.post("revise", { id: "a", title: "Second title" })
    await server.post("claim", { owner: "w" })
    const page = await open(`${server.url}#/board?at=1&card=a`)
    await tile(page, "claimable", "First title").waitFor()
    await page.locator(".panel h1", { hasText: "First title" }).waitFor()
    await page.getByText("As of position 1").waitFor()
    const complete = page.locator(".card-commands button", { hasText: "Complete" })
    await soon(() => complete.getAttribute("aria-disabled")).toBe("true")
    await soon(() => complete.getAttribute("title")).toContain("past moment")
    await page.getByRole("link", { name: "Return to now" }).click()
    await tile(page, "claimed", "Second title").waitFor()
  })

  it("is followed by one tab for all, and by another one when that is closed", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "Shared" })
    const shared = await context()
    const pages = [await open(server.url, { context: shared }), await open(server.url, { context: shared })]
    for (const page of pages) await page.getByText("Live", { exact: true }).waitFor()
    const followers = async () =>
      Promise.all(
        pages.map(async (page) => (await page.locator(".follow").getAttribute("title"))?.includes("This tab"))
      )
    expect((await followers()).filter(Boolean)).toHaveLength(1)
    await server.post("revise", { id: "a", title: "Seen by both" })
    for (const page of pages) await page.getByText("Seen by both").waitFor()
    const leader = (await followers()).indexOf(true)
    const [other] = pages.toSpliced(leader, 1)
    await pages[leader]?.close()
    await other?.locator('.follow[title*="This tab"]').waitFor()
    await server.post("revise", { id: "a", title: "Seen by the other" })
    await other?.getByText("Seen by the other").waitFor()
  })

  it("says that the server is gone, and continues when it is back", async () => {
    const server = await serveProgram()
    await server.post("create", { id: "a", title: "Before" })
    const page = await open(server.url)
    await page.getByText("Live", { exact: true }).waitFor()
    await server.post("claim", { owner: "w" })
    await tile(page, "claimed", "Before").waitFor()
    await server.stop()
    await page.getByText(/Offline for/).waitFor()
    await page
      .getByText(/Not current/)
      .first()
      .waitFor()
    await soon(() => page.locator(".tile", { hasText: "Before" }).count()).toBe(1)
    await server.start()
    await page.getByText("Live", { exact: true }).waitFor()
    await page
      .getByText(/Not current/)
      .first()
      .waitFor({ state: "detached" })
    await server.post("revise", { id: "a", title: "After" })
    await page.getByText("After").waitFor()
  })

  it("has few elements with many cards, and loads more as the reader scrolls", async () => {
    const server = await serve()
    const cards = Array.from({ length: 3_000 }, (_, index) => ({
      id: `c${String(index).padStart(5, "0")}`,
      title: `Card ${index}`,
      status: index % 3 === 0 ? "blocked" : index % 3 === 1 ? "done" : "ready"
    }))
    await server.post("create-many", { cards })
    const page = await open(server.url)
    await column(page, "claimable").getByText("Card 2", { exact: true }).waitFor()
    await soon(() => countOf(page, "claimable")).toBe("1,000")
    const list = column(page, "claimable").locator(".column-cards")
    for (const _ of Array.from({ length: 5 })) {
      const before = await list.evaluate((element) => element.scrollHeight)
      await list.evaluate((element) => element.scrollTo(0, element.scrollHeight))
      await page.waitForFunction(
        ([height]) => (document.querySelector(".column.claimable .column-cards")?.scrollHeight ?? 0) > Number(height),
        [before]
      )
    }
    await column(page, "claimable")
      .getByText(/^Showing [\d,]+ of 1,000/)
      .waitFor()
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(1_500)
  })

  it("is usable on a telephone, and by the keyboard alone", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "Ready card" })
    await server.post("create", { id: "b", title: "Blocked card", status: "blocked" })
    const narrow = await open(server.url, { width: 390 })
    await narrow.getByText("Ready card").waitFor()
    await narrow.getByRole("tab", { name: /blocked/ }).click()
    await narrow.getByText("Blocked card").waitFor()
    await soon(() => narrow.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
    const page = await open(server.url)
    await page.getByText("Ready card").waitFor()
    await page.getByText("Blocked card").waitFor()
    await page.keyboard.press("j")
    await page.keyboard.press("l")
    await page.keyboard.press("Enter")
    await page.locator(".panel h1", { hasText: "Blocked card" }).waitFor()
    await page.keyboard.press("Escape")
    await page.locator(".panel").waitFor({ state: "detached" })
    await page.keyboard.press("?")
    await page.getByRole("dialog", { name: "Keys" }).waitFor()
    await page.keyboard.press("Escape")
    await page.locator("dialog").waitFor({ state: "detached" })
    await page.keyboard.press("Control+k")
    await page.getByRole("dialog", { name: "Find a card or an action" }).waitFor()
    await page.keyboard.type("claims")
    await page.getByRole("option", { name: /Show Claims/ }).waitFor()
    await page.keyboard.press("Escape")
    await page.locator("dialog").waitFor({ state: "detached" })
    await page.keyboard.press("g")
    await page.keyboard.press("c")
    await page.getByText("No card is claimed").waitFor()
    expect(problems).toEqual([])
  })
})
