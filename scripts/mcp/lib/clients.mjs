/**
 * The clients, and what each does: it lists the tools, claims a card, and completes it with a result. A client connects with
 * `open`, which returns functions that list and call tools, and one that disconnects.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { deepStrictEqual, ok } from "node:assert"
import { fileOf, newerNode, versionOf } from "./packages.mjs"
import { workerHeaders } from "./server.mjs"

/** Results as they are given to a client, and as they are stored. */
const results = [
  [{ pages: 2 }, { pages: 2 }],
  ['{"pages":2}', { pages: 2 }],
  ["done", "done"]
]

/** Connects a client of the SDK. */
const connect = async (client, transport) => {
  await client.connect(transport)
  deepStrictEqual(client.getServerCapabilities(), { tools: {} })
  return {
    list: async () => (await client.listTools()).tools,
    call: (tool, args) => client.callTool({ name: tool, arguments: args }),
    close: () => client.close()
  }
}

const timeoutMillis = 60_000

const info = { name: "mosaic-backlog-test", version: "1.0.0" }

const sdk1 = {
  name: "@modelcontextprotocol/sdk",
  version: versionOf("sdk-1"),
  results,
  open: async ({ overPipes }, url) => {
    const { Client } = await import("sdk-1/client/index.js")
    const { StdioClientTransport } = await import("sdk-1/client/stdio.js")
    const { StreamableHTTPClientTransport } = await import("sdk-1/client/streamableHttp.js")
    return connect(
      new Client(info),
      url === undefined
        ? new StdioClientTransport({ ...overPipes, stderr: "inherit" })
        : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: workerHeaders } })
    )
  }
}

/** The second line of the SDK. It negotiates the newest revision in the mode `auto`, and one of 2025 in the mode `legacy`. */
const sdk2 = (mode) => ({
  name: "@modelcontextprotocol/client",
  note: mode,
  version: versionOf("sdk-2"),
  results,
  open: async ({ overPipes }, url) => {
    const { Client, StreamableHTTPClientTransport } = await import("sdk-2")
    const { StdioClientTransport } = await import("sdk-2/stdio")
    return connect(
      new Client(info, { versionNegotiation: { mode } }),
      url === undefined
        ? new StdioClientTransport({ ...overPipes, stderr: "inherit" })
        : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: workerHeaders } })
    )
  }
})

/** Runs the command line of the inspector, and returns what it prints. */
const runInspector = async (server, argv) => {
  const child = spawn(newerNode().program, [fileOf("inspector", "clients/cli/build/index.js"), ...argv], {
    env: { ...process.env, ...server.overPipes.env, HOME: server.directory, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const written = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"]) child[name].on("data", (chunk) => (written[name] += String(chunk)))
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMillis)
  const [code] = await once(child, "close")
  clearTimeout(timer)
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit code ${code}\n${written.stdout}${written.stderr}`)
  return JSON.parse(written.stdout)
}

const inspector = {
  name: "@modelcontextprotocol/inspector",
  version: versionOf("inspector"),
  missing: newerNode().missing,
  // Arguments of its command line are texts.
  results: results.slice(1),
  open: async (server, url) => {
    const { command, env } = server.overPipes
    const target =
      url === undefined
        ? [
            command,
            ...server.overPipes.args,
            ...Object.entries(env).flatMap(([key, value]) => ["-e", `${key}=${value}`])
          ]
        : [
            url,
            "--transport",
            "http",
            ...Object.entries(workerHeaders).flatMap(([key, value]) => ["--header", `${key}: ${value}`])
          ]
    const run = (...argv) => runInspector(server, [...target, ...argv])
    return {
      // Fails if another client could refuse the schema of a tool.
      list: async () => (await run("--method", "tools/list", "--strict")).tools,
      call: (tool, args) =>
        run(
          "--method",
          "tools/call",
          "--tool-name",
          tool,
          ...Object.entries(args).flatMap(([key, value]) => ["--tool-arg", `${key}=${value}`])
        ),
      close: () => {}
    }
  }
}

/** The clients that are tried. */
export const clients = [sdk1, sdk2("legacy"), sdk2("auto"), inspector]

/** Tries a client on a server. `url` is `undefined` for standard input and output. */
export const tryClient = async (client, server, url) => {
  const session = await client.open(server, url)
  try {
    const tools = await session.list()
    const complete = tools.find(({ name }) => name === "backlog_complete")
    deepStrictEqual([tools.length, complete.inputSchema.properties.result.type], [7, "object"])
    for (const [index, [given, stored]] of client.results.entries()) {
      const id = `card-${Date.now()}-${index}`
      await server.create({ id, title: "Try it" })
      const claimed = await session.call("backlog_claim", { id })
      const [{ token }] = claimed.structuredContent.claimed
      const done = await session.call("backlog_complete", { id, token, result: given })
      ok(done.isError !== true, JSON.stringify(done))
      deepStrictEqual((await server.get(id)).result, stored)
    }
  } finally {
    await session.close()
  }
}
