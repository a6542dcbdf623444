import { createServer, type IncomingMessage, type OutgoingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it } from "vitest"
import { json } from "./support.ts"

describe("a server's URL", () => {
  const stats = (url: string, env: Record<string, string> = {}) => json(["stats", "--db", url], { env })

  /** Serves one response, and returns the URL. */
  const answering = async (
    status: number,
    type: string,
    body: string,
    headers: OutgoingHttpHeaders = {},
    onRequest: (request: IncomingMessage) => void = () => {}
  ) => {
    const server = createServer((request, response) => {
      onRequest(request)
      request.resume()
      response.writeHead(status, { "content-type": type, connection: "close", ...headers }).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}/backlog/`, port, close: () => new Promise((done) => server.close(done)) }
  }

  it("of a server that does not run is reported as unreachable", async () => {
    const { close, port } = await answering(200, "text/plain", "")
    await close()
    const url = `http://127.0.0.1:${port}`
    const { code, error } = await stats(url)
    expect([code, error?._tag, error?.server]).toEqual([6, "Unreachable", url])
    expect(error?.message).toBe(
      `The server ${url} cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}. Check the URL and the network, and whether \`backlog serve\` runs there.`
    )
  })

  it.each([
    [
      404,
      "text/html",
      "<p>Not here</p>",
      "UnexpectedAnswer",
      "status 404. Check that this is the URL of `backlog serve`"
    ],
    [200, "text/html", "<p>Welcome</p>", "UnexpectedAnswer", "Check that this is the URL of `backlog serve`"],
    [503, "text/html", "<p>Busy</p>", "Unreachable", "cannot respond now: status 503. Try again later."],
    [500, "text/html", "<p>Oh</p>", "UnexpectedAnswer", "status 500. The log of the server, or of a proxy before it"],
    [
      403,
      "application/problem+json",
      '{"_tag":"HostNotAllowed","detail":"Start it with --allow-host to accept this host."}',
      "Forbidden",
      "Start it with --allow-host"
    ]
  ])("that answers with %i %s fails with an error that says what to do", async (status, type, body, tag, words) => {
    const { close, url } = await answering(status, type, body)
    const { code, error } = await stats(url)
    await close()
    expect([code, error?._tag, error?.message]).toEqual([6, tag, expect.stringContaining(words)])
    expect(error?.message).toContain(url.slice(0, -1))
  })

  it("that redirects is not followed with the token, and the error names the other URL", async () => {
    const reached: Array<string | undefined> = []
    const target = await answering(200, "application/json", "{}", {}, (request) =>
      reached.push(request.headers.authorization)
    )
    for (const status of [301, 302, 307, 308]) {
      const location = `${target.url}stats?token=secret`
      const { close, url } = await answering(status, "text/plain", "", { location })
      const { code, error } = await stats(url)
      await close()
      expect([code, error?._tag, error?.message]).toEqual([
        6,
        "UnexpectedAnswer",
        expect.stringContaining(`redirects to ${target.url}stats. Use that URL.`)
      ])
    }
    await target.close()
    expect(reached).toEqual([])
  })

  it.each([
    ["https://me:secret@host", "has a user or a password in it: put the access token into BACKLOG_TOKEN"],
    ["https://host?token=secret", "has a query or a fragment"],
    ["https://", "is not a URL of the form https://host"]
  ])("with more than an address is refused: %s", async (url, words) => {
    const { code, error } = await stats(url)
    expect([code, error?._tag, error?.message]).toEqual([2, "InvalidInput", expect.stringContaining(words)])
    expect(error?.message).not.toContain("secret")
  })

  it("in DATABASE_URL is refused, because other programs set it", async () => {
    const { code, error } = await json(["stats"], {
      env: { DATABASE_URL: "https://db.example", BACKLOG_TOKEN: "mbk_x" }
    })
    expect([code, error?._tag]).toEqual([2, "InvalidInput"])
    expect(error?.message).toContain("Name a served backlog with --db or BACKLOG_DATABASE_URL")
  })
})
