import { Deferred, Effect, Fiber, Layer, Sink, Stdio, Stream } from "effect"
import { McpServer } from "effect/ai"
import { Shutdown } from "../http/Shutdown.ts"
import { withoutSecrets } from "../index.ts"
import { type Agent, CurrentAgent } from "./Agent.ts"
import type { HttpToolRequirements, ToolRequirements } from "./AgentTool.ts"
import { layerTools, layerToolsOverHttp } from "./layerTools.ts"
import { checkMessage, toClientText, tooLongRefusal, withoutByteOrderMark } from "./messages.ts"
import { protocols, serverInfo } from "./protocol.ts"

/** The input and output of a client. */
export interface Pipes {
  readonly input: AsyncIterable<Uint8Array>
  /** Writes a text. Completes when the pipe accepts more. */
  readonly output: (text: string) => Effect.Effect<void>
}

/**
 * Serves one agent over the pipes, such as standard input and output, until the input ends. Commands in progress then complete,
 * and waits end.
 * Logs and spans contain no tokens, passwords or row contents.
 */
export const serveStdio = (
  agent: Agent,
  pipes: Pipes
): Effect.Effect<void, never, Exclude<ToolRequirements, Shutdown>> =>
  withoutSecrets(serveAgent(agent, pipes, layerTools(agent.role)))

/**
 * Like `serveStdio`, for the services of `layerHttp`. Without a database, a tool that sends several commands is not atomic: if one
 * is refused, the earlier ones keep their effects, and the refusal names them.
 */
export const serveStdioOverHttp = (
  agent: Agent,
  pipes: Pipes
): Effect.Effect<void, never, Exclude<HttpToolRequirements, Shutdown>> =>
  withoutSecrets(serveAgent(agent, pipes, layerToolsOverHttp(agent.role)))

const serveAgent = Effect.fnUntraced(function* <R>(
  agent: Agent,
  { input, output }: Pipes,
  tools: Layer.Layer<never, never, R>
) {
  const ended = yield* Deferred.make<void>()
  const stdio = Stdio.make({
    args: Effect.succeed([]),
    stdin: messages(input, output).pipe(Stream.ensuring(Deferred.succeed(ended, undefined))),
    stdout: () => Sink.forEach((text) => output(toClientText(String(text)))),
    stderr: () => Sink.drain
  })
  const server = McpServer.layerStdio({
    ...serverInfo(agent.role),
    protocols,
    registrations: Layer.provide(tools, Layer.succeed(Shutdown, { awaitShutdown: Deferred.await(ended) }))
  }).pipe(Layer.provide(Layer.succeed(Stdio.Stdio)(stdio)))
  const serving = yield* Effect.forkChild(Effect.provideService(Layer.launch(server), CurrentAgent, agent))
  yield* Fiber.await(serving)
})

/** Maximum size of a message in bytes. The largest card needs less. */
const maxMessageBytes = 32 * 1024 * 1024

/** The messages of an input, one per line. Sends an error for a line that is not a message. Skips empty lines. */
const messages = (
  input: AsyncIterable<Uint8Array>,
  answer: (text: string) => Effect.Effect<void>
): Stream.Stream<Uint8Array> =>
  Stream.fromAsyncIterable(linesOf(input), (error) => error).pipe(
    // The client has gone.
    Stream.catchCause(() => Stream.empty),
    Stream.flatMap((line) => {
      if (line === undefined) return answerOnly(answer(`${tooLongRefusal(maxMessageBytes)}\n`))
      if (isBlank(withoutByteOrderMark(line))) return Stream.empty
      const checked = checkMessage(line)
      return checked._tag === "Answered" ? answerOnly(answer(`${checked.answer}\n`)) : Stream.succeed(checked.bytes)
    })
  )

const answerOnly = (answered: Effect.Effect<void>): Stream.Stream<never> => Stream.drain(Stream.fromEffect(answered))

/** Whether a line has only white space of JSON. */
const isBlank = (line: Uint8Array): boolean =>
  line.every((byte) => byte === newline || byte === 0x20 || byte === 0x09 || byte === 0x0d)

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
