import { createServer, request as sendRequest, type Server } from "node:http"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { afterEach, expect, it } from "vitest"
import { describeInBrowser } from "./support.ts"

const proxies: Array<Server> = []

/**
 * A proxy that removes the prefixes of paths. With `isTrusted` it sets the headers of docs/operations.md. Returns its address.
 */
const startProxy = async (targets: Readonly<Record<string, string>>, isTrusted: boolean): Promise<string> => {
  const proxy = createServer((incoming, response) => {
    const path = incoming.url ?? ""
    const prefix = Object.keys(targets).find((each) => path.startsWith(each))
    if (prefix === undefined) {
      response.writeHead(404).end()
      return
    }
    const forwarding = {
      "x-forwarded-for": incoming.socket.remoteAddress,
      "x-forwarded-host": incoming.headers.host,
      "x-forwarded-prefix": prefix.slice(0, -1),
      "x-forwarded-proto": "http"
    }
    const headers = { ...incoming.headers, ...(isTrusted ? forwarding : {}) }
    const target = new URL(path.slice(prefix.length), targets[prefix])
    const outgoing = sendRequest(target, { method: incoming.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      // The browser sees the beginning of a stream before its first event.
      response.flushHeaders()
      answer.pipe(response)
    })
    outgoing.on("error", () => response.destroy())
    response.on("close", () => outgoing.destroy())
    incoming.pipe(outgoing)
  })
  proxies.push(proxy)
  proxy.listen(0, "127.0.0.1")
  await once(proxy, "listening")
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

afterEach(() => {
  for (const proxy of proxies.splice(0)) {
    proxy.close()
    proxy.closeAllConnections()
  }
})

describeInBrowser("the board below a prefix of the path", ({ context, open, problems, serve }) => {
  it("loads its assets, and reads, follows, links and sends commands below the prefix only", async () => {
    const server = await serve({ trustProxy: true })
    await server.post("create", { id: "a", title: "First task" })
    const proxy = await startProxy({ "/team/backlog/": server.url }, true)
    const board = `${proxy}/team/backlog/`
    const page = await open("about:blank")
    const requested: Array<string> = []
    const refused: Array<string> = []
    page.on("request", (request) => requested.push(request.url()))
    page.on("response", (response) => {
      if (response.status() >= 400 && response.status() !== 401) refused.push(`${response.status()} ${response.url()}`)
    })
    await page.goto(board)
    await page.getByLabel("Token").fill(await server.createToken("Ada", "orchestrator"))
    await page.getByLabel("Keep it in this tab").check()
    await page.getByRole("button", { name: "Open the board" }).click()
    await page.locator(".column.claimable").getByText("First task").waitFor()
    await page.getByText("Live", { exact: true }).waitFor()

    // Live updates
    await server.post("revise", { id: "a", title: "Revised task" })
    await page.locator(".column.claimable").getByText("Revised task").click()
    await page.locator(".panel h1", { hasText: "Revised task" }).waitFor()
    expect(page.url()).toBe(`${board}#/board?card=a`)

    // A command, and its command line
    await page.locator(".card-commands button", { hasText: "Note" }).click()
    const dialog = page.locator("dialog.command")
    await dialog.getByLabel("Note", { exact: true }).fill("Through the proxy")
    await dialog.locator("button[type=submit]").click()
    await dialog.waitFor({ state: "detached" })
    await page.locator(".notes").getByText("Through the proxy").waitFor()
    expect((await server.history("a")).at(-1)).toMatchObject({ type: "CardNoted", actor: "Ada" })

    // Every view, each of which loads files of its own
    for (const [name, shown] of [
      ["Claims", "No card is claimed"],
      ["Graph", "critical path"],
      ["Time", "Revised task"],
      ["Trust", "End of the log"],
      ["Flow", "Throughput"],
      ["Board", "Revised task"]
    ] as const) {
      await page.locator(".navigation").getByRole("link", { name, exact: true }).click()
      await page.locator("main").getByText(shown).first().waitFor()
      const links = await page
        .locator("a[href]")
        .evaluateAll((all) => all.map((each) => (each as HTMLAnchorElement).href))
      expect(links.filter((link) => !link.startsWith(board))).toEqual([])
    }
    await page.reload()
    await page.locator(".column.claimable").getByText("Revised task").waitFor()
    expect(requested.filter((url) => !url.startsWith(board) && !url.startsWith("data:"))).toEqual([])
    expect(refused).toEqual([])
    expect(problems).toEqual([])
  })

  it("shares neither events nor alarms with a board below another prefix of the same origin", async () => {
    const [left, right] = [await serve(), await serve()]
    const proxy = await startProxy({ "/left/": left.url, "/right/": right.url }, false)
    const shared = await context()
    const openBoard = async (name: string) => {
      const page = await open(`${proxy}/${name}/`, { context: shared })
      await page.getByText("Live", { exact: true }).waitFor()
      return page
    }
    const pages = { left: await openBoard("left"), right: await openBoard("right") }
    // Each follows its own server.
    for (const page of Object.values(pages)) await page.locator('.follow[title*="This tab"]').waitFor()
    await left.post("create", { id: "a", title: "Left task" })
    await right.post("create", { id: "a", title: "Right task" })
    await pages.left.getByText("Left task").waitFor()
    await pages.right.getByText("Right task").waitFor()
    expect(await pages.left.getByText("Right task").count()).toBe(0)
    await pages.left.getByRole("link", { name: "Trust" }).click()
    await pages.left
      .getByLabel("Anchor to compare with")
      .fill(`mosaic-backlog-anchor 1 1 ${"0".repeat(64)} 2026-01-01T00:00:00.000Z`)
    await pages.left.getByRole("button", { name: "Verify with the anchor" }).click()
    await pages.left.getByRole("alert").filter({ hasText: "Alarm" }).waitFor()
    // A stored alarm is shown after a reload.
    await pages.left.reload()
    await pages.left.getByRole("alert").filter({ hasText: "Alarm" }).waitFor()
    await pages.right.reload()
    await pages.right.getByText("Right task").waitFor()
    expect(await pages.right.getByRole("alert").count()).toBe(0)
    expect(problems).toEqual([])
  })
})
