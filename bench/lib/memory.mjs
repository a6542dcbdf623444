import { readFileSync } from "node:fs"

/**
 * The most memory that this process has had resident, in MiB. From the kernel's count for this program where there is
 * one: on Linux `maxRSS` begins with what the parent had when it started this process.
 */
export const peakMemoryMiB = () => {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : ""
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kibibytes) / 1024
}
