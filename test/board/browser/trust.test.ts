import { readFile } from "node:fs/promises"
import { expect, it } from "vitest"
import { describeInBrowser, soon } from "./support.ts"

interface ServedAnchor {
  readonly position: number
  readonly chainHash: string
  readonly at: string
}

const read = async <A>(url: string, path: string): Promise<A> => (await (await fetch(`${url}${path}`)).json()) as A

const formatLine = ({ at, chainHash, position }: ServedAnchor): string =>
  `mosaic-backlog-anchor 1 ${position} ${chainHash} ${at}`

describeInBrowser("the view Trust", ({ open, problems, serve }) => {
  it("shows the end of the log, and verifies it with progress and a report", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/trust`)
    const { chainHash } = await read<ServedAnchor>(server.url, "anchor?record=false")
    await page.locator(".trust-tile", { hasText: "End of the log" }).getByText(chainHash).waitFor()
    await page.getByText("The log was not verified yet.").first().waitFor()
    let answer = (): void => undefined
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    await page.route("**/verify", async (route) => {
      await answered
      await route.continue()
    })
    await page.keyboard.press("e")
    await page.getByRole("progressbar", { name: "Progress of the verification" }).waitFor()
    // The verification continues while another view is shown.
    await page.keyboard.press("g")
    await page.keyboard.press("b")
    await page.locator(".column.claimable").waitFor()
    answer()
    await page.getByText("The log and the read model are consistent.").waitFor()
    await page.goBack()
    await page.locator(".verify-report", { hasText: "Consistent: no divergence was found." }).waitFor()
    await page.getByRole("region", { name: "Verifications" }).getByText("consistent").waitFor()
    expect(await server.get("verifications")).toMatchObject([
      { outcome: "consistent", actor: "board", anchorPosition: null }
    ])
    expect(problems).toEqual([])
  })

  it("cancels a verification", async () => {
    const server = await serve()
    const page = await open(`${server.url}#/trust`)
    await page.route("**/verify", () => undefined)
    await page.getByRole("button", { name: "Verify", exact: true }).click()
    await page.getByRole("button", { name: "Cancel" }).click()
    await page.getByText("The verification was canceled.").waitFor()
  })

  it("makes an anchor, which a verification with it accepts, from the clipboard's line or the downloaded file", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/trust`)
    await page.getByRole("button", { name: "Make an anchor" }).click()
    const line = await page.locator(".made-anchor code").innerText()
    const made = await read<ReadonlyArray<ServedAnchor>>(server.url, "anchors")
    expect(made.map(formatLine)).toEqual([line])
    const downloading = page.waitForEvent("download")
    await page
      .locator(".made-anchor")
      .getByRole("button", { name: /Download/ })
      .click()
    const file = await (await downloading).path()
    expect(await readFile(file, "utf8")).toBe(`${line}\n`)
    await server.post("create", { id: "b", title: "B" })
    await page.locator('input[type="file"]').setInputFiles(file)
    await page.getByText("An anchor at position 1").waitFor()
    await page.getByRole("button", { name: "Verify with the anchor" }).click()
    await page.getByText("The log continues the anchor: every event up to position 1 is what it was.").waitFor()
    expect(await page.getByRole("alert").count()).toBe(0)
  })

  it("refuses a text that is not an anchor, and sends nothing", async () => {
    const server = await serve()
    const page = await open(`${server.url}#/trust`)
    await page.getByLabel("Anchor to compare with").fill("not an anchor")
    await page.getByText("The text is not an anchor.").waitFor()
    await soon(() => page.locator(".verify-start").getAttribute("aria-disabled")).toBe("true")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    expect(await server.get("verifications")).toEqual([])
  })

  it("raises an alarm on a mismatch, which stays on every view and after a reload until it is acknowledged", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/trust`)
    const anchor = { position: 1, chainHash: "0".repeat(64), at: "2026-01-01T00:00:00.000Z" }
    await page.getByLabel("Anchor to compare with").fill(formatLine(anchor))
    await page.getByRole("button", { name: "Verify with the anchor" }).click()
    const alarm = page
      .getByRole("alert")
      .filter({ hasText: "Alarm: the log does not continue the anchor at position 1" })
    await alarm.waitFor()
    await page.locator(".verify-report", { hasText: "The log does not continue the anchor at position 1." }).waitFor()
    await page.getByRole("region", { name: "Verifications" }).getByText("mismatch at position 1").waitFor()
    await page.getByRole("link", { name: "Claims" }).click()
    await alarm.waitFor()
    await page.reload()
    await alarm.waitFor()
    // A later verification without the anchor proves nothing about it.
    const verified = await fetch(`${server.url}verify`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}"
    })
    expect(await verified.text()).toContain('"divergenceCount":0')
    await page.reload()
    await alarm.getByRole("link", { name: "Show Trust" }).click()
    await alarm.getByRole("button", { name: "Acknowledge" }).click()
    await alarm.waitFor({ state: "detached" })
    await page.reload()
    await page.getByRole("region", { name: "Verifications" }).getByText("mismatch at position 1").waitFor()
    expect(await alarm.count()).toBe(0)
    // Another reader has not acknowledged it.
    const other = await open(`${server.url}#/board`)
    await other.getByRole("alert").filter({ hasText: "Alarm" }).waitFor()
  })

  it("lists what was erased", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A", body: "a secret" })
    const page = await open(`${server.url}#/trust`)
    await page.getByText("Nothing was erased from this log.").waitFor()
    await server.post("redact", { id: "a", parts: ["body"], reason: "It was a secret" })
    await page
      .getByRole("region", { name: "Erasures" })
      .getByText(/erased from reads|removed from pages/)
      .waitFor()
    await page.getByRole("region", { name: "Erasures" }).getByRole("link", { name: "a" }).click()
    await page.locator(".panel h1", { hasText: "A" }).waitFor()
  })

  it("says why a worker may not verify or make an anchor", async () => {
    const server = await serve({ requireTokens: true })
    const token = await server.createToken("w", "worker")
    const page = await open(`${server.url}#/trust`)
    await page.getByLabel("Token").fill(token)
    await page.getByRole("button", { name: "Open the board" }).click()
    const verify = page.getByRole("button", { name: "Verify", exact: true })
    await verify.waitFor()
    await soon(() => verify.getAttribute("aria-disabled")).toBe("true")
    await page.getByText("Your token has the role worker, which does not permit this.").first().waitFor()
  })
})
