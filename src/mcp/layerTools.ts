import { Context, Effect, type JsonSchema, Layer, Stream } from "effect"
import { AiError, McpSchema, McpServer, Tool, Toolkit } from "effect/ai"
import { redactSecrets } from "../domain/redactSecrets.ts"
import type { AccessRole } from "../index.ts"
import { ClaimOwners } from "./Agent.ts"
import type { AgentTool, EncodedAnswer, HttpToolRequirements, ToolRequirements, ToolServices } from "./AgentTool.ts"
import { CommandSequence } from "./CommandSequence.ts"
import { invalidInput, Refused } from "./refusal.ts"
import { createTool, noteTool, reviseTool } from "./tools/cards.ts"
import { claimTool, releaseTool, renewTool } from "./tools/claims.ts"
import { completeTool, completeAnyTool } from "./tools/complete.ts"
import { listTool, showTool } from "./tools/queries.ts"
import { blockTool, setStatusTool } from "./tools/status.ts"

/** The tools of each role: at most ten, because an agent reads all of them before it begins. */
export const toolsets: Readonly<Record<AccessRole, ReadonlyArray<AgentTool>>> = {
  worker: [claimTool, showTool, listTool, noteTool, renewTool, releaseTool, completeTool, blockTool],
  orchestrator: [
    createTool,
    reviseTool,
    setStatusTool,
    listTool,
    showTool,
    noteTool,
    claimTool,
    renewTool,
    releaseTool,
    completeAnyTool
  ],
  auditor: [listTool, showTool]
}

type Schema = JsonSchema.JsonSchema

/** The JSON schema of a tool's parameters, as short as possible, because an agent reads all of them. */
export const inputSchemaOf = (tool: Tool.Any): McpSchema.ToolJson => {
  const { properties = {}, ...schema } = compactSchema(Tool.getJsonSchema(tool)) as McpSchema.ToolJson
  return { ...schema, properties }
}

/**
 * Removes arguments that are `null`. Clients that must pass every argument pass `null` for those that they would omit. In
 * JSON of the agent's own, `null` is kept.
 */
const omitNulls = (value: unknown, schema: Schema): unknown => {
  const { items, properties } = schema as Shape
  if (items !== undefined && Array.isArray(value)) {
    return value.map((each) => omitNulls(each, items))
  }
  if (properties === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => {
      const known = properties[key]
      if (known === undefined) return [[key, each]]
      return each === null ? [] : [[key, omitNulls(each, known)]]
    })
  )
}

interface Shape {
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
}

const compactSchema = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(compactSchema)
  if (typeof value !== "object" || value === null) return value
  const { additionalProperties: _, anyOf, ...schema } = value as Schema
  // Optional parameters also accept null, and JSON parameters every type, which the schema need not state.
  const only = Array.isArray(anyOf)
    ? (anyOf as ReadonlyArray<Schema>).find(({ type }) => type !== undefined && type !== "null")
    : undefined
  return Object.fromEntries(Object.entries({ ...schema, ...only }).flatMap(([key, each]) => compactMember(key, each)))
}

const compactMember = (key: string, value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  Math.abs(value as number) === Number.MAX_SAFE_INTEGER ? [] : [[key, compactSchema(value)]]

/**
 * Adds the tools of a role to an MCP server. Each answer is a short text for agents and the same content as JSON for
 * programs. A refusal is a result with `isError`, also for invalid arguments, because clients do not always show protocol
 * errors to an agent.
 */
export const layerTools = (role: AccessRole): Layer.Layer<never, never, ToolRequirements | McpServer.McpServer> =>
  Layer.provide(layerToolsOf(role), CommandSequence.layer)

/**
 * Like `layerTools`, without a database. A tool that sends several commands is not atomic: if one is refused, the earlier ones
 * keep their effects, and the refusal names them.
 */
export const layerToolsOverHttp = (
  role: AccessRole
): Layer.Layer<never, never, HttpToolRequirements | McpServer.McpServer> =>
  Layer.provide(layerToolsOf(role), CommandSequence.layerWithoutTransactions)

const layerToolsOf = (role: AccessRole) =>
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
      tool: describeTool(tool, inputSchema),
      annotations: Context.empty(),
      handle: (input: {}) =>
        handle(tool.name, omitNulls(input, inputSchema) as {}, undefined, {
          onExcessProperty: "error",
          errors: "all"
        }).pipe(
          Stream.unwrap,
          Stream.runLast,
          Effect.flatMap(Effect.fromOption),
          Effect.map(({ encodedResult }) => toolResult(encodedResult as EncodedAnswer)),
          Effect.catch(errorOf),
          Effect.catchDefect(defectResult)
        )
    })
  }
})

/** The entry of a tool in the list of tools. */
export const describeTool = (tool: Tool.Any, inputSchema: McpSchema.ToolJson): McpSchema.Tool =>
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

const toolResult = ({ data, text }: EncodedAnswer): McpSchema.CallToolResult =>
  new McpSchema.CallToolResult({ content: [{ type: "text", text }], structuredContent: data })

const errorResult = (text: string): McpSchema.CallToolResult =>
  new McpSchema.CallToolResult({ content: [{ type: "text", text: redactSecrets(text) }], isError: true })

const errorOf = (error: unknown): Effect.Effect<McpSchema.CallToolResult> => {
  if (error instanceof Refused) return Effect.succeed(errorResult(error.message))
  return AiError.isAiError(error) && error.reason._tag === "ToolParameterValidationError"
    ? Effect.succeed(errorResult(invalidInput(error.reason.description).text))
    : defectResult(error)
}

const defectResult = (defect: unknown): Effect.Effect<McpSchema.CallToolResult> =>
  Effect.as(
    Effect.annotateLogs(Effect.logError("A tool failed."), { error: defect }),
    errorResult("This is an error in the server. Its log has the details.")
  )
