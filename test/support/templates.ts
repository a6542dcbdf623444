import { mkdir, rename, rmdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { inject } from "vitest"

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false
  )

/**
 * The path of a file or directory that the first caller of a test run creates, with `make`. Callers copy it and must not
 * change it.
 */
export const template = async (name: string, make: (path: string) => Promise<unknown>): Promise<string> => {
  const path = join(inject("scratch"), name)
  while (!(await exists(path))) {
    // Tests run in several processes. The process that creates the lock folder creates the template.
    const lock = `${path}.lock`
    const isMine = await mkdir(lock).then(
      () => true,
      () => false
    )
    if (!isMine) {
      await setTimeout(20)
      continue
    }
    try {
      if (await exists(path)) continue
      await make(`${path}.unfinished`)
      await rename(`${path}.unfinished`, path)
    } finally {
      await rmdir(lock)
    }
  }
  return path
}
