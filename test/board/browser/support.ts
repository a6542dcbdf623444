import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, afterEach, beforeAll, describe } from "vitest"
import type { RecordedEvent } from "../../../src/board/api/types.ts"
import { createEmptyBacklog } from "../../support/emptyBacklog.ts"

const chromiumPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path)
)

const program = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url))

/** A served backlog in a directory of its own. */
export interface ServedBoard {
  readonly url: string
  /** Sends a command, as a worker does. Returns the JSON of the response. Fails if the server refuses it. */
  readonly post: (path: string, body: object) => Promise<Readonly<Record<string, unknown>>>
  readonly get: (path: string) => Promise<Readonly<Record<string, unknown>>>
  readonly history: (id: string) => Promise<ReadonlyArray<RecordedEvent>>
  /** Runs a command line of the program on the backlog. Returns what it prints. Only while the server is stopped. */
  readonly run: (...argv: ReadonlyArray<string>) => Promise<string>
  readonly stop: () => Promise<void>
  /** Starts the server again, at the same address. */
  readonly start: () => Promise<void>
}

/** What tests in a browser use. `open` opens a page of its own context; its problems fail the test. */
export interface InBrowser {
  readonly serve: (...argv: ReadonlyArray<string>) => Promise<ServedBoard>
  readonly open: (
    url: string,
    options?: { readonly context?: BrowserContext; readonly width?: number }
  ) => Promise<Page>
  readonly context: () => Promise<BrowserContext>
  /** What the browser has reported: violations of the policy, errors of scripts, and dialogs. */
  readonly problems: ReadonlyArray<string>
}

/** Describes tests that need Chromium. Where it is missing, they are skipped, and their title says why. */
export const describeInBrowser = (name: string, define: (inBrowser: InBrowser) => void): void => {
  const isMissing = chromiumPath === undefined
  const reason = isMissing ? " (skipped: Chromium is not installed at /usr/bin/chromium)" : ""
  describe.skipIf(isMissing)(`${name}${reason}`, () => {
    let browser: Browser
    const problems: Array<string> = []
    const ends: Array<() => Promise<void>> = []
    beforeAll(async () => {
      browser = await chromium.launch({
        ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
        args: (
          "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking " +
          "--disable-component-update --disable-sync"
        ).split(" ")
      })
    })
    afterAll(() => browser.close())
    afterEach(async () => {
      await Promise.all(browser.contexts().map((each) => each.close()))
      for (const end of ends.splice(0).reverse()) await end()
      problems.length = 0
    })
    define({
      problems,
      context: () => browser.newContext({ viewport: { width: 1280, height: 800 } }),
      serve: async (...argv) => {
        const { end, served } = await serveBoard(argv)
        ends.push(end)
        return served
      },
      open: async (url, { context, width = 1280 } = {}) => {
        const page = await (context ?? (await browser.newContext({ viewport: { width, height: 800 } }))).newPage()
        page.on("pageerror", (error) => problems.push(`error: ${error.message}`))
        page.on("dialog", (dialog) => {
          problems.push(`dialog: ${dialog.message()}`)
          void dialog.dismiss()
        })
        page.on("console", (message) => {
          const text = message.text()
          if (/Content Security Policy|TrustedType/i.test(text)) problems.push(text)
        })
        await page.goto(url)
        return page
      }
    })
  })
}

const serveBoard = async (
  argv: ReadonlyArray<string>
): Promise<{ readonly served: ServedBoard; readonly end: () => Promise<void> }> => {
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
  const read = async (path: string, init?: RequestInit): Promise<string> => {
    const response = await fetch(`${url}/${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${text}`)
    return text
  }
  const run = async (...words: ReadonlyArray<string>): Promise<string> => {
    const running = spawn(process.execPath, [program, ...words, "--db", database], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    const chunks: Array<string> = []
    running.stdout.on("data", (chunk: Buffer) => chunks.push(chunk.toString()))
    await once(running, "close")
    return chunks.join("").trim()
  }
  const tokens = argv.includes("--require-tokens")
  if (!tokens) await start()
  return {
    served: {
      get url() {
        return `${url}/`
      },
      post: async (path, body) => {
        const text = await read(path, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ actor: "test", ...body })
        })
        return JSON.parse(text) as Readonly<Record<string, unknown>>
      },
      get: async (path) => JSON.parse(await read(path)) as Readonly<Record<string, unknown>>,
      history: async (id) =>
        (await read(`history?id=${encodeURIComponent(id)}`))
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as RecordedEvent),
      run,
      start,
      stop
    },
    end: async () => {
      await stop()
      await rm(directory, { recursive: true, force: true })
    }
  }
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
