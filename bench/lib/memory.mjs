import { readFileSync } from "node:fs"

/**
 * The peak resident memory of this process, in MiB. Uses the kernel's counter for this program where there is one: on Linux
 * `maxRSS` starts with the memory of the parent when it started this process.
 */
export const peakMemoryMiB = () => {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : ""
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kibibytes) / 1024
}
