import { Effect, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { FileExists, FileNotWritten } from "./commandErrors.ts"
import { InvalidInput } from "../index.ts"
import { setPrivateMode, privateFileMode } from "../services/files/privateFiles.ts"

/** Refuses a file that cannot be written, or that exists and is not to be replaced. */
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
          if (codeOf(error) === "ENOENT") return "nothing"
          throw error
        }
      },
      catch: (error) => cannot(messageOf(error))
    })
  const found = yield* kind(file)
  if (found === "directory") return yield* cannot("it is a directory")
  if (found === "other") return yield* cannot("it is not a regular file; without a FILE, standard output is written")
  if (found === "file" && !force) return yield* new FileExists({ file })
  if (found === "nothing" && (yield* kind(dirname(file))) !== "directory") {
    return yield* cannot("its directory does not exist")
  }
})

/**
 * Writes lines to a file that is there when it is complete, and not before: until then they are in a file beside it,
 * which is removed when anything fails. Only its user may read the file, also when it replaces another one.
 */
export const writeLines = <E, R>(
  file: string,
  force: boolean,
  lines: Stream.Stream<string, E, R>
): Effect.Effect<void, E | FileExists | FileNotWritten | InvalidInput, R> => {
  const tried = <A>(run: () => Promise<A>): Effect.Effect<A, FileNotWritten> =>
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
        tried(() => open(temporary, "wx", privateFileMode)),
        removed
      )
      yield* tried(() => setPrivateMode(handle))
      yield* Stream.runForEachArray(lines, (chunk) => tried(() => handle.appendFile(`${chunk.join("\n")}\n`)))
      yield* tried(() => handle.sync())
      yield* checkWritable(file, force)
      yield* tried(() => rename(temporary, file))
    })
  )
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
