import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Acknowledged, LoggedEvent } from "./checkCommands.ts"

/** Options of a worker. */
export interface WorkerOptions {
  /** The URL of a server; or `dataDir` of an embedded database. */
  readonly url?: string
  readonly dataDir?: string
  readonly schema?: string
  /** Unique among the workers of a backlog. Commands, cards and claims contain it. */
  readonly name: string
  readonly seed: number
  /** How many commands it sends at the same time. */
  readonly claimers: number
  readonly ttlSeconds: number
  /** The directory of another build of the program. Defaults to this checkout. */
  readonly program?: string
}

/** What a worker found in a directory when it opened it. */
export interface Found {
  readonly divergences: number
  readonly log: ReadonlyArray<LoggedEvent>
}

/** An event as it is in a line of JSON. */
type WrittenEvent = Omit<LoggedEvent, "data" | "occurredAt"> & { readonly data: string; readonly occurredAt: string }

/** An error that ended an attempt of a command. */
export interface Unanswered {
  /** The reason of an `SqlError`. */
  readonly reason: string
  /** The server's message, where there was one. */
  readonly message: string
}

/** A process that runs `faultWorker.mjs`. */
export interface Worker {
  readonly name: string
  readonly pid: number
  readonly acknowledged: ReadonlyArray<Acknowledged>
  /** The errors of attempts whose outcome was unknown. */
  readonly unanswered: ReadonlyArray<Unanswered>
  readonly found: () => Found | undefined
  /** Waits for this many more responses. Fails when the process ends first, or when they take more than a minute. */
  readonly answers: (count: number) => Promise<void>
  /** Waits until it has opened the database and has started. */
  readonly started: () => Promise<void>
  /** Ends it with SIGKILL, at any point. */
  readonly kill: () => Promise<void>
  /** Lets it finish its running commands, and end. Fails if it ended in another way. */
  readonly finish: () => Promise<void>
}

const script = fileURLToPath(new URL("faultWorker.mjs", import.meta.url))

/** How long to wait for a condition that must become true by itself. Nothing takes nearly as long. */
const timeoutMillis = 60_000

type Line =
  | Acknowledged
  | { readonly divergences: number; readonly log: ReadonlyArray<WrittenEvent>; readonly id?: never }
  | (Unanswered & { readonly unanswered: string; readonly id?: never })
  | { readonly started: true; readonly id?: never }

/** Starts a worker, which the caller must end. */
export const startWorker = (options: WorkerOptions): Worker => {
  const running = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"] })
  const acknowledged: Array<Acknowledged> = []
  const unanswered: Array<Unanswered> = []
  let started = false
  let found: Found | undefined
  let stderr = ""
  running.stdin.on("error", () => undefined)
  running.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4096)
  })
  const waiting = new Set<() => void>()
  const notify = (): void => {
    for (const each of waiting) each()
  }
  const output = createInterface(running.stdout)
  output.on("line", (text) => {
    const line = parse(text)
    if (line === undefined) return
    if (line.id !== undefined) acknowledged.push(line)
    else if ("log" in line) found = { ...line, log: line.log.map(readEvent) }
    else if ("unanswered" in line) unanswered.push(line)
    else started = true
    notify()
  })
  let over = false
  const ended = Promise.all([once(running, "exit"), once(output, "close")]).then(() => {
    over = true
    notify()
  })

  const until = (what: string, condition: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (problem?: string): void => {
        clearTimeout(timer)
        waiting.delete(check)
        if (problem === undefined) resolve()
        else reject(new Error(`worker ${options.name} ${problem} before ${what}. ${stderr}`))
      }
      const check = (): void => {
        if (condition()) settle()
        else if (over) settle(`ended (${running.exitCode ?? running.signalCode})`)
      }
      const timer = setTimeout(() => settle("took too long"), timeoutMillis)
      waiting.add(check)
      check()
    })

  return {
    name: options.name,
    pid: running.pid ?? -1,
    acknowledged,
    unanswered,
    found: () => found,
    answers: (count) => {
      const wanted = acknowledged.length + count
      return until(`${count} more answers`, () => acknowledged.length >= wanted)
    },
    started: () => until("it started", () => started),
    kill: async () => {
      running.kill("SIGKILL")
      await ended
    },
    finish: async () => {
      running.stdin.end()
      const timer = setTimeout(() => running.kill("SIGKILL"), timeoutMillis)
      await ended
      clearTimeout(timer)
      if (running.exitCode !== 0) {
        throw new Error(`worker ${options.name} failed (${running.exitCode ?? running.signalCode}): ${stderr}`)
      }
    }
  }
}

/** The last line of a killed process may be incomplete, and then it reported nothing. */
const parse = (text: string): Line | undefined => {
  try {
    return JSON.parse(text) as Line
  } catch {
    return undefined
  }
}

const readEvent = (event: WrittenEvent): LoggedEvent => ({
  ...event,
  data: JSON.parse(event.data) as Record<string, unknown>,
  occurredAt: new Date(event.occurredAt)
})
