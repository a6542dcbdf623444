import { Context, Effect, type JsonSchema, Layer, Stream } from "effect"
import { AiError, McpSchema, McpServer, Tool, Toolkit } from "effect/ai"
import { redactSecrets } from "../domain/redactSecrets.ts"
import type { AccessRole } from "../index.ts"
import { ClaimOwners } from "./Agent.ts"
import type { AgentTool, EncodedAnswer, ToolServices } from "./AgentTool.ts"
import { invalidInput, Refused } from "./refusal.ts"
import { createTool, reviseTool } from "./tools/cards.ts"
import { claimTool, releaseTool, renewTool } from "./tools/claims.ts"
import { completeTool, completeAnyTool } from "./tools/complete.ts"
import { historyTool, listTool, showTool } from "./tools/queries.ts"
import { blockTool, setStatusTool } from "./tools/status.ts"

/** The tools of each role: ten at most, for agents read all of them before they begin. */
export const toolsets: Readonly<Record<AccessRole, ReadonlyArray<AgentTool>>> = {
  worker: [claimTool, showTool, listTool, renewTool, releaseTool, completeTool, blockTool],
  orchestrator: [
    createTool,
    reviseTool,
    setStatusTool,
    listTool,
    showTool,
    historyTool,
    claimTool,
    renewTool,
    releaseTool,
    completeAnyTool
  ],
  auditor: [listTool, showTool, historyTool]
}

type Schema = JsonSchema.JsonSchema

/** What a tool takes, in as few words as say it: agents read every one of them before they begin. */
const inputSchemaOf = (tool: Tool.Any): McpSchema.ToolJson => {
  const { properties = {}, ...schema } = compactSchema(Tool.getJsonSchema(tool)) as McpSchema.ToolJson
  return { ...schema, properties }
}

/**
 * Arguments without those that are null: clients that want every argument to be given give that for what is left out. It
 * means nothing else, but in JSON of the agent's own.
 */
const omitNulls = (value: unknown, schema: Schema): unknown => {
  const { items, properties, type } = schema as Shape
  if (type === "array" && items !== undefined && Array.isArray(value)) {
    return value.map((each) => omitNulls(each, items))
  }
  if (type !== "object" || typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => {
      const known = properties?.[key]
      if (known === undefined) return [[key, each]]
      return each === null ? [] : [[key, omitNulls(each, known)]]
    })
  )
}

interface Shape {
  readonly type?: string
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
}

const compactSchema = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(compactSchema)
  if (typeof value !== "object" || value === null) return value
  const { additionalProperties: _, anyOf, ...schema } = value as Schema
  // What may be left out is said to be null too, which need not be said.
  const only = Array.isArray(anyOf) ? (anyOf as ReadonlyArray<Schema>).find(({ type }) => type !== "null") : undefined
  return Object.fromEntries(Object.entries({ ...schema, ...only }).flatMap(([key, each]) => compactMember(key, each)))
}

const compactMember = (key: string, value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  Math.abs(value as number) === Number.MAX_SAFE_INTEGER ? [] : [[key, compactSchema(value)]]

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

/** A tool as it is listed. */
const describeTool = (tool: Tool.Any, inputSchema: McpSchema.ToolJson): McpSchema.Tool =>
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
    Effect.logError("A tool failed.", defect),
    errorResult("This is an error of the server; what happened is in its log.")
  )
