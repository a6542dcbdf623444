/** A backlog for the clients: served over HTTP, and with the command that serves it over standard input and output. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url))

const actor = "planner"

/** Headers of an agent, which the clients of the conformance suites cannot send. */
const defaultHeaders = { "backlog-actor": actor, "backlog-role": "orchestrator" }

/** Headers with which a client connects as a worker. */
export const workerHeaders = { "Backlog-Actor": actor, "Backlog-Role": "worker" }

/** Starts a server on a new directory. `stop` ends it and deletes the directory. */
export const startServer = async () => {
  const directory = mkdtempSync(join(tmpdir(), "backlog-mcp-"))
  const env = { PATH: process.env.PATH, BACKLOG_DATABASE_URL: join(directory, "db"), BACKLOG_ACTOR: actor }
  const child = spawn(process.execPath, [program, "serve", "--port", "0", "--json"], {
    env,
    stdio: ["ignore", "pipe", "ignore"]
  })
  const [chunk] = await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`backlog serve ended with code ${code}`)))
  ])
  const { url } = JSON.parse(String(chunk)).data
  const clean = () => {
    child.kill("SIGKILL")
    rmSync(directory, { recursive: true, force: true })
  }
  process.once("exit", clean)
  return {
    directory,
    url: `${url}/mcp`,
    /** The command that serves the same backlog to a worker over standard input and output. */
    overPipes: { command: process.execPath, args: [program, "mcp"], env },
    create: async (card) => {
      const response = await fetch(`${url}/create`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...card, actor })
      })
      if (!response.ok) throw new Error(await response.text())
    },
    get: async (id) => (await fetch(`${url}/get?id=${encodeURIComponent(id)}`)).json(),
    stop: async () => {
      if (child.exitCode === null) {
        child.kill("SIGTERM")
        await once(child, "exit")
      }
      process.off("exit", clean)
      clean()
    }
  }
}

/** Forwards requests to a server. Adds the headers of an agent where a client sends none, and changes nothing else. */
export const startForwarding = async (url) => {
  const target = new URL(url)
  const seen = { revision: undefined }
  const server = createServer((received, response) => {
    seen.revision = received.headers["mcp-protocol-version"] ?? seen.revision
    const forwarded = request(
      {
        host: target.hostname,
        port: target.port,
        path: received.url,
        method: received.method,
        headers: { ...defaultHeaders, ...received.headers }
      },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.pipe(response)
      }
    )
    forwarded.on("error", () => response.destroy())
    received.pipe(forwarded)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://localhost:${server.address().port}${target.pathname}`,
    /** The last revision of the protocol that a request named. */
    revision: () => seen.revision,
    stop: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}
