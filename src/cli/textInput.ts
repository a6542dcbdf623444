import { Effect, Result } from "effect"
import { createReadStream } from "node:fs"
import { InvalidInput } from "../index.ts"
import { type JsonProblem, describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { Host } from "./Host.ts"

/** More than any text of a card may have: what is longer is not read to its end. */
const maxBytes = 4 * 1024 * 1024

/** A text that a flag gives: `-` stands for standard input. */
export const textOrInput = (flag: string, given: string | undefined) =>
  given === "-" ? readInput(flag) : Effect.succeed(given)

/** The text of a file. */
export const textOfFile = (flag: string, path: string): Effect.Effect<string, InvalidInput> =>
  readText(`what --${flag} names`, () => {
    if (path.includes("\u0000")) throw new Error("the path has a NUL character in it")
    return createReadStream(path)
  })

const readInput = (flag: string) => Effect.flatMap(Host, ({ stdin }) => readText(`what --${flag} names`, () => stdin))

/** A whole text of at most `maximum` bytes; `what` says of which an error tells. */
export const readText = (
  what: string,
  open: () => AsyncIterable<Uint8Array>,
  maximum = maxBytes
): Effect.Effect<string, InvalidInput> =>
  Effect.tryPromise({
    try: async () => {
      const chunks: Array<Uint8Array> = []
      let bytes = 0
      for await (const chunk of open()) {
        bytes += chunk.length
        if (bytes > maximum) throw new Error(`it is longer than ${maximum} bytes`)
        chunks.push(chunk)
      }
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
    },
    catch: (error) => new InvalidInput({ problem: `${what} cannot be read: ${why(error)}` })
  })

const why = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return "code" in error && error.code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "it is not UTF-8" : error.message
}

/** The JSON that a flag gives, whole or not at all: see `parseExactJson`. `-` stands for standard input. */
export const jsonOrInput = Effect.fnUntraced(function* (flag: string, given: string | undefined) {
  const text = yield* textOrInput(flag, given)
  return text === undefined ? undefined : yield* Effect.fromResult(Result.mapError(parseExactJson(text), notJson(flag)))
})

const notJson = (flag: string) => (problem: JsonProblem) =>
  new InvalidInput({ problem: `--${flag} is not JSON that can be kept: ${describeJsonProblem(problem)}` })

/** Refuses more than one flag that reads standard input. */
export const onlyOneReadsInput = (
  flags: Readonly<Record<string, string | undefined>>
): Effect.Effect<void, InvalidInput> => {
  const readers = Object.keys(flags).filter((name) => flags[name] === "-")
  return readers.length <= 1
    ? Effect.void
    : Effect.fail(
        new InvalidInput({
          problem: `only one of ${readers.map((name) => `--${name}`).join(" and ")} can read standard input`
        })
      )
}

/** The body of a card: `--body`, or the text of `--body-file`. */
export const bodyOf = Effect.fnUntraced(function* (body: string | undefined, file: string | undefined) {
  if (file === undefined) return yield* textOrInput("body", body)
  if (body !== undefined) return yield* new InvalidInput({ problem: "give --body or --body-file, not both" })
  return yield* textOfFile("body-file", file)
})
