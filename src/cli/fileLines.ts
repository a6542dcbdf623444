import { Effect, Stream } from "effect"
import { createReadStream } from "node:fs"
import { access, constants, stat } from "node:fs/promises"
import { type Line, linesOf } from "../import/lines.ts"
import { InvalidInput } from "../index.ts"
import { Host } from "./Host.ts"

/** Lines that are handed on at once, and characters in them. */
const linesAtOnce = 500
const sizeAtOnce = 1024 * 1024

/** The lines of the file that an argument names, read as they are taken; `-` stands for standard input. */
export const linesOfFile = Effect.fnUntraced(function* (file: string) {
  const { stdin } = yield* Host
  if (file !== "-") yield* readable(file)
  const unreadable = cannotBeRead(file)
  return Stream.suspend(() =>
    Stream.flattenArray(Stream.fromAsyncIterable(pagesOf(file === "-" ? stdin : createReadStream(file)), unreadable))
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

async function* pagesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<[Line, ...Array<Line>]> {
  let page: Array<Line> = []
  let size = 0
  for await (const line of linesOf(chunks)) {
    page.push(line)
    size += "text" in line ? line.text.length : 0
    if (page.length < linesAtOnce && size < sizeAtOnce) continue
    yield page as [Line, ...Array<Line>]
    page = []
    size = 0
  }
  if (page.length > 0) yield page as [Line, ...Array<Line>]
}
