import type { Locator, Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, type ServedBoard, soon } from "./support.ts"

const node = (page: Page, id: string) => page.locator(`.graph-node[data-id="${id}"]`)

const nodeIds = (page: Page): Promise<ReadonlyArray<string>> =>
  page.locator(".graph-node").evaluateAll((all) => all.flatMap((each) => each.getAttribute("data-id") ?? []).toSorted())

/** Whether all of an element is in the window. */
const isVisible = (element: Locator): Promise<boolean> =>
  element.evaluate((each) => {
    const { bottom, left, right, top } = each.getBoundingClientRect()
    return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight
  })

/** What the row with the keyboard focus says, without the level and the sign. */
const focusedRow = (page: Page): Promise<string> =>
  page.evaluate(() => (document.activeElement as HTMLElement | null)?.innerText.replaceAll(/\s+/g, " ") ?? "")

/** design ← build ← test ← ship, and 45 cards that need `design`. */
const createPlan = async (server: ServedBoard): Promise<void> => {
  const chain = ["design", "build", "test", "ship"]
  const cards = chain.map((id, index) => ({
    id,
    title: `Title of ${id}`,
    phase: "main",
    dependsOn: index === 0 ? [] : [chain[index - 1]]
  }))
  const others = Array.from({ length: 45 }, (_, index) => ({
    id: `other-${String(index).padStart(2, "0")}`,
    title: `Other ${index}`,
    dependsOn: ["design"]
  }))
  await server.post("create-many", { cards: [...cards, ...others] })
}

describeInBrowser("the graph", ({ open, problems, serve }) => {
  it("shows the critical path, of all cards and of a phase, and follows the log", async () => {
    const server = await serve()
    await createPlan(server)
    const page = await open(`${server.url}#/graph`)
    await node(page, "ship").waitFor()
    await soon(() => nodeIds(page)).toEqual(["build", "design", "ship", "test"])
    await soon(() => node(page, "design").innerText()).toContain("ready")
    await soon(() => node(page, "build").innerText()).toContain("waiting")
    const x = async (id: string): Promise<number> => (await node(page, id).boundingBox())?.x ?? 0
    await soon(() => x("design")).toBeLessThan(await x("build"))
    await soon(() => x("test")).toBeLessThan(await x("ship"))
    const { claimToken } = await server.post("claim", { owner: "w", id: "design" })
    await server.post("complete", { id: "design", token: claimToken })
    await node(page, "design").waitFor({ state: "detached" })
    await page.getByLabel("Phase").fill("unknown")
    await page.getByRole("button", { name: "Filter" }).click()
    await page.getByText("There is no critical path").waitFor()
    await page.getByRole("link", { name: "Clear" }).click()
    await node(page, "ship").waitFor()
    expect(problems).toEqual([])
  })

  it("shows the cards around one, says what it leaves out, and expands it", async () => {
    const server = await serve()
    await createPlan(server)
    const page = await open(`${server.url}#/graph`)
    await page.getByRole("combobox", { name: /Show the graph around this card/ }).fill("build")
    await page.keyboard.press("Enter")
    await page.getByText(/^40 cards\. Not shown/).waitFor()
    expect(page.url()).toContain("root=build")
    // The keyboard reaches what is not in the visible part of the drawing, and the drawing moves to it.
    const stub = page.getByRole("button", { name: /Show 8 more dependents of design/ })
    await stub.focus()
    await soon(() => isVisible(stub)).toBe(true)
    await page.keyboard.press("Enter")
    await page.getByText(/^48 cards\./).waitFor()
    expect(page.url()).toContain("expanded=design")
    await page.reload()
    await page.getByText(/^48 cards\./).waitFor()
    await page.getByRole("button", { name: "1 step" }).click()
    await server.post("revise", { id: "test", title: "A new title" })
    await node(page, "test").getByText("A new title").waitFor()
    await node(page, "test").click()
    await page.locator(".panel h1", { hasText: "A new title" }).waitFor()
    await page.keyboard.press("o")
    await page.waitForFunction(() => location.hash.includes("root=test"))
    await soon(() => node(page, "test").getAttribute("aria-current")).toBe("true")
    expect(problems).toEqual([])
  })

  it("shows a dependency that does not exist next to the card that has it, and no such card", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A", dependsOn: ["b"] })
    await server.post("create", { id: "b", title: "B", dependsOn: ["gone"] })
    const page = await open(`${server.url}#/graph?root=a&display=tree`)
    await page.getByRole("treeitem", { name: /waiting b/ }).waitFor()
    expect(await page.getByRole("treeitem", { name: /gone/ }).count()).toBe(0)
    await page.getByRole("treeitem", { name: /waiting b/ }).focus()
    await page.keyboard.press("ArrowRight")
    await page.getByRole("treeitem", { name: /does not exist gone/ }).waitFor()
    await page.goto(`${server.url}#/graph?root=unknown`)
    await page.getByText("Not found").waitFor()
  })

  it("is a tree for the keyboard, with the same cards", async () => {
    const server = await serve()
    await createPlan(server)
    const page = await open(`${server.url}#/graph?root=build`)
    await node(page, "build").waitFor()
    await page.keyboard.press("s")
    const tree = page.getByRole("tree", { name: "Cards around build" })
    await tree.waitFor()
    await tree.getByRole("treeitem").first().focus()
    const design = "ready design Title of design critical path"
    for (const [key, row] of [
      ["ArrowDown", "Depends on 1"],
      ["ArrowDown", design],
      ["ArrowRight", design],
      ["ArrowRight", design],
      ["ArrowLeft", "Depends on 1"],
      ["ArrowLeft", "Depends on 1"],
      ["ArrowDown", "Needed by 1"]
    ] as const) {
      await page.keyboard.press(key)
      await soon(() => focusedRow(page)).toContain(row)
    }
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.locator(".panel h1", { hasText: "Title of test" }).waitFor()
    expect(problems).toEqual([])
  })

  it("moves and zooms with the mouse, the wheel and keys", async () => {
    const server = await serve()
    await createPlan(server)
    const page = await open(`${server.url}#/graph?root=build&hops=1`)
    await node(page, "build").waitFor()
    const box = async () => (await node(page, "build").boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 }
    const before = await box()
    await page.mouse.move(before.x + 10, before.y + 10)
    await page.mouse.down()
    await page.mouse.move(before.x + 60, before.y + 50, { steps: 4 })
    await page.mouse.up()
    await soon(async () => (await box()).x - before.x).toBe(50)
    expect(await page.locator(".panel").count()).toBe(0)
    await page.keyboard.press("ArrowLeft")
    await soon(async () => (await box()).x - before.x).toBe(130)
    await page.keyboard.press("+")
    await soon(async () => (await box()).width / before.width).toBeCloseTo(1.25)
    const zoomed = await box()
    await page.mouse.move(zoomed.x, zoomed.y)
    await page.mouse.wheel(0, 100)
    await soon(async () => (await box()).width < zoomed.width).toBe(true)
    expect(Math.abs((await box()).x - zoomed.x)).toBeLessThan(1)
    await page.keyboard.press("0")
    await soon(async () => (await box()).width).toBe(216)
  })

  it("shows the graph of a past moment", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    await server.post("create", { id: "b", title: "B", dependsOn: ["a"] })
    await server.post("unlink", { from: "b", to: "a" })
    const page = await open(`${server.url}#/graph?root=b&at=2`)
    await node(page, "a").waitFor()
    await page.getByRole("link", { name: "Return to now" }).click()
    await node(page, "a").waitFor({ state: "detached" })
  })
})
