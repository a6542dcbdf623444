import { Schema } from "effect"
import { execFile } from "node:child_process"
import { readFile, readlink } from "node:fs/promises"
import { hostname } from "node:os"

/**
 * Identifies a process, also when the system gives its id to another process later: by its start time, and on Linux by
 * the boot of the machine and the process id namespace (the container) too. Facts that are not available are `null`.
 */
export const ProcessIdentity = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  hostname: Schema.String,
  boot: Schema.NullOr(Schema.String),
  namespace: Schema.NullOr(Schema.String),
  started: Schema.NullOr(Schema.String)
})

/** Identifies a process, also when the system gives its id to another process later. */
export interface ProcessIdentity extends Schema.Schema.Type<typeof ProcessIdentity> {}

let own: Promise<ProcessIdentity> | undefined

/** Identifies this process. */
export const currentProcess = (): Promise<ProcessIdentity> => (own ??= identifyCurrentProcess())

const identifyCurrentProcess = async (): Promise<ProcessIdentity> => {
  const found = await readProcess(process.pid)
  return {
    pid: process.pid,
    hostname: hostname(),
    boot: (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => null))?.trim() ?? null,
    namespace: await readlink("/proc/self/ns/pid").catch(() => null),
    started: typeof found === "string" ? null : found.started
  }
}

/**
 * Checks whether a process still runs. `unknown` means that it cannot be checked from here, because it is or was on
 * another machine or in another container. `ended` is certain: there is no such process, it is defunct, a process with
 * its id started at another time, or the machine was restarted. The host name is compared only where the boot does not
 * identify the machine, because a host may be renamed, and a container has a name of its own.
 */
export const checkProcess = async (other: ProcessIdentity): Promise<"running" | "ended" | "unknown"> => {
  const self = await currentProcess()
  if (!(await isSameBoot(other))) {
    if (other.hostname !== self.hostname) return "unknown"
    if (other.boot !== self.boot) return other.boot === null || self.boot === null ? "unknown" : "ended"
  }
  if (other.namespace !== self.namespace) return "unknown"
  const found = await readProcess(other.pid)
  if (found === "ended") return "ended"
  if (found === "hidden" || other.started === null) return "running"
  return found.started === other.started ? "running" : "ended"
}

/** Whether a process was started on this machine since its last boot. */
export const isSameBoot = async (other: ProcessIdentity): Promise<boolean> =>
  other.boot !== null && other.boot === (await currentProcess()).boot

/** The processor time that a process has used, in milliseconds. `undefined` where it is not visible. */
export const readCpuMillis = async (other: ProcessIdentity): Promise<number | undefined> => {
  if (process.platform !== "linux" || (await checkProcess(other)) !== "running") return undefined
  const fields = await readStatFields(other.pid)
  const ticks = Number(fields?.[11]) + Number(fields?.[12])
  return Number.isFinite(ticks) ? ticks * millisPerTick : undefined
}

/** The kernel reports times in hundredths of a second on every architecture that Node runs on. */
const millisPerTick = 10

/** `hidden` is a process that exists and whose start time is not visible. */
type ProcessInfo = { readonly started: string } | "ended" | "hidden"

const readProcess = async (pid: number): Promise<ProcessInfo> =>
  (await (process.platform === "linux" ? readFromProc(pid) : readFromPs(pid))) ?? checkWithSignal(pid)

/** The fields of https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html starting at field 3, the state. */
const readStatFields = async (pid: number): Promise<ReadonlyArray<string> | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined)
  // Field 2 is the program's name in parentheses, and may itself contain spaces and parentheses.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
}

/** The start time is field 22. */
const readFromProc = async (pid: number): Promise<ProcessInfo | undefined> => {
  const fields = await readStatFields(pid)
  if (fields === undefined) return undefined
  const state = fields[0]
  const started = fields[19]
  if (state === "Z" || state === "X") return "ended"
  return started === undefined ? undefined : { started }
}

/** Sets the locale and the time zone, so that two processes read the same text for the same time. */
const readFromPs = (pid: number): Promise<ProcessInfo | undefined> =>
  new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: "C", TZ: "UTC" }
    // Two options: the ps of BSD and macOS reads everything after the first = of `stat=,lstart=` as a heading.
    execFile("ps", ["-o", "stat=", "-o", "lstart=", "-p", String(pid)], { env }, (error, output) => {
      const [state, ...started] = output.trim().split(/\s+/)
      if (error !== null || state === undefined || started.length === 0) return resolve(undefined)
      resolve(state.startsWith("Z") ? "ended" : { started: started.join(" ") })
    })
  })

/** For processes that are not visible although they exist: /proc is mounted with hidepid, or there is no ps. */
const checkWithSignal = (pid: number): ProcessInfo => {
  try {
    process.kill(pid, 0)
    return "hidden"
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ESRCH" ? "ended" : "hidden"
  }
}
