import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { describeInBrowser, soon } from "./support.ts"

/** What has the focus: the name of its element, and its text or the label of its field. */
const focusOf = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const element = document.activeElement
    const label = element instanceof HTMLTextAreaElement ? element.labels[0]?.textContent : element?.textContent
    return element === document.body ? "nothing" : `${element?.tagName.toLowerCase()} ${label}`
  })

const commandButton = (page: Page, verb: string) => page.locator(".card-commands").getByRole("button", { name: verb })

const dialog = (page: Page) => page.locator("dialog.command")

const submitButton = (page: Page) => dialog(page).locator("button[type=submit]")

describeInBrowser("a form of the board", ({ open, problems, serve }) => {
  it("has the focus in its first field, stays open when a selection ends next to it, and returns the focus", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/board?card=a`)
    await commandButton(page, "Note").click()
    await soon(() => focusOf(page)).toBe("textarea Note")
    await page.keyboard.type("Some words")
    const field = await dialog(page).locator("textarea").boundingBox()
    await page.mouse.move((field?.x ?? 0) + 60, (field?.y ?? 0) + 12)
    await page.mouse.down()
    await page.mouse.move(20, 400, { steps: 3 })
    await page.mouse.up()
    await page.mouse.click(20, 400)
    await soon(() => dialog(page).locator("textarea").inputValue()).toBe("Some words")
    await page.keyboard.press("Tab")
    await submitButton(page).click()
    await page.getByText("a has a new note.").waitFor()
    await soon(() => focusOf(page)).toBe("button Note")
    // The command that was sent is not among those that the new status permits.
    await commandButton(page, "Complete").click()
    await submitButton(page).click()
    await commandButton(page, "Reopen").waitFor()
    await soon(() => focusOf(page)).toBe("button Note")
    expect(problems).toEqual([])
  })

  it("returns the focus next to its button, if the page has removed that before the answer arrived", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/board?card=a`)
    await page.route("**/complete", async (route) => {
      const response = await route.fetch()
      await page.locator(".card-commands button", { hasText: "Reopen" }).waitFor({ state: "attached" })
      await route.fulfill({ response })
    })
    await commandButton(page, "Complete").click()
    await submitButton(page).click()
    await dialog(page).waitFor({ state: "detached" })
    await soon(() => focusOf(page)).toBe("button Note")
  })

  it("that was closed reports the outcome of its command, and leaves the next form as it is", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "A" })
    const page = await open(`${server.url}#/board?card=a`)
    const held: Array<() => void> = []
    await page.route("**/note", async (route) => {
      await new Promise<void>((resolve) => held.push(resolve))
      await (held.length === 1 ? route.continue() : route.abort("connectionreset"))
    })
    const send = async (text: string): Promise<void> => {
      await commandButton(page, "Note").click()
      await dialog(page).locator("textarea").fill(text)
      await submitButton(page).click()
      await dialog(page).getByText("Sending…").waitFor()
      await page.keyboard.press("Escape")
      await dialog(page).waitFor({ state: "detached" })
    }
    await send("First")
    await commandButton(page, "Block").click()
    await dialog(page).getByLabel("Reason").fill("Typed meanwhile")
    held[0]?.()
    await page.getByText("a has a new note.").waitFor()
    await soon(() => dialog(page).getByLabel("Reason").inputValue()).toBe("Typed meanwhile")
    await page.keyboard.press("Escape")
    await send("Second")
    held[1]?.()
    await page.getByText(/Note a: The server does not respond.*carried out only once/).waitFor()
  })

  it("sends no command that changes nothing, and reports that a card was so already", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "A" })
    await server.post("create", { id: "b", title: "B", dependsOn: ["a"] })
    const page = await open(`${server.url}#/board?card=b`)
    await commandButton(page, "Revise").click()
    await submitButton(page).click()
    await dialog(page).getByRole("alert").getByText("Change at least one field.").waitFor()
    await page.keyboard.press("Escape")
    await page.locator(".card-commands").getByRole("button", { name: "Link", exact: true }).click()
    await dialog(page).getByLabel("Depends on the card").fill("a")
    await submitButton(page).click()
    await page.getByText("b was so already.").waitFor()
    expect(await server.history("b")).toHaveLength(1)
  })

  it("marks what is wrong, with the focus there", async () => {
    const server = await serve({ board: "write" })
    const page = await open(server.url)
    await page.getByRole("button", { name: "New card" }).click()
    await page.getByLabel("Title").fill("A card")
    await page.getByLabel("Acceptance criteria").fill("{")
    await submitButton(page).click()
    await soon(() => focusOf(page)).toBe("textarea Acceptance criteria (JSON)")
  })

  it("acts on what was typed last, even if no frame was rendered since then", async () => {
    const server = await serve()
    const page = await open(server.url)
    await page.getByRole("button", { name: "Saved views" }).click()
    await page.getByLabel("Save the current view as").waitFor()
    await page.evaluate(() => {
      const field = document.querySelector<HTMLInputElement>("#view-name")
      if (field === null) return
      field.value = "Typed fast"
      field.dispatchEvent(new InputEvent("input", { bubbles: true }))
      field.form?.requestSubmit()
    })
    await page.locator(".saved-views a", { hasText: "Typed fast" }).waitFor()
  })

  it("for several cards ends with a button that closes it, and counts one card as one", async () => {
    const server = await serve({ board: "write" })
    await server.post("create", { id: "a", title: "Open one" })
    await server.post("create", { id: "b", title: "Done one", status: "done" })
    const page = await open(server.url)
    await page.locator(".tile", { hasText: "Open one" }).click({ modifiers: ["Shift"] })
    await page.locator(".tile", { hasText: "Done one" }).click()
    await page.locator(".bulk-bar").getByRole("button", { name: "Complete" }).click()
    await dialog(page).getByRole("button", { name: "Complete 1 card", exact: true }).click()
    await dialog(page).getByText("1 done, 0 failed, 1 not applicable.").waitFor()
    await soon(() => focusOf(page)).toBe("button Close")
    expect(await dialog(page).locator("button[type=submit]").count()).toBe(0)
  })
})

