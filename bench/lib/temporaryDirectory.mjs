import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Creates a directory that is removed when the process ends, also by a signal. The user of Postgres can enter it. */
export const makeTemporaryDirectory = (prefix) => {
  const directory = mkdtempSync(join(tmpdir(), prefix))
  chmodSync(directory, 0o711)
  process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1))
  return directory
}
