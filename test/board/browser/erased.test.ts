import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, soon } from "./support.ts"

const secret = "hunter2"

const parts = ["title", "body", "acceptance", "result", "reason", "blockedReason", "text"]

const textOf = (page: Page): Promise<string> => page.locator(".card").innerText()

const section = (page: Page, title: string) =>
  page.locator(".part").filter({ has: page.locator("h2", { hasText: title }) })

/** Opens the events of the card, and returns what each shows, the last one first. */
const readEvents = async (page: Page): Promise<ReadonlyArray<string>> => {
  const events = section(page, "Events").locator(".events > li")
  for (const event of await events.all()) {
    await event.locator("summary").click()
    await event.locator(".hash").first().waitFor()
  }
  return (await events.allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " "))
}

describeInBrowser("an erased card", ({ open, problems, serve }) => {
  it("shows each erased part, note, reason and event as erased, now and in the past", async () => {
    const server = await serve()
    await server.post("create", {
      id: "a",
      title: `Title ${secret}`,
      body: `Body ${secret}`,
      acceptance: { text: secret },
      status: "blocked",
      blockedReason: `Because of ${secret}`
    })
    await server.post("unblock", { id: "a", reason: `No ${secret}` })
    const { claimToken } = await server.post("claim", { id: "a", owner: "w1" })
    await server.post("note", { id: "a", token: claimToken, text: `Note ${secret}` })
    await server.post("release", { id: "a", token: claimToken, reason: `Release ${secret}`, retryAfterSeconds: 0 })
    await server.post("complete", { id: "a", result: { password: secret } })
    await server.post("reopen", { id: "a", reason: `Reopen ${secret}` })
    await server.post("note", { id: "a", text: `Other ${secret}` })
    await server.post("block", { id: "a", reason: `Block ${secret}` })
    const { position } = (await server.get("anchor?record=false")) as { readonly position: number }
    const now = await open(`${server.url}#/card?card=a`)
    const past = await open(`${server.url}#/card?card=a&at=${position}`)
    for (const page of [now, past]) {
      await page.getByText("Live", { exact: true }).waitFor()
      await page.locator(".part h2", { hasText: "Events" }).waitFor()
      for (const part of ["Title", "Body", "Note", "Release", "Other", "Block"]) {
        await soon(() => textOf(page)).toContain(`${part} ${secret}`)
      }
    }

    // The pages are open while the card is redacted, and show it at once.
    await server.post("redact", { id: "a", parts, reason: "It was a secret" })
    for (const page of [now, past]) {
      await soon(() => textOf(page)).not.toContain(secret)
      await soon(() => page.locator(".card h1").innerText()).toBe("[redacted]")
      await soon(() => section(page, "Description").locator(".text").innerText()).toBe("[redacted]")
      await soon(() => section(page, "Acceptance criteria").locator(".text").innerText()).toBe("[redacted]")
      await soon(() => page.locator(".card .explanation").innerText()).toBe("It is blocked: [redacted]")
      await soon(() => section(page, "Notes").locator(".notes .text").allInnerTexts()).toEqual([
        "[redacted]",
        "[redacted]"
      ])
      await soon(() => section(page, "Attempts").locator(".reason").allInnerTexts()).toEqual([
        "reason erased from the log"
      ])
      const events = (await readEvents(page)).map((text) => text.replace(/^\d+ /, ""))
      const erasedParts = events.map((text) => [
        text.split(" ")[0],
        Array.from(text.matchAll(/(\w+) erased from the log/g), ([, part = ""]) => part).toSorted((left, right) =>
          left.localeCompare(right)
        )
      ])
      expect(erasedParts).toEqual([
        ...(page === now ? [["Redacted", []]] : []),
        ["Blocked", ["reason"]],
        ["Noted", ["text"]],
        ["Reopened", ["reason"]],
        ["Completed", ["result"]],
        ["Released", ["reason"]],
        ["Noted", ["text"]],
        ["Claimed", []],
        ["Unblocked", ["reason"]],
        ["Created", ["acceptance", "blockedReason", "body", "title"]]
      ])
      expect(await textOf(page)).not.toMatch(/undefined|\bnull,|NaN/)
      expect(await page.locator(".card .text", { hasText: /^\s*$/ }).count()).toBe(0)
    }

    // The event of a position shows its erased parts as well.
    await past.goto(`${server.url}#/time?at=1`)
    await past.locator(".time-event summary").click()
    await soon(() => past.locator(".time-event .erased").count()).toBe(4)
    await soon(() => past.locator(".time-columns").innerText()).toContain("[redacted]")
    expect(await past.locator("body").innerText()).not.toContain(secret)
    expect(problems).toEqual([])
  })

  it("shows the result of a completed card, and the last note on the board, as erased", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A card" })
    await server.post("create", { id: "b", title: "Another card" })
    const { claimToken } = await server.post("claim", { id: "b", owner: "w1" })
    await server.post("renew", { id: "b", token: claimToken, note: `Note ${secret}` })
    await server.post("complete", { id: "a", result: { password: secret } })
    await server.post("redact", { id: "a", parts: ["result"], reason: "It was a secret" })
    await server.post("redact", { id: "b", parts: ["text"], reason: "It was a secret" })
    const page = await open(`${server.url}#/board?card=a`)
    await soon(() => section(page, "Result").locator(".text").innerText()).toBe("[redacted]")
    await page.goto(`${server.url}#/claims?card=b`)
    await page.locator(".card h1", { hasText: "Another card" }).waitFor()
    await soon(() => page.locator("main").innerText()).toContain("[redacted]")
    await soon(() => page.locator(".notes .text").allInnerTexts()).toEqual(["[redacted]"])
    expect(await page.locator("body").innerText()).not.toContain(secret)
    expect(await page.locator("body").innerText()).not.toContain("undefined")
    expect(problems).toEqual([])
  })
})
