import { Context, Effect, Layer, Stream } from "effect"
import { AiError, McpSchema, McpServer, Tool, Toolkit } from "effect/ai"
import { redactSecrets } from "../domain/redactSecrets.ts"
import type { AccessRole } from "../index.ts"
import type { AgentTool, Answer, ToolServices } from "./AgentTool.ts"
import { inputSchemaOf, withoutNulls } from "./inputSchema.ts"
import { ClaimOwners } from "./ownClaims.ts"
import { invalidInput, Refused } from "./refusal.ts"
import { toolsets } from "./toolsets.ts"

/** What tools need that their layer does not make itself. */
export type ToolRequirements = Exclude<ToolServices, ClaimOwners>

/**
 * Gives an MCP server the tools of a role. They answer short words for agents, and the same as structured content for
 * programs. What they refuse is a result that is an error, also arguments that do not fit: an error of the protocol is
 * not always shown to an agent.
 */
export const layerTools = (role: AccessRole): Layer.Layer<never, never, ToolRequirements | McpServer.McpServer> =>
  Layer.effectDiscard(addTools(toolsets[role])).pipe(Layer.provide(ClaimOwners.layer))

const addTools = Effect.fnUntraced(function* (tools: ReadonlyArray<AgentTool>) {
  const server = yield* McpServer.McpServer
  const services = yield* Effect.context<ToolServices>()
  const toolkit = Toolkit.make(...tools.map(({ tool }) => tool))
  const handlers = tools.map(({ handle, tool }) => [
    tool.name,
    (input: never) => Effect.provideContext(handle(input), services)
  ])
  const { handle } = yield* Effect.provide(toolkit, toolkit.toLayer(Object.fromEntries(handlers)))
  for (const { tool } of tools) {
    const inputSchema = inputSchemaOf(tool)
    yield* server.addTool({
      tool: listed(tool, inputSchema),
      annotations: Context.empty(),
      handle: (input: {}) =>
        handle(tool.name, withoutNulls(input, inputSchema) as {}, undefined, {
          onExcessProperty: "error",
          errors: "all"
        }).pipe(
          Stream.unwrap,
          Stream.runLast,
          Effect.flatMap(Effect.fromOption),
          Effect.map(({ encodedResult }) => resultOf(encodedResult as Answer)),
          Effect.catch(refused),
          Effect.catchDefect(failed)
        )
    })
  }
})

/** A tool as it is listed. */
const listed = (tool: Tool.Any, inputSchema: McpSchema.ToolJson): McpSchema.Tool =>
  new McpSchema.Tool({
    name: tool.name,
    description: Tool.getDescription(tool),
    inputSchema,
    annotations: {
      readOnlyHint: Context.get(tool.annotations, Tool.Readonly),
      destructiveHint: Context.get(tool.annotations, Tool.Destructive),
      idempotentHint: Context.get(tool.annotations, Tool.Idempotent),
      openWorldHint: false
    }
  })

const resultOf = ({ data, text }: Answer): McpSchema.CallToolResult =>
  new McpSchema.CallToolResult({ content: [{ type: "text", text }], structuredContent: data })

const errorResult = (text: string): McpSchema.CallToolResult =>
  new McpSchema.CallToolResult({ content: [{ type: "text", text: redactSecrets(text) }], isError: true })

const refused = (error: unknown): Effect.Effect<McpSchema.CallToolResult> => {
  if (error instanceof Refused) return Effect.succeed(errorResult(error.message))
  return AiError.isAiError(error) && error.reason._tag === "ToolParameterValidationError"
    ? Effect.succeed(errorResult(invalidInput(error.reason.description).text))
    : failed(error)
}

const failed = (defect: unknown): Effect.Effect<McpSchema.CallToolResult> =>
  Effect.as(
    Effect.logError("A tool failed.", defect),
    errorResult("This is an error of the server; what happened is in its log.")
  )
