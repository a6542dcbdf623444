// Starts programs, finds their processes and signals them by id.
import { spawn } from "node:child_process"
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { once } from "node:events"
import { setTimeout } from "node:timers/promises"

/** Programs that this process started and that have not ended. */
const started = new Set()

/** Starts a program in its own process group, with its output in a file. */
export const start = (program, args, { env = {}, log, user } = {}) => {
  const output = openSync(log, "a")
  const child = spawn(program, args, {
    ...user,
    cwd: "/",
    detached: true,
    stdio: ["ignore", output, output],
    env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8", TZ: "UTC", ...env }
  })
  closeSync(output)
  child.on("error", (error) => console.error(`${program} did not start: ${error.message}`))
  started.add(child)
  child.once("exit", () => started.delete(child))
  return child
}

/** Sends a signal to a process that may have ended. */
export const signal = (pid, name) => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (error.code !== "ESRCH") throw error
  }
}

/** All processes: id, parent's id and command line. */
const processes = () =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
        if (state === "Z") return []
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
        return [{ pid: Number(pid), parent: Number(parent), command }]
      } catch {
        return []
      }
    })

/** A process and its descendants, parents first. */
export const processTree = (root) => {
  const all = processes()
  const family = all.filter(({ pid }) => pid === root)
  for (const { pid } of family) family.push(...all.filter(({ parent }) => parent === pid))
  return family
}

/** Ends processes with SIGKILL and waits until none of them exists. */
export const kill = async (pids) => {
  for (const pid of pids) signal(pid, "SIGKILL")
  await until("killed processes to end", 20_000, () => {
    const all = new Set(processes().map(({ pid }) => pid))
    return pids.every((pid) => !all.has(pid))
  })
}

/** Ends everything that `start` started and that is still running, with all descendants. Synchronous, for exits. */
export const endAll = () => {
  for (const { pid } of started) for (const each of processTree(pid)) signal(each.pid, "SIGKILL")
}

/** Polls until a condition is true. Fails after `millis`. */
export const until = async (what, millis, condition) => {
  const deadline = Date.now() + millis
  for (;;) {
    const result = await condition()
    if (result) return result
    if (Date.now() > deadline) throw new Error(`waited ${millis / 1000} s in vain for ${what}`)
    await setTimeout(100)
  }
}

/** Different ports of the loopback interface that no program listens on. */
export const freePorts = async (count) => {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"))
  await Promise.all(servers.map((server) => once(server, "listening")))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => once(server.close(), "close")))
  return ports
}