describeInBrowser("the keyboard of the board", ({ open, serve }) => {
  it("searches for words with a space between them, however slowly they are typed", async () => {
    const server = await serve()
    const page = await open(server.url)
    const field = page.getByRole("searchbox")
    await field.pressSequentially("login ")
    await soon(() => page.url()).toContain("q=login")
    await field.pressSequentially("page")
    await soon(() => page.url()).toContain("q=login+page")
    await soon(() => field.inputValue()).toBe("login page")
  })

  it("selects cards one after the other, in columns and in lanes", async () => {
    const server = await serve()
    for (const id of ["a", "b", "c"]) await server.post("create", { id, title: `Card ${id}`, phase: "build" })
    for (const lanes of ["", "?lanes=phase"]) {
      const page = await open(`${server.url}#/board${lanes}`)
      await page.locator(".tile", { hasText: "Card c" }).waitFor()
      await page.keyboard.press("j")
      await page.keyboard.press("x")
      await page.getByText("1 card selected").waitFor()
      await page.keyboard.press("j")
      await page.keyboard.press("x")
      await page.getByText("2 cards selected").waitFor()
      await page.keyboard.press("Escape")
      await page.locator(".bulk-bar").waitFor({ state: "detached" })
      await soon(() => focusOf(page)).toContain("Card b")
    }
  })

  it("steps through the log while the slider has the focus", async () => {
    const server = await serve()
    for (const id of ["a", "b", "c"]) await server.post("create", { id, title: id })
    const page = await open(`${server.url}#/time?at=2`)
    await page.locator(".time-columns").waitFor()
    await page.getByRole("slider").focus()
    await page.keyboard.press(",")
    await soon(() => page.url()).toContain("at=1")
  })

  it("goes where an action of the palette leads", async () => {
    const server = await serve()
    const page = await open(server.url)
    await page.getByText("The backlog is empty").waitFor()
    await page.keyboard.press("Control+k")
    await page.getByRole("option", { name: /^Everywhere Search/ }).click()
    await soon(() => page.evaluate(() => document.activeElement?.id)).toBe("search")
    await page.locator("#search").blur()
    await page.keyboard.press("Control+k")
    await page.getByRole("option", { name: /List all keys/ }).click()
    await page.getByRole("dialog", { name: "Keys" }).waitFor()
  })

  it("opens the palette again before the browser has reported the end of the first one", async () => {
    const server = await serve()
    const page = await open(server.url)
    await page.getByText("The backlog is empty").waitFor()
    await page.keyboard.press("Control+k")
    await page.getByRole("option", { name: /^Everywhere Search/ }).waitFor()
    // Within one frame, at whose end the browser reports it.
    const isOpenLater = await page.evaluate(async () => {
      const first = document.querySelector("dialog.palette")
      const reported = new Promise((resolve) => first?.addEventListener("close", resolve))
      document.querySelector<HTMLElement>("[role=option]")?.click()
      await Promise.resolve()
      document.querySelector<HTMLElement>("#search")?.blur()
      document.body.dispatchEvent(
        new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true, cancelable: true })
      )
      await reported
      await new Promise(requestAnimationFrame)
      return document.querySelector("dialog.palette") !== null
    })
    expect(isOpenLater).toBe(true)
    await page.getByRole("option", { name: /List all keys/ }).waitFor()
  })
})

describeInBrowser("an address that leads to nothing", ({ open, serve }) => {
  it("says what is missing, and shows a way back", async () => {
    const server = await serve()
    await server.post("create", { id: "a", title: "A" })
    await server.post("claim", { owner: "w1" })
    const page = await open(`${server.url}#/board?card=`)
    await page.locator(".tile", { hasText: "A" }).waitFor()
    expect(await page.locator(".panel").count()).toBe(0)
    await page.goto(`${server.url}#/trust?at=999`)
    await page.getByText("The log ends before this position.").waitFor()
    await page.goto(`${server.url}#/time?from=500&to=999`)
    await page.getByRole("link", { name: "Show the whole log" }).click()
    await page.getByRole("slider").waitFor()
    await page.goto(`${server.url}#/claims?q=owner:w2`)
    await page.getByText("This owner holds no card").waitFor()
    await page.getByRole("link", { name: "Show all claims" }).click()
    await page.locator(".claim-row", { hasText: "w1" }).waitFor()
    await page.goto(`${server.url}#/board?at=0`)
    await page.getByText("The backlog was empty").waitFor()
    expect(await page.getByText("Create a card").count()).toBe(0)
  })
})

describeInBrowser("a view that is loaded when it is opened", ({ open, serveProgram }) => {
  it("says that the server takes long, or does not respond, and appears when it does", async () => {
    const server = await serveProgram()
    const page = await open(server.url)
    await page.getByText("Live", { exact: true }).waitFor()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await page.route("**/FlowView-*.js", async (route) => {
      await held
      await route.continue()
    })
    await page.getByRole("link", { name: "Flow" }).click()
    await page.getByText("Still loading Flow. The server takes long to respond.").waitFor()
    release()
    await page.getByText("Nothing happened in this range").waitFor()
    await server.stop()
    await page.getByText(/Offline for/).waitFor()
    await page.getByRole("link", { name: "Claims" }).click()
    await page.getByText("No connection to the server").waitFor()
    await server.start()
    await page.getByText("No card is claimed").waitFor()
  })
})
