import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import type { AccessRole } from "../../../src/index.ts"
import { describeInBrowser, type ServedBoard, soon } from "./support.ts"

const openForm = async (page: Page, verb: string): Promise<void> => {
  await page.locator(".card-commands button", { hasText: verb }).click()
  await page.getByRole("dialog", { name: new RegExp(`^${verb} `) }).waitFor()
}

/** Submits the open form, and waits until it is closed. */
const submit = async (page: Page): Promise<void> => {
  await page.locator("dialog.command button[type=submit]").click()
  await page.locator("dialog.command").waitFor({ state: "detached" })
}

const lastEvent = async (server: ServedBoard, id: string) => (await server.history(id)).at(-1)

const showCard = async (page: Page, id: string): Promise<void> => {
  await page.goto(`${page.url().split("#")[0]}#/board?card=${id}`)
  await page.locator(".panel-bar code", { hasText: id }).waitFor()
  await page.locator(".card-commands").waitFor()
}

describeInBrowser("the commands of the board", ({ open, problems, serve }) => {
  it("have their effect in the log, each with the reader's name and an id", async () => {
    const server = await serve({ board: "write" })
    const page = await open(server.url)
    await page.getByRole("button", { name: "New card" }).click()
    await page.getByLabel("Title").fill("Made here")
    await page.getByLabel("Priority").fill("7")
    await page.getByLabel("Labels").fill("ui\ndocs")
    await page.getByLabel("Id", { exact: true }).fill("made")
    await page.getByLabel("Your name").fill("Ada")
    await submit(page)
    await page.locator(".panel h1", { hasText: "Made here" }).waitFor()
    const [created] = await server.history("made")
    expect(created).toMatchObject({
      type: "CardCreated",
      actor: "Ada",
      commandId: expect.stringMatching(/^board-[0-9a-f]{32}$/),
      data: { title: "Made here", priority: 7, labels: ["docs", "ui"] }
    })

    await openForm(page, "Note")
    await page.getByLabel("Note", { exact: true }).fill("A finding")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardNoted", data: { text: "A finding" } })

    await openForm(page, "Revise")
    await page.getByLabel("Title").fill("Made better")
    await page.getByLabel("Add labels").fill("api")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({
      type: "CardRevised",
      data: { title: "Made better", labels: ["api", "docs", "ui"] }
    })
    expect((await lastEvent(server, "made"))?.data).not.toHaveProperty("body")

    await server.post("create", { id: "base", title: "The base" })
    await openForm(page, "Link")
    await page.getByLabel("Depends on the card").fill("base")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardLinked", data: { dependsOn: "base" } })

    await page.locator(".card-commands button", { hasText: "Unlink" }).waitFor()
    await openForm(page, "Unlink")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardUnlinked", data: { dependsOn: "base" } })

    await openForm(page, "Block")
    await page.getByLabel("Reason").fill("No server")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardBlocked", data: { reason: "No server" } })

    await page.locator(".card-commands button", { hasText: "Unblock" }).waitFor()
    await openForm(page, "Unblock")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardUnblocked" })

    const { claimToken } = await server.post("claim", { id: "made", owner: "w1" })
    await page.locator(".card-commands button", { hasText: "Release" }).waitFor()
    await openForm(page, "Release")
    await page.getByLabel("Reason").fill("Not now")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({
      type: "CardReleased",
      data: { token: claimToken, reason: "Not now" }
    })

    await server.post("claim", { id: "made", owner: "w2" })
    await page.locator(".card-commands button", { hasText: "Reclaim" }).waitFor()
    await openForm(page, "Reclaim")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardReclaimed", data: { why: "requested" } })

    await openForm(page, "Complete")
    await page.getByLabel("Result (JSON)").fill('{"commit": "8c1f0e2"}')
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({
      type: "CardCompleted",
      data: { result: { commit: "8c1f0e2" } }
    })

    await page.locator(".card-commands button", { hasText: "Reopen" }).waitFor()
    await openForm(page, "Reopen")
    await submit(page)
    expect(await lastEvent(server, "made")).toMatchObject({ type: "CardReopened", actor: "Ada" })
    expect(problems).toEqual([])
  })

  it("for several cards show what applies, and the outcome of each", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "Ready one" })
    await server.post("create", { id: "b", title: "Ready two" })
    await server.post("create", { id: "c", title: "Done one", status: "done" })
    const page = await open(server.url)
    await page.getByText("Ready one").waitFor()
    await page.getByRole("button", { name: "Select" }).click()
    for (const title of ["Ready one", "Ready two", "Done one"]) await page.locator(".tile", { hasText: title }).click()
    await page.getByText("3 cards selected").waitFor()
    await page.locator(".bulk-bar button", { hasText: "Block" }).first().click()
    const dialog = page.locator("dialog.command")
    await dialog.getByText("Block applies to 2 of 3 selected cards.").waitFor()
    await dialog.getByText("The card is done. Reopen it first.").waitFor()
    // One of the cards changes after the preview.
    await server.post("complete", { id: "b" })
    await dialog.getByRole("button", { name: "Block 2 cards" }).click()
    await dialog.getByText("1 done, 1 failed, 1 not applicable.").waitFor()
    await soon(() => dialog.locator("li", { hasText: "Ready two" }).innerText()).toContain("done")
    expect(await server.get("get?id=a")).toMatchObject({ status: "blocked" })
    expect(await server.get("get?id=b")).toMatchObject({ status: "done" })
  })

  it("have everything that the reader has entered, also what no frame has shown yet", async () => {
    const server = await serve({ board: "write" })
    const page = await open(server.url)
    await page.getByRole("button", { name: "New card" }).click()
    await page.getByLabel("Title").waitFor()
    await page.evaluate(() => {
      const enter = (label: string, value: string): void => {
        const name = [...document.querySelectorAll("dialog label")].find(({ textContent }) => textContent === label)
        const field = document.getElementById(name?.getAttribute("for") ?? "") as HTMLInputElement
        field.value = value
        field.dispatchEvent(new Event("input", { bubbles: true }))
      }
      enter("Title", "Entered fast")
      enter("Priority", "7")
      enter("Id", "fast")
      document.querySelector<HTMLFormElement>("dialog form")?.requestSubmit()
    })
    await page.locator("dialog.command").waitFor({ state: "detached" })
    expect(await server.get("get?id=fast")).toMatchObject({ title: "Entered fast", priority: 7 })
  })

  it("are refused with a problem that stays in the form", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "A" })
    const page = await open(server.url)
    await showCard(page, "a")
    await openForm(page, "Link")
    await page.getByLabel("Depends on the card").fill("a")
    await page.locator("dialog.command button[type=submit]").click()
    await page.getByRole("alert").waitFor()
    await soon(() => page.getByRole("alert").innerText()).toContain("itself")
    await page.keyboard.press("Escape")
    await openForm(page, "Complete")
    await page.getByLabel("Result (JSON)").fill("done")
    await page.locator("dialog.command button[type=submit]").click()
    await page.getByText(/must be JSON/).waitFor()
    expect(await server.history("a")).toHaveLength(1)
  })

  it("are carried out once if the answer is lost and the reader tries again", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "A" })
    const page = await open(server.url)
    await showCard(page, "a")
    let lost = 0
    await page.route("**/note", async (route) => {
      if (lost++ > 0) return route.continue()
      await route.fetch()
      return route.abort("connectionreset")
    })
    await openForm(page, "Note")
    await page.getByLabel("Note", { exact: true }).fill("Once")
    await page.locator("dialog.command button[type=submit]").click()
    await page.getByRole("alert").waitFor()
    await page.getByRole("button", { name: "Try again" }).click()
    await page.locator("dialog.command").waitFor({ state: "detached" })
    expect((await server.history("a")).filter(({ type }) => type === "CardNoted")).toHaveLength(1)
  })

  it("are disabled with the reason on a server whose board only reads", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    const page = await open(server.url)
    await showCard(page, "a")
    const button = page.locator(".card-commands button", { hasText: "Complete" })
    await soon(() => button.getAttribute("aria-disabled")).toBe("true")
    await soon(() => button.getAttribute("title")).toContain("--board=write")
    await button.click({ force: true })
    expect(await page.locator("dialog.command").count()).toBe(0)
    await page.keyboard.press("n")
    expect(await page.locator("dialog.command").count()).toBe(0)
  })

  it("are those that the role of the token permits", async () => {
    const server = await serve({ requireTokens: true })
    await server.post("create", { id: "a", title: "Guarded" })
    await server.post("create", { id: "b", title: "Held by the worker" })
    await server.post("claim", { id: "b", owner: "worker-1" })
    const tokens = new Map<AccessRole, string>()
    for (const role of ["orchestrator", "worker", "auditor"] as const) {
      tokens.set(role, await server.createToken(`${role}-1`, role))
    }
    const permitted = async (role: AccessRole, id = "a"): Promise<ReadonlyArray<string>> => {
      const page = await open(`${server.url}#/board?card=${id}`)
      await page.getByLabel("Token").fill(tokens.get(role) ?? "")
      await page.getByRole("button", { name: "Open the board" }).click()
      await page.locator(".card-commands").waitFor()
      await page.getByText("Live", { exact: true }).waitFor()
      return page.locator('.card-commands button[aria-disabled="false"]').allInnerTexts()
    }
    await soon(() => permitted("orchestrator")).toEqual(["Complete", "Note", "Revise", "Block", "Link"])
    await soon(() => permitted("worker")).toEqual(["Note"])
    await soon(() => permitted("worker", "b")).toEqual(["Complete", "Note", "Block", "Release"])
    await soon(() => permitted("auditor")).toEqual([])
    const page = await open(server.url)
    await page.getByLabel("Token").fill("mbk_wrong")
    await page.getByRole("button", { name: "Open the board" }).click()
    await page.getByRole("alert").waitFor()
    expect(problems).toEqual([])
  })
})
