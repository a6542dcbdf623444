import { expect, it } from "vitest"
import { describeInBrowser, soon } from "./support.ts"

const script = `<img src=x onerror="alert(1)"><script>alert(2)</script>`

const texts: Readonly<Record<string, string>> = {
  script,
  direction: "\u202eתואר ישר\u202c \u2066mixed\u2069 end",
  control: "bell \u0007 escape \u001b[31m tab\t end",
  wide: "W".repeat(500),
  marks: `Zalgo ${"\u0301".repeat(200)}`,
  emoji: "👩‍👩‍👧‍👦".repeat(20)
}

describeInBrowser("hostile texts on the board", ({ open, problems, serve }) => {
  it("are shown as text, run nothing, and do not break the page", async () => {
    const server = await serve()
    for (const [id, title] of Object.entries(texts)) {
      await server.post("create", {
        id,
        title,
        body: title,
        phase: "x",
        labels: [script.slice(0, 60)],
        acceptance: { title }
      })
      await server.post("note", { id, text: title })
    }
    await server.post("claim", { id: "script", owner: script.slice(0, 80) })
    const page = await open(server.url)
    await page.locator(".tile").nth(5).waitFor()
    expect(await page.locator("main img, main script").count()).toBe(0)
    for (const id of Object.keys(texts)) {
      await page.goto(`${server.url}#/board?card=${id}`)
      await page.locator(".panel h1").waitFor()
      await page.locator(".part h2", { hasText: "Events" }).waitFor()
      await page.locator(".events summary").last().click()
      await page.locator(".events .hash").first().waitFor()
      await soon(() => page.locator(".panel h1").textContent()).toBe(texts[id])
      const panel = await page.locator(".panel").evaluate((element) => [element.scrollWidth, element.clientWidth])
      expect(panel[0]).toBe(panel[1])
    }
    for (const view of ["claims", "board?lanes=label", "board?lanes=owner"]) {
      await page.goto(`${server.url}#/${view}`)
      await page.getByText(script.slice(0, 60)).first().waitFor()
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(1280)
    expect(await page.locator("img, #app script").count()).toBe(0)
    expect(problems).toEqual([])
  })

  it("of a megabyte are shown in part, and whole if the reader asks", async () => {
    const server = await serve()
    const body = `<b>start</b>\n${"line of text https://example.com/page \n".repeat(30_000)}`.slice(0, 1_000_000)
    await server.post("create", { id: "long", title: "Long", body })
    const page = await open(`${server.url}#/card?card=long`)
    const more = page.getByRole("button", { name: /Show all 1,000,000 characters/ })
    await more.waitFor()
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(1_500)
    await more.click()
    await page.getByRole("button", { name: "Show less" }).waitFor()
    await soon(() => page.locator(".card .text").first().textContent()).toContain(body.slice(-200))
    expect(problems).toEqual([])
  })
})
