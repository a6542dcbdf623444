import { Schema } from "effect"
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { promisify } from "node:util"

/**
 * A process, told apart from any other that may get the same id later: by when it started, and on Linux by the boot of
 * the machine too.
 */
export const ProcessIdentity = Schema.Struct({
  pid: Schema.Int,
  hostname: Schema.String,
  boot: Schema.NullOr(Schema.String),
  started: Schema.NullOr(Schema.String)
})

/** A process, told apart from any other that may get the same id later. */
export interface ProcessIdentity extends Schema.Schema.Type<typeof ProcessIdentity> {}

/** This process. */
export const ownProcess = async (): Promise<ProcessIdentity> => ({
  pid: process.pid,
  hostname: hostname(),
  boot: await bootId(),
  started: (await lookUp(process.pid))?.started ?? null
})

/** Whether a process still runs. One on another machine cannot be looked at and counts as running. */
export const isRunning = async (other: ProcessIdentity): Promise<boolean> => {
  if (other.hostname !== hostname()) return true
  if (other.boot !== null && other.boot !== (await bootId())) return false
  const found = await lookUp(other.pid)
  return found !== undefined && (other.started === null || found.started === null || found.started === other.started)
}

interface FoundProcess {
  readonly started: string | null
}

const lookUp = (pid: number): Promise<FoundProcess | undefined> =>
  process.platform === "linux" ? lookUpInProc(pid) : lookUpWithPs(pid)

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: state is field 3, the start time field 22. */
const lookUpInProc = async (pid: number): Promise<FoundProcess | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const state = fields[0]
  return state === "Z" || state === "X" ? undefined : { started: fields[19] ?? null }
}

const lookUpWithPs = async (pid: number): Promise<FoundProcess | undefined> => {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return undefined
  }
  const answer = await promisify(execFile)("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
    env: { ...process.env, LC_ALL: "C" }
  }).catch(() => undefined)
  const line = answer?.stdout.trim() ?? ""
  return line.startsWith("Z") ? undefined : { started: line === "" ? null : line.replace(/^\S+\s+/, "") }
}

const bootId = async (): Promise<string | null> =>
  process.platform === "linux"
    ? ((await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => undefined))?.trim() ?? null)
    : null
