import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, type ServedBoard, soon } from "./support.ts"

const complete = async (server: ServedBoard, id: string, owner: string): Promise<void> => {
  const { claimToken } = await server.post("claim", { id, owner })
  await server.post("complete", { id, token: claimToken })
}

const work = async (server: ServedBoard): Promise<void> => {
  for (const [id, phase] of [
    ["a", "design"],
    ["b", "design"],
    ["c", "build"],
    ["d", undefined]
  ]) {
    await server.post("create", { id, title: `Card ${id}`, ...(phase === undefined ? {} : { phase }) })
  }
  await complete(server, "a", "worker-1")
  await complete(server, "b", "worker-2")
  await complete(server, "c", "worker-1")
}

const chart = (page: Page, title: string) =>
  page.locator(".chart").filter({ has: page.getByRole("heading", { name: title }) })

const table = (page: Page, name: string) => page.getByRole("region", { name }).locator("table")

describeInBrowser("the view Flow", ({ open, problems, serve }) => {
  it("draws charts under the security policy, and shows the same figures as a table", async () => {
    const server = await serve()
    await work(server)
    const page = await open(`${server.url}#/flow?range=1h`)
    await chart(page, "Throughput").locator(".plot-line").first().waitFor()
    await soon(() => chart(page, "Throughput").locator(".plot-line").count()).toBe(3)
    await soon(() => chart(page, "Throughput").locator(".chart-legend").innerText()).toMatch(
      /created\s+4\s+claimed\s+3\s+completed\s+3/
    )
    const cells = await table(page, "By time")
      .locator("tbody tr")
      .evaluateAll((rows) =>
        rows.map((row) => Array.from(row.querySelectorAll("td"), (cell) => Number(cell.textContent)).slice(0, 3))
      )
    const sums = cells.reduce<ReadonlyArray<number>>(
      (sum, row) => sum.map((each, index) => each + (row[index] ?? 0)),
      [0, 0, 0]
    )
    expect(sums).toEqual([4, 3, 3])
    await page.getByText(/buckets are left out, because nothing happened in them/).waitFor()
    expect(problems).toEqual([])
  })

  it("shows the figures by phase, in the charts and as a table, and the reader chooses the lines", async () => {
    const server = await serve()
    await work(server)
    const page = await open(`${server.url}#/flow?range=24h`)
    await page.getByLabel("Group by").selectOption("phase")
    const rows = table(page, "By phase").locator("tbody tr")
    await rows.first().waitFor()
    const figures = await rows.evaluateAll((all) =>
      all.map((row) => Array.from(row.children, (cell) => (cell.textContent ?? "").trim()).slice(0, 4))
    )
    expect(figures).toEqual([
      ["design", "2", "2", "2"],
      ["build", "1", "1", "1"],
      ["no phase", "1", "0", "0"]
    ])
    await soon(() => chart(page, "Completed").locator(".chart-legend li").allInnerTexts()).toEqual([
      expect.stringMatching(/design\s+2/),
      expect.stringMatching(/build\s+1/),
      expect.stringMatching(/no phase\s+0/)
    ])
    await page.getByLabel("Show build in the charts").uncheck()
    await chart(page, "Completed").locator(".chart-legend li", { hasText: "build" }).waitFor({ state: "detached" })
    await page.reload()
    await chart(page, "Completed").locator(".chart-legend li", { hasText: "design" }).waitFor()
    await soon(() => chart(page, "Completed").locator(".chart-legend li").count()).toBe(2)
    await page.keyboard.press("o")
    await table(page, "By owner").getByRole("link", { name: "worker-1" }).click()
    expect(page.url()).toContain("q=owner%3Aworker-1")
  })

  it("reads the values of a bucket by the keyboard", async () => {
    const server = await serve()
    await work(server)
    const page = await open(`${server.url}#/flow?range=1h`)
    const slider = page.getByRole("slider", { name: "Throughput: bucket" })
    await slider.focus()
    await soon(() => slider.getAttribute("aria-valuetext")).toBe("Whole range: created 4, claimed 3, completed 3")
    await page.keyboard.press("Home")
    await soon(() => slider.getAttribute("aria-valuetext")).toContain("created 0, claimed 0, completed 0")
    // Every chart shows the same bucket.
    const other = page.getByRole("slider", { name: "Lead time: bucket" })
    await soon(() => other.getAttribute("aria-valuenow")).toBe("0")
    await page.keyboard.press("Escape")
    await soon(() => slider.getAttribute("aria-valuetext")).toContain("Whole range")
  })

  it("shows a range between two local times, which is in the URL", async () => {
    const server = await serve()
    await work(server)
    const page = await open(`${server.url}#/flow`)
    await page.getByRole("button", { name: "24 hours" }).click()
    await page.locator('[aria-pressed="true"]', { hasText: "24 hours" }).waitFor()
    await chart(page, "Throughput").waitFor()
    await page.getByRole("button", { name: "Free" }).click()
    const from = page.getByLabel("From", { exact: true })
    await from.waitFor()
    await from.fill("2026-01-01T00:00")
    await page.getByLabel("To", { exact: true }).fill("2026-01-02T00:00")
    await page.getByText("Nothing happened in this range").waitFor()
    const parameters = new URLSearchParams(page.url().split("?")[1])
    expect(Date.parse(parameters.get("to") ?? "") - Date.parse(parameters.get("from") ?? "")).toBe(24 * 60 * 60 * 1000)
    await page.getByLabel("To", { exact: true }).fill("2025-01-02T00:00")
    await page.getByText("The range must begin before it ends.").waitFor()
  })

  it("ends with the event at the position of the URL", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/flow?at=1&range=1h`)
    await page.getByText("As of position 1").waitFor()
    await chart(page, "Throughput").waitFor()
    await soon(() => chart(page, "Throughput").locator(".chart-legend").innerText()).toMatch(
      /created\s+1\s+claimed\s+0/
    )
  })

  it("counts what happens while it is shown", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/flow?range=1h`)
    await chart(page, "Throughput")
      .locator(".chart-legend li", { hasText: /created\s*1/ })
      .waitFor()
    await server.post("create", { id: "b", title: "B" })
    await chart(page, "Throughput")
      .locator(".chart-legend li", { hasText: /created\s*2/ })
      .waitFor()
  })
})
