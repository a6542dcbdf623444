import { Deferred, Effect, Fiber, Layer, Sink, Stdio, Stream } from "effect"
import { McpServer } from "effect/ai"
import { Shutdown } from "../http/Shutdown.ts"
import { withoutSecrets } from "../index.ts"
import { type Agent, CurrentAgent } from "./Agent.ts"
import type { ToolRequirements } from "./AgentTool.ts"
import { layerTools } from "./layerTools.ts"
import { serverInfo, refuseInexactJson, protocols, redactErrors } from "./protocol.ts"

/** The input and output of a client. */
export interface Pipes {
  readonly input: AsyncIterable<Uint8Array>
  /** Writes a text. Completes when more can be written. */
  readonly output: (text: string) => Effect.Effect<void>
}

/**
 * Serves one agent over standard input and output until the input ends. Commands in progress then complete, and waits end.
 * Logs and spans contain no tokens, passwords or row contents.
 */
export const serveStdio = (
  agent: Agent,
  pipes: Pipes
): Effect.Effect<void, never, Exclude<ToolRequirements, Shutdown>> => withoutSecrets(serveAgent(agent, pipes))

const serveAgent = Effect.fnUntraced(function* (
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

/** Maximum size of a message in bytes. The largest card needs less. */
const maxMessageBytes = 32 * 1024 * 1024

const parseErrorMessage = (message: string): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32700, message } })}\n`

/**
 * The messages of an input, one per line. Answers a line that is not JSON, or that would not be kept exactly, with an error
 * and skips it.
 */
const messages = (
  input: AsyncIterable<Uint8Array>,
  answer: (text: string) => Effect.Effect<void>
): Stream.Stream<Uint8Array> =>
  Stream.fromAsyncIterable(linesOf(input), (error) => error).pipe(
    // The client has gone.
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
      : Effect.as(answer(parseErrorMessage("A message must be an object")), false)
  } catch {
    return Effect.as(answer(parseErrorMessage("Not JSON")), false)
  }
}

const newline = 10

/** Lines including their line feeds; `undefined` for a line that is too long. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | undefined> {
  let pieces: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of input) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(newline, from)
      const piece = chunk.subarray(from, end === -1 ? undefined : end + 1)
      length += piece.length
      if (length <= maxMessageBytes) pieces.push(piece)
      else pieces = []
      if (end === -1) break
      yield length <= maxMessageBytes ? Buffer.concat(pieces) : undefined
      pieces = []
      length = 0
      from = end + 1
    }
  }
}
