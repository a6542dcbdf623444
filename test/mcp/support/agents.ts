import { Effect, Layer, type Scope } from "effect"
import { McpProtocol, McpTest } from "effect/ai"
import { Shutdown } from "../../../src/http/Shutdown.ts"
import type { AccessRole } from "../../../src/index.ts"
import { CurrentAgent } from "../../../src/mcp/Agent.ts"
import type { ToolRequirements } from "../../../src/mcp/AgentTool.ts"
import { layerTools } from "../../../src/mcp/layerTools.ts"

/** The result of a tool call. */
export interface ToolResult {
  readonly isError: boolean
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read results of every shape
  readonly data: any
}

/** An agent that is connected in memory. */
export interface ConnectedAgent {
  readonly client: McpTest.Client
  readonly call: (name: string, args?: object) => Effect.Effect<ToolResult>
}

/** Connects an agent to a server that never shuts down. */
export const connectAgent = Effect.fnUntraced(function* (
  role: AccessRole,
  actor: string,
  owner = actor
): Effect.fn.Return<ConnectedAgent, never, Scope.Scope | Exclude<ToolRequirements, Shutdown>> {
  const client = yield* McpTest.makeClient(
    Layer.provide(layerTools(role), Layer.succeed(Shutdown, { awaitShutdown: Effect.never })),
    { protocols: [McpProtocol.v2025_11_25] }
  ).pipe(Effect.provideService(CurrentAgent, { role, actor, owner }), Effect.orDie)
  return {
    client,
    call: (name, args = {}) =>
      Effect.map(Effect.orDie(client.callTool({ name: `backlog_${name}`, arguments: args })), (result) => {
        const [content] = result.content
        return {
          isError: result.isError === true,
          text: content?.type === "text" ? content.text : "",
          data: result.structuredContent
        }
      })
  }
})
