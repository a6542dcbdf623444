import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, type ServedBoard, soon } from "./support.ts"

const slider = (page: Page) => page.getByRole("slider", { name: "Position in the log" })

const countOf = (page: Page, kind: string): Promise<string> =>
  page.locator(`.time-column.${kind} h2 .count`).innerText()

const positionIn = (page: Page): Promise<number> =>
  slider(page).evaluate((each) => (each as HTMLInputElement).valueAsNumber)

/** Three cards, one of which is claimed and completed: five events. */
const createPast = async (server: ServedBoard): Promise<void> => {
  await server.post("create", { id: "a", title: "First task" })
  await server.post("create", { id: "b", title: "Second task" })
  const { claimToken } = await server.post("claim", { owner: "worker-1", id: "a" })
  await server.post("complete", { id: "a", token: claimToken })
  await server.post("create", { id: "c", title: "Third task" })
}

describeInBrowser("the past", ({ open, problems, serve }) => {
  it("shows the board and the event of each position, and the moment is in the URL of every view", async () => {
    const server = await serve({ board: "write" })
    await createPast(server)
    const page = await open(`${server.url}#/time`)
    await page.locator(".time-column.claimable").getByText("Third task").waitFor()
    await soon(() => positionIn(page)).toBe(5)
    await page.keyboard.press(",")
    await page.locator(".time-event", { hasText: "Completed a by test" }).waitFor()
    await page.getByText(/^As of position 4/).waitFor()
    expect(page.url()).toContain("at=4")
    await page.getByRole("button", { name: "Previous event" }).click()
    await page.locator(".time-event", { hasText: "Claimed a" }).waitFor()
    await soon(() => countOf(page, "claimed")).toBe("1")
    await soon(() => countOf(page, "done")).toBe("0")
    await page.locator(".time-column.claimed").getByText("worker-1").waitFor()
    await page.keyboard.press("g")
    await page.keyboard.press("b")
    await page.locator(".column.claimed").getByText("First task").waitFor()
    expect(page.url()).toContain("#/board?at=3")
    await page.goBack()
    await page.locator(".time-columns").waitFor()
    await page.keyboard.press(".")
    await page.keyboard.press(".")
    await page.getByText(/^As of position/).waitFor({ state: "detached" })
    await server.post("create", { id: "d", title: "Fourth task" })
    await page.locator(".time-event", { hasText: "Created d" }).waitFor()
    expect(problems).toEqual([])
  })

  it("moves with the slider by mouse and keys, and reads no moment twice a frame", async () => {
    const server = await serve()
    const cards = Array.from({ length: 400 }, (_, index) => ({ id: `c${index}`, title: `Card ${index}` }))
    await server.post("create-many", { cards })
    const page = await open(`${server.url}#/time`)
    await page.locator(".time-columns").waitFor()
    const read: Array<string> = []
    page.on("request", (request) => {
      if (request.url().includes("/backlog-at?")) read.push(request.url())
    })
    const box = (await slider(page).boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 }
    await page.mouse.move(box.x + box.width - 12, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width / 2, box.y + 40, { steps: 60 })
    await page.mouse.up()
    const position = await positionIn(page)
    expect(position).toBeGreaterThan(150)
    expect(position).toBeLessThan(250)
    await page.locator(".time-column.claimable h2 .count", { hasText: String(position) }).waitFor()
    await page.waitForFunction((at) => location.hash.includes(`at=${at}`), position)
    expect(new Set(read).size).toBe(read.length)
    expect(read.length).toBeLessThanOrEqual(62)
    await page.keyboard.press("ArrowLeft")
    await page.locator(".time-column.claimable h2 .count", { hasText: String(position - 1) }).waitFor()
    await page.keyboard.press("Home")
    await page.getByText("Before the first event").waitFor()
    await soon(() => countOf(page, "claimable")).toBe("0")
  })

  it("plays until the end, and pauses", async () => {
    const server = await serve()
    const cards = Array.from({ length: 300 }, (_, index) => ({ id: `c${index}`, title: `Card ${index}` }))
    await server.post("create-many", { cards })
    const page = await open(`${server.url}#/time?at=10`)
    await page.locator(".time-columns").waitFor()
    await page.getByRole("combobox", { name: "Speed" }).selectOption("100")
    await page.keyboard.press("p")
    await page.getByRole("button", { name: "Pause" }).waitFor()
    await soon(() => positionIn(page)).toBeGreaterThan(30)
    await page.keyboard.press("p")
    await page.getByRole("button", { name: "Play" }).waitFor()
    await soon(() => positionIn(page)).toBeLessThan(300)
    await page.keyboard.press("p")
    await page.getByText(/^As of position/).waitFor({ state: "detached" })
    await page.getByRole("button", { name: "Play" }).waitFor()
    await soon(() => positionIn(page)).toBe(300)
  })

  it("compares two moments, and says how each card changed", async () => {
    const server = await serve()
    await createPast(server)
    await server.post("revise", { id: "b", title: "Another title", priority: 4 })
    const page = await open(`${server.url}#/time?at=2`)
    await page.locator(".time-columns").waitFor()
    await page.keyboard.press("d")
    await page.getByText("Both moments are the same").waitFor()
    await page.getByRole("spinbutton", { name: "Position", exact: true }).fill("6")
    await page.keyboard.press("Enter")
    await page.getByText(/^3 cards changed from position 2 to 6: 1 created, 1 completed, 1 changed\./).waitFor()
    const change = async (id: string): Promise<string> =>
      (await page.locator(".time-diffs li", { hasText: id }).innerText()).replaceAll(/\s+/g, " ")
    await soon(() => change("Another title")).toContain("title Second task → Another title priority 0 → 4")
    await soon(() => change("First task")).toContain("ready → done")
    await soon(() => change("Third task")).toContain("created, ready")
    await page.getByRole("button", { name: "Start of the log" }).click()
    await page.getByText(/^3 cards changed from position 0 to 6: 3 created/).waitFor()
    expect(page.url()).toContain("compare=0")
    await page.getByRole("button", { name: "Stop comparing" }).click()
    await page.locator(".time-columns").waitFor()
    expect(problems).toEqual([])
  })

  it("jumps to a time and to the ends of days", async () => {
    const server = await serve()
    await createPast(server)
    const page = await open(`${server.url}#/time`)
    await page.locator(".time-columns").waitFor()
    await page.locator('input[type="datetime-local"]').fill("2001-02-03T04:05:06")
    await page.getByText("Before the first event").waitFor()
    await page.getByRole("button", { name: "Next day" }).click()
    await page.getByText(/^As of position/).waitFor({ state: "detached" })
    await page.getByRole("button", { name: "Previous day" }).click()
    await page.getByText("Before the first event").waitFor()
  })

  it("says that a position is not in the log, and that the log is empty", async () => {
    const server = await serve()
    const page = await open(`${server.url}#/time`)
    await page.getByText("The log is empty").waitFor()
    await createPast(server)
    await page.locator(".time-columns").waitFor()
    await page.goto(`${server.url}#/time?at=99`)
    await page.getByText("There is no position 99 yet").waitFor()
    await page.getByRole("link", { name: "Show the end of the log" }).click()
    await page.locator(".time-column.done").getByText("First task").waitFor()
  })
})
