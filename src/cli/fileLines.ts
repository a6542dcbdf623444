import { Effect, Stream } from "effect"
import { createReadStream } from "node:fs"
import { access, constants, stat } from "node:fs/promises"
import { Host } from "./Host.ts"
import { readLinePages } from "../import/readLines.ts"
import { InvalidInput } from "../index.ts"

/** The lines of the file that an argument names, read as they are taken; `-` stands for standard input. */
export const linesOfFile = Effect.fnUntraced(function* (file: string) {
  const { stdin } = yield* Host
  if (file !== "-") yield* readable(file)
  const unreadable = cannotBeRead(file)
  return Stream.suspend(() =>
    Stream.flattenArray(
      Stream.fromAsyncIterable(readLinePages(file === "-" ? stdin : createReadStream(file)), unreadable)
    )
  )
})

/** Refuses a file that cannot be read before anything else is done. */
const readable = (file: string): Effect.Effect<void, InvalidInput> =>
  Effect.tryPromise({
    try: async () => {
      if ((await stat(file)).isDirectory()) throw new Error("it is a directory")
      await access(file, constants.R_OK)
    },
    catch: cannotBeRead(file)
  })

const cannotBeRead = (file: string) => (error: unknown) =>
  new InvalidInput({
    problem: `${JSON.stringify(file)} cannot be read: ${error instanceof Error ? error.message : String(error)}`
  })
