import { Effect, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { InvalidInput } from "../index.ts"
import { fileErrorCode } from "../services/files/fileErrors.ts"
import { privateFileMode, setPrivateMode } from "../services/files/privateFiles.ts"
import { FileExists, FileNotWritten } from "./commandErrors.ts"

/** Fails if a file cannot be written, or if it exists and `force` is false. */
export const checkWritable = Effect.fnUntraced(function* (file: string, force: boolean) {
  const cannot = (problem: string) =>
    new InvalidInput({ problem: `${JSON.stringify(file)} cannot be written: ${problem}` })
  const kind = (path: string) =>
    Effect.tryPromise({
      try: async () => {
        try {
          const found = await stat(path)
          return found.isDirectory() ? "directory" : found.isFile() ? "file" : "other"
        } catch (error) {
          if (fileErrorCode(error) === "ENOENT") return "nothing"
          throw error
        }
      },
      catch: (error) => cannot(messageOf(error))
    })
  const found = yield* kind(file)
  if (found === "directory") return yield* cannot("it is a directory")
  if (found === "other") return yield* cannot("it is not a regular file. Omit FILE to write to standard output")
  if (found === "file" && !force) return yield* new FileExists({ file })
  if (found === "nothing" && (yield* kind(dirname(file))) !== "directory") {
    return yield* cannot("its directory does not exist")
  }
})

/**
 * Writes lines to a file that appears only when it is complete. The lines go to a temporary file in the same directory,
 * which is renamed at the end and removed on failure. Only its owner can read the file, also if it replaces another one.
 */
export const writeLines = <E, R>(
  file: string,
  force: boolean,
  lines: Stream.Stream<string, E, R>
): Effect.Effect<void, E | FileExists | FileNotWritten | InvalidInput, R> => {
  const tryWrite = <A>(run: () => Promise<A>): Effect.Effect<A, FileNotWritten> =>
    Effect.tryPromise({ try: run, catch: (error) => new FileNotWritten({ file, problem: messageOf(error) }) })
  const temporary = join(dirname(file), `.backlog-${randomUUID()}.part`)
  const removed = (handle: FileHandle) =>
    Effect.ignore(
      Effect.tryPromise(async () => {
        await handle.close()
        await rm(temporary, { force: true })
      })
    )
  return Effect.scoped(
    Effect.gen(function* () {
      const handle = yield* Effect.acquireRelease(
        tryWrite(() => open(temporary, "wx", privateFileMode)),
        removed
      )
      yield* tryWrite(() => setPrivateMode(handle))
      yield* Stream.runForEachArray(lines, (chunk) => tryWrite(() => handle.appendFile(`${chunk.join("\n")}\n`)))
      yield* tryWrite(() => handle.sync())
      yield* checkWritable(file, force)
      yield* tryWrite(() => rename(temporary, file))
    })
  )
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
