import { spawnSync } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { chmod } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A small file system of its own. */
export interface SmallDisk {
  readonly directory: string
  /** Writes a file that leaves only this many bytes free. */
  readonly fill: (leave: number) => void
  /** Removes that file. */
  readonly clear: () => void
  readonly unmount: () => void
}

/** Mounts a small file system in memory, or returns why this machine does not allow it. */
export const mountSmallDisk = async (megabytes: number): Promise<SmallDisk | { readonly impossible: string }> => {
  if (process.platform !== "linux") return { impossible: "only Linux mounts a file system in memory by one command" }
  if (process.getuid?.() !== 0) return { impossible: "only root may mount a file system" }
  const directory = mkdtempSync(join(tmpdir(), "backlog-disk-"))
  const mounted = system("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=1777`, "tmpfs", directory])
  if (mounted.status !== 0) {
    rmSync(directory, { recursive: true })
    return { impossible: `mount says: ${mounted.error?.message ?? String(mounted.stderr).trim()}` }
  }
  const unmount = (): void => {
    process.off("exit", unmount)
    // A lazy unmount: open files disappear when they are closed.
    system("umount", ["--lazy", directory])
    rmSync(directory, { recursive: true, force: true })
  }
  process.on("exit", unmount)
  await chmod(directory, 0o755)
  const filler = join(directory, "filler")
  return {
    directory,
    unmount,
    clear: () => rmSync(filler, { force: true }),
    fill: (leave) => {
      rmSync(filler, { force: true })
      const reserve = `${filler}.reserve`
      write(reserve, leave)
      write(filler, Number.POSITIVE_INFINITY)
      rmSync(reserve)
    }
  }
}

const system = (program: "mount" | "umount", parameters: ReadonlyArray<string>) => spawnSync(program, parameters)

/** Writes zeros up to this many bytes, or until the disk is full. */
const write = (file: string, bytes: number): void => {
  const zeros = Buffer.alloc(64 * 1024)
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC)
  try {
    for (let left = bytes; left > 0;) left -= writeSync(descriptor, zeros, 0, Math.min(left, zeros.length))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
  } finally {
    closeSync(descriptor)
  }
}
