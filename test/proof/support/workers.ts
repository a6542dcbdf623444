import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Acknowledged, LoggedEvent } from "./checkCommands.ts"

/** What a worker is told. */
export interface WorkerOptions {
  /** Of a server; or `dataDir`, of an embedded database. */
  readonly url?: string
  readonly dataDir?: string
  readonly schema?: string
  /** Unique among the workers of a backlog: commands, cards and claims carry it. */
  readonly name: string
  readonly seed: number
  /** How many commands it has under way at a time. */
  readonly claimers: number
  readonly ttlSeconds: number
  /** The directory of another build of the program than that of this checkout. */
  readonly program?: string
}

/** What a worker found in a directory when it had opened it. */
export interface Found {
  readonly divergences: number
  readonly log: ReadonlyArray<LoggedEvent>
}

/** An event as a line of JSON has it. */
type WrittenEvent = Omit<LoggedEvent, "data" | "occurredAt"> & { readonly data: string; readonly occurredAt: string }

/** An error with which a try of a command ended. */
export interface Unanswered {
  /** Of an `SqlError`. */
  readonly reason: string
  /** The server's, where it said something. */
  readonly message: string
}

/** A process that runs `faultWorker.mjs`. */
export interface Worker {
  readonly name: string
  readonly pid: number
  readonly acknowledged: ReadonlyArray<Acknowledged>
  /** The errors with which tries of commands ended, whose outcome it then did not know. */
  readonly unanswered: ReadonlyArray<Unanswered>
  readonly found: () => Found | undefined
  /** Waits for so many more answers. Fails when the process ends before, or when they take longer than a minute. */
  readonly answers: (count: number) => Promise<void>
  /** Waits until it has opened the database and has begun. */
  readonly started: () => Promise<void>
  /** Ends it with SIGKILL, at whatever point it is. */
  readonly kill: () => Promise<void>
  /** Lets it finish the commands that it has under way, and end. Fails if it ended in another way. */
  readonly finish: () => Promise<void>
}

const script = fileURLToPath(new URL("faultWorker.mjs", import.meta.url))

/** How long to wait for what must happen by itself; nothing takes nearly as long. */
const patience = 60_000

type Line =
  | Acknowledged
  | { readonly divergences: number; readonly log: ReadonlyArray<WrittenEvent>; readonly id?: never }
  | (Unanswered & { readonly unanswered: string; readonly id?: never })
  | { readonly started: true; readonly id?: never }

/** Starts a worker. Whoever starts it has to end it. */
export const startWorker = (options: WorkerOptions): Worker => {
  const running = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"] })
  const acknowledged: Array<Acknowledged> = []
  const unanswered: Array<Unanswered> = []
  let started = false
  let found: Found | undefined
  let complaint = ""
  running.stdin.on("error", () => undefined)
  running.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-4096)
  })
  const waiting = new Set<() => void>()
  const look = (): void => {
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
    look()
  })
  let over = false
  const ended = Promise.all([once(running, "exit"), once(output, "close")]).then(() => {
    over = true
    look()
  })

  const until = (what: string, condition: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (problem?: string): void => {
        clearTimeout(lastResort)
        waiting.delete(consider)
        if (problem === undefined) resolve()
        else reject(new Error(`worker ${options.name} ${problem} before ${what}. ${complaint}`))
      }
      const consider = (): void => {
        if (condition()) settle()
        else if (over) settle(`ended (${running.exitCode ?? running.signalCode})`)
      }
      const lastResort = setTimeout(() => settle("took too long"), patience)
      waiting.add(consider)
      consider()
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
      const lastResort = setTimeout(() => running.kill("SIGKILL"), patience)
      await ended
      clearTimeout(lastResort)
      if (running.exitCode !== 0) {
        throw new Error(`worker ${options.name} ended badly (${running.exitCode ?? running.signalCode}): ${complaint}`)
      }
    }
  }
}

/** The last line of a process that was killed may be half of one: nobody was told then. */
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
