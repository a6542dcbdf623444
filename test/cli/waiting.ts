import { existsSync, readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"

/** Waits until a condition is true. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Waits until a file has a complete line, and returns its text. */
export const readWhenWritten = async (file: string): Promise<string> => {
  await until(() => existsSync(file))
  let text = ""
  await until(async () => (text = await readFile(file, "utf8")).endsWith("\n"))
  return text.trim()
}

/** Whether a process has ended. An orphan that nothing waits for stays as a zombie. */
export const hasEnded = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return true
  }
}
