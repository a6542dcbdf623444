import { Deferred, Effect, Fiber, Layer, Sink, Stdio, Stream } from "effect"
import { McpServer } from "effect/ai"
import { Shutdown } from "../http/Shutdown.ts"
import { withoutSecrets } from "../index.ts"
import { type Agent, CurrentAgent } from "./Agent.ts"
import { layerTools, type ToolRequirements } from "./layerTools.ts"
import { serverInfo, refuseInexactJson, protocols, redactErrors } from "./protocol.ts"

/** Bytes of one message: more than the largest card needs. */
const longestMessage = 32 * 1024 * 1024

const parseErrorMessage = (message: string): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32700, message } })}\n`

/**
 * The messages of an input, a line each. A line that is not JSON, or in which something would be lost, is answered with an error
 * and skipped: it ends nothing but itself.
 */
const messages = (
  input: AsyncIterable<Uint8Array>,
  answer: (text: string) => Effect.Effect<void>
): Stream.Stream<Uint8Array> =>
  Stream.fromAsyncIterable(linesOf(input), (error) => error).pipe(
    // Who spoke is gone.
    Stream.catchCause(() => Stream.empty),
    Stream.filterEffect((line) =>
      line === undefined ? Effect.as(answer(parseErrorMessage("Message too long")), false) : isMessage(line, answer)
    ),
    Stream.map((line) => line as Uint8Array)
  )

const isMessage = (line: Uint8Array, answer: (text: string) => Effect.Effect<void>): Effect.Effect<boolean> => {
  const inexact = refuseInexactJson(line)
  if (inexact !== undefined) return Effect.as(answer(`${inexact}\n`), false)
  const text = new TextDecoder().decode(line)
  if (text.trim() === "") return Effect.succeed(false)
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null
      ? Effect.succeed(true)
      : Effect.as(answer(parseErrorMessage("A message is an object")), false)
  } catch {
    return Effect.as(answer(parseErrorMessage("Not JSON")), false)
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

/** Where messages come from and go to. */
export interface Pipes {
  readonly input: AsyncIterable<Uint8Array>
  /** Writes text, and waits until more can be written. */
  readonly output: (text: string) => Effect.Effect<void>
}

/**
 * Serves one agent over its standard input and output, until the input ends: what is being done then is done, and what is
 * waited for is not waited for any more. Logs and spans have no tokens, no passwords and no content of rows.
 */
export const serveStdio = (
  agent: Agent,
  pipes: Pipes
): Effect.Effect<void, never, Exclude<ToolRequirements, Shutdown>> => withoutSecrets(served(agent, pipes))

const served = Effect.fnUntraced(function* (
  agent: Agent,
  { input, output }: Pipes
): Effect.fn.Return<void, never, Exclude<ToolRequirements, Shutdown>> {
  const ended = yield* Deferred.make<void>()
  const stdio = Stdio.make({
    args: Effect.succeed([]),
    stdin: messages(input, output).pipe(Stream.ensuring(Deferred.succeed(ended, undefined))),
    stdout: () => Sink.forEach((text) => output(redactErrors(String(text)))),
    stderr: () => Sink.drain
  })
  const server = McpServer.layerStdio({
    ...serverInfo(agent.role),
    protocols,
    registrations: layerTools(agent.role).pipe(
      Layer.provide(Layer.succeed(Shutdown, { awaitShutdown: Deferred.await(ended) }))
    )
  }).pipe(Layer.provide(Layer.succeed(Stdio.Stdio)(stdio)))
  const serving = yield* Effect.forkChild(Effect.provideService(Layer.launch(server), CurrentAgent, agent))
  yield* Fiber.await(serving)
})
