import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createEmptyBacklog } from "../../support/emptyBacklog.ts"
import { makeBoardClient, type ServedBoard } from "./boardClient.ts"

const program = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url))

/** A backlog in a directory of its own, which `backlog serve` serves in another process. */
export interface ServedProgram extends ServedBoard {
  readonly stop: () => Promise<void>
  /** Starts the server again, at the same address. */
  readonly start: () => Promise<void>
}

/** Starts `backlog serve`. `end` stops it, and deletes its directory. */
export const serveProgram = async (
  argv: ReadonlyArray<string>
): Promise<{ readonly served: ServedProgram; readonly end: () => Promise<void> }> => {
  const directory = await mkdtemp(join(tmpdir(), "backlog-board-"))
  const database = join(directory, "data")
  await createEmptyBacklog(database)
  let server: ChildProcess | undefined
  let port = "0"
  let url = ""
  const start = async (): Promise<void> => {
    const running = spawn(process.execPath, [program, "serve", "--port", port, "--db", database, "--json", ...argv], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    server = running
    const line = await firstLine(running)
    url = (JSON.parse(line) as { readonly data: { readonly url: string } }).data.url
    port = new URL(url).port
  }
  const stop = async (): Promise<void> => {
    const running = server
    server = undefined
    if (running === undefined || running.exitCode !== null) return
    const ended = once(running, "exit")
    running.kill("SIGTERM")
    await ended
  }
  const end = async (): Promise<void> => {
    await stop()
    await rm(directory, { recursive: true, force: true })
  }
  await start()
  return { served: { ...makeBoardClient(url), start, stop }, end }
}

/** The first line that a process prints. */
const firstLine = async (running: ChildProcess): Promise<string> => {
  let text = ""
  for await (const chunk of running.stdout ?? []) {
    text += String(chunk)
    if (text.includes("\n")) break
  }
  const [line = ""] = text.split("\n")
  if (line === "") throw new Error("The server ended without a line of output.")
  // The rest of the output must be read, or the server would wait for room in the pipe.
  running.stdout?.resume()
  return line
}
