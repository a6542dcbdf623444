import { Deferred, Effect, Fiber, Layer, Sink, Stdio, Stream } from "effect"
import { McpServer } from "effect/ai"
import { Shutdown } from "../http/Shutdown.ts"
import { withoutSecrets } from "../index.ts"
import { about } from "./about.ts"
import { type Agent, CurrentAgent } from "./Agent.ts"
import { layerTools, type ToolRequirements } from "./layerTools.ts"
import { protocols } from "./protocols.ts"
import { messages } from "./messages.ts"
import { withoutSecretsInErrors } from "./withoutSecretsInErrors.ts"

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
    stdout: () => Sink.forEach((text) => output(withoutSecretsInErrors(String(text)))),
    stderr: () => Sink.drain
  })
  const server = McpServer.layerStdio({
    ...about(agent.role),
    protocols,
    registrations: layerTools(agent.role).pipe(Layer.provide(Layer.succeed(Shutdown, { begun: Deferred.await(ended) })))
  }).pipe(Layer.provide(Layer.succeed(Stdio.Stdio)(stdio)))
  const serving = yield* Effect.forkChild(Effect.provideService(Layer.launch(server), CurrentAgent, agent))
  yield* Fiber.await(serving)
})
