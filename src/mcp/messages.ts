import { Effect, Stream } from "effect"
import { answerToInexact } from "./inexactMessage.ts"

/** Bytes of one message: more than the largest card needs. */
const longestMessage = 32 * 1024 * 1024

const refusal = (message: string): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32700, message } })}\n`

/**
 * The messages of an input, a line each. A line that is not JSON, or in which something would be lost, is answered with an error
 * and skipped: it ends nothing but itself.
 */
export const messages = (
  input: AsyncIterable<Uint8Array>,
  answer: (text: string) => Effect.Effect<void>
): Stream.Stream<Uint8Array> =>
  Stream.fromAsyncIterable(linesOf(input), (error) => error).pipe(
    // Who spoke is gone.
    Stream.catchCause(() => Stream.empty),
    Stream.filterEffect((line) =>
      line === undefined ? Effect.as(answer(refusal("Message too long")), false) : isMessage(line, answer)
    ),
    Stream.map((line) => line as Uint8Array)
  )

const isMessage = (line: Uint8Array, answer: (text: string) => Effect.Effect<void>): Effect.Effect<boolean> => {
  const inexact = answerToInexact(line)
  if (inexact !== undefined) return Effect.as(answer(`${inexact}\n`), false)
  const text = new TextDecoder().decode(line)
  if (text.trim() === "") return Effect.succeed(false)
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null
      ? Effect.succeed(true)
      : Effect.as(answer(refusal("A message is an object")), false)
  } catch {
    return Effect.as(answer(refusal("Not JSON")), false)
  }
}

const newline = 10

/** Lines with their ends; `undefined` for one that is too long. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | undefined> {
  let pieces: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of input) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(newline, from)
      const piece = chunk.subarray(from, end === -1 ? undefined : end + 1)
      length += piece.length
      if (length <= longestMessage) pieces.push(piece)
      else pieces = []
      if (end === -1) break
      yield length <= longestMessage ? Buffer.concat(pieces) : undefined
      pieces = []
      length = 0
      from = end + 1
    }
  }
}
