import { Schema } from "effect"
import { execFile } from "node:child_process"
import { readFile, readlink } from "node:fs/promises"
import { hostname } from "node:os"

/**
 * A process, told apart from any other that may get the same id later: by when it started, and on Linux by the boot of
 * the machine and the process id namespace (the container) too. What could not be found out is null.
 */
export const ProcessIdentity = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  hostname: Schema.String,
  boot: Schema.NullOr(Schema.String),
  namespace: Schema.NullOr(Schema.String),
  started: Schema.NullOr(Schema.String)
})

/** A process, told apart from any other that may get the same id later. */
export interface ProcessIdentity extends Schema.Schema.Type<typeof ProcessIdentity> {}

let own: Promise<ProcessIdentity> | undefined

/** This process. */
export const currentProcess = (): Promise<ProcessIdentity> => (own ??= describeOwnProcess())

const describeOwnProcess = async (): Promise<ProcessIdentity> => {
  const found = await lookUp(process.pid)
  return {
    pid: process.pid,
    hostname: hostname(),
    boot: (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => null))?.trim() ?? null,
    namespace: await readlink("/proc/self/ns/pid").catch(() => null),
    started: typeof found === "string" ? null : found.started
  }
}

/**
 * Whether a process still runs; `unknown` when it cannot be checked from here, because it is or was on another machine or
 * in another container. `ended` is certain: there is no such process, a defunct one, or one that started at another
 * time, or the machine was restarted since. The name of the host matters only where the boot does not identify the
 * machine: a host may be renamed, and a container has a name of its own.
 */
export const checkProcess = async (other: ProcessIdentity): Promise<"running" | "ended" | "unknown"> => {
  const self = await currentProcess()
  if (!(await isSameBoot(other))) {
    if (other.hostname !== self.hostname) return "unknown"
    if (other.boot !== self.boot) return other.boot === null || self.boot === null ? "unknown" : "ended"
  }
  if (other.namespace !== self.namespace) return "unknown"
  const found = await lookUp(other.pid)
  if (found === "ended") return "ended"
  if (found === "hidden" || other.started === null) return "running"
  return found.started === other.started ? "running" : "ended"
}

/** Whether a process ran on this machine, and since it was last started. */
export const isSameBoot = async (other: ProcessIdentity): Promise<boolean> =>
  other.boot !== null && other.boot === (await currentProcess()).boot

/** Processor time that a process has used, in milliseconds; undefined where it cannot be seen. */
export const readCpuMillis = async (other: ProcessIdentity): Promise<number | undefined> => {
  if (process.platform !== "linux" || (await checkProcess(other)) !== "running") return undefined
  const fields = await statFields(other.pid)
  const ticks = Number(fields?.[11]) + Number(fields?.[12])
  return Number.isFinite(ticks) ? ticks * millisPerTick : undefined
}

/** The kernel gives times to programs in hundredths of a second on every architecture that Node runs on. */
const millisPerTick = 10

/** `hidden` is a process that exists, and of which no more can be seen. */
type Found = { readonly started: string } | "ended" | "hidden"

const lookUp = async (pid: number): Promise<Found> =>
  (await (process.platform === "linux" ? lookUpInProc(pid) : lookUpWithPs(pid))) ?? lookUpWithSignal(pid)

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, from field 3 on: the state. */
const statFields = async (pid: number): Promise<ReadonlyArray<string> | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined)
  // Field 2 is the program's name in parentheses, and may itself hold spaces and parentheses.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
}

/** The start time is field 22. */
const lookUpInProc = async (pid: number): Promise<Found | undefined> => {
  const fields = await statFields(pid)
  if (fields === undefined) return undefined
  const state = fields[0]
  const started = fields[19]
  if (state === "Z" || state === "X") return "ended"
  return started === undefined ? undefined : { started }
}

/** The locale and the time zone are set, so that two processes read the same text for the same time. */
const lookUpWithPs = (pid: number): Promise<Found | undefined> =>
  new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: "C", TZ: "UTC" }
    // Two -o: in `stat=,lstart=` a ps of BSD or macOS takes all after the first = for a heading.
    execFile("ps", ["-o", "stat=", "-o", "lstart=", "-p", String(pid)], { env }, (error, output) => {
      const [state, ...started] = output.trim().split(/\s+/)
      if (error !== null || state === undefined || started.length === 0) return resolve(undefined)
      resolve(state.startsWith("Z") ? "ended" : { started: started.join(" ") })
    })
  })

/** A /proc mounted with hidepid, or a ps that is missing, shows no process that exists nevertheless. */
const lookUpWithSignal = (pid: number): Found => {
  try {
    process.kill(pid, 0)
    return "hidden"
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ESRCH" ? "ended" : "hidden"
  }
}
