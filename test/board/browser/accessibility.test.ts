import axe from "axe-core"
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, type ServedBoard } from "./support.ts"

/** Cards in every condition, a claim with a note, an expired lease, an erasure, an anchor and verifications. */
const fill = async (server: ServedBoard): Promise<void> => {
  await server.post("create", {
    id: "design",
    title: "Design it",
    phase: "design",
    labels: ["ui"],
    body: "https://example.com"
  })
  await server.post("create", { id: "build", title: "Build it", phase: "build", dependsOn: ["design"] })
  await server.post("create", { id: "test", title: "Test it", dependsOn: ["build", "design"] })
  await server.post("create", { id: "stuck", title: "Stuck", status: "blocked", blockedReason: "No server" })
  await server.post("create", { id: "later", title: "Later", notBefore: "2100-01-01T00:00:00.000Z" })
  await server.post("create", { id: "slow", title: "Slow", priority: 9, body: "a secret" })
  await server.post("create", { id: "ready", title: "Ready" })
  const { claimToken } = await server.post("claim", { id: "ready", owner: "worker-1" })
  await server.post("complete", { id: "ready", token: claimToken })
  const held = await server.post("claim", { id: "design", owner: "worker-2" })
  await server.post("renew", { id: "design", token: held["claimToken"], note: "Half done" })
  await server.post("claim", { id: "slow", owner: "worker-3", ttlSeconds: 1 })
  await server.post("redact", { id: "slow", parts: ["body"], reason: "It was a secret" })
  await server.get("anchor")
  for (const anchor of [
    undefined,
    { position: 1, chainHash: "0".repeat(64), at: "2026-01-01T00:00:00.000Z", signature: null }
  ]) {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ anchor }) }
    await (await fetch(`${server.url}verify`, init)).text()
  }
}

/** Waits until the page shows its data, and nothing is loading. */
const settle = async (page: Page): Promise<void> => {
  await page.getByText("Live", { exact: true }).waitFor()
  await page.waitForFunction(
    () => document.querySelector(".loading") === null && document.querySelector("main > *") !== null
  )
}

/** The rules of axe-core that depend on colors. The result of any other rule is the same with light and with dark colors. */
const colorRules = ["color-contrast", "link-in-text-block"]

/** Returns what axe-core finds on the page with light and with dark colors: the colors, the rule, and the elements. */
const findings = async (page: Page): Promise<ReadonlyArray<string>> => {
  await settle(page)
  const found: Array<string> = []
  for (const [colorScheme, rules] of [
    ["light", undefined],
    ["dark", colorRules]
  ] as const) {
    await page.emulateMedia({ colorScheme })
    if (rules === undefined) await page.evaluate(axe.source)
    const problems = await page.evaluate(async (runOnly) => {
      const { violations } = await (globalThis as unknown as { readonly axe: typeof axe }).axe.run({
        resultTypes: ["violations"],
        ...(runOnly === undefined ? {} : { runOnly: [...runOnly] })
      })
      return violations.map(
        ({ help, id, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`
      )
    }, rules)
    found.push(...problems.map((problem) => `${colorScheme}: ${problem}`))
  }
  return found
}

describeInBrowser("every view", ({ open, problems, serve }) => {
  it.each([1280, 390])("has no findings of axe-core at %d pixels", { timeout: 400_000 }, async (width) => {
    const server = await serve({ board: "write" })
    await fill(server)
    const page = await open(server.url, { width })
    await settle(page)
    const linked = await page
      .locator(".navigation a[aria-current], .navigation a[title]")
      .evaluateAll((links) => links.map((link) => link.getAttribute("href") ?? ""))
    expect(linked.length).toBeGreaterThan(3)
    const states = [
      ...linked,
      "#/card?card=design",
      "#/board?card=slow",
      "#/board?at=3",
      "#/board?q=label%3Aui",
      "#/flow?by=phase&range=1h",
      "#/trust?at=3",
      "#/unknown"
    ]
    for (const fragment of states) {
      // Another page between two fragments, or the view before could still be shown.
      await page.goto("about:blank")
      await page.goto(`${server.url}${fragment}`)
      expect({ fragment, found: await findings(page) }).toEqual({ fragment, found: [] })
    }
    expect(problems).toEqual([])
  })

  it.each([
    ["the list of keys", "?", "Keys"],
    ["the palette", "Control+k", "Find a card or an action"],
    ["the saved views", "v", "Saved views"]
  ])("has no findings of axe-core in %s", async (_, keys, name) => {
    const server = await serve({ board: "write" })
    await fill(server)
    const page = await open(server.url)
    await settle(page)
    await page.keyboard.press(keys)
    await page.getByRole("dialog", { name }).waitFor()
    expect(await findings(page)).toEqual([])
  })
})
