import { Context } from "effect"
import { Tool } from "effect/ai"
import { Command } from "../../src/domain/Command.ts"
import { ListOptions } from "../../src/index.ts"
import type { AgentTool } from "../../src/mcp/AgentTool.ts"
import { describeTool, inputSchemaOf, toolsets } from "../../src/mcp/layerTools.ts"
import { maxCards, maxWaitSeconds } from "../../src/mcp/tools/claims.ts"
import { maxLimit } from "../../src/mcp/tools/queries.ts"
import { code, codes, escapeText, linkTo, type Page, pageHead, paragraphs, sentence, table } from "./markdown.ts"
import { constantsOf, filesIn, labelled } from "./sourceDocs.ts"
import { descriptionOf, type JsonSchema, membersOf, membersOfJson, typeText } from "./typeText.ts"

/** docs/mcp-tools.md: the tools of agents. */
export const mcpToolsPage = (): Page => {
  const roles = Object.keys(toolsets) as ReadonlyArray<keyof typeof toolsets>
  const names = [...new Set(roles.flatMap((role) => toolsets[role].map(({ tool }) => tool.name)))].sort((left, right) =>
    left < right ? -1 : 1
  )
  return {
    page: "docs/mcp-tools.md",
    text: paragraphs(
      pageHead(
        "MCP tools",
        "This page lists the tools of agents with their arguments, limits and results. [mcp.md](mcp.md) explains how to connect an agent and how the tools behave. A refusal is a result with `isError`, whose text says what the agent can do instead."
      ).trimEnd(),
      "Every result has a short text for the agent, and the same content as JSON in `structuredContent`. An argument that is `null` counts as omitted. Unknown arguments are refused.",
      table(
        ["tool", ...roles],
        names.map((name) => [
          linkTo(name),
          ...roles.map((role) => (toolsets[role].some(({ tool }) => tool.name === name) ? "yes" : ""))
        ])
      ),
      ...names.flatMap((name) => toolSections(name, roles))
    )
  }
}

/** The sections of a tool: one, or one for each form that it has for different roles. */
const toolSections = (name: string, roles: ReadonlyArray<keyof typeof toolsets>): ReadonlyArray<string> => {
  const forms = new Map<AgentTool, Array<string>>()
  for (const role of roles) {
    for (const each of toolsets[role]) {
      if (each.tool.name === name) forms.set(each, [...(forms.get(each) ?? []), role])
    }
  }
  return [
    `## ${name}`,
    ...[...forms].flatMap(([form, users]) => [
      forms.size > 1 ? `### ${name} of ${users.join(" and ")}` : "",
      toolText(form, users)
    ])
  ]
}

const toolText = ({ tool }: AgentTool, roles: ReadonlyArray<string>): string => {
  const schema = inputSchemaOf(tool) as JsonSchema
  const { annotations: hints } = describeTool(tool, inputSchemaOf(tool))
  const members = membersOfJson(schema)
  const hintNames = [
    hints?.readOnlyHint === true ? "it only reads" : undefined,
    hints?.destructiveHint === true ? "it may end the claim of another holder" : undefined,
    hints?.idempotentHint === true ? "a second call with the same arguments changes nothing" : undefined
  ].filter((hint) => hint !== undefined)
  return paragraphs(
    escapeText(Tool.getDescription(tool) ?? ""),
    `Roles: ${codes(roles)}.${hintNames.length === 0 ? "" : ` Hints: ${hintNames.join("; ")}.`}`,
    members.length === 0
      ? "It takes no arguments."
      : table(
          ["argument", "type", "", "limits", "meaning"],
          members.flatMap(({ name, required, schema: member }) => argumentRows(tool.name, name, required, member))
        ),
    `Result: ${escapeText(sentence(resultOf(tool)))}`
  ).trimEnd()
}

const argumentRows = (
  tool: string,
  name: string,
  required: boolean,
  schema: JsonSchema
): ReadonlyArray<ReadonlyArray<string>> => {
  const items = schema["items"] as JsonSchema | undefined
  const nested = items === undefined ? [] : membersOfJson(items)
  const limits = limitsOf(tool, name)
  return [
    [
      code(name),
      nested.length > 0 ? "list of objects" : typeText({ ...schema, description: undefined }, ""),
      required ? "required" : "optional",
      limits,
      escapeText(
        sentence(descriptionOf(schema) ?? meanings[name] ?? meanings[name.split(".").at(-1) ?? ""] ?? missing(name))
      )
    ],
    ...nested.flatMap((member) => argumentRows(tool, `${name}.${member.name}`, member.required, member.schema))
  ]
}

/** The meaning of arguments whose names say it to an agent. */
const meanings: Readonly<Record<string, string>> = {
  id: "The id of the card",
  title: "The title",
  body: "The body",
  phase: "The phase",
  priority: "The priority",
  minPriority: "Only cards with at least this priority",
  labels: "Only cards with all of these labels",
  "cards.labels": "The labels",
  "cards.phase": "The phase",
  withoutLabels: "Only cards without these labels",
  addLabels: "Labels to add",
  removeLabels: "Labels to remove",
  ttlSeconds: "The lease in seconds; default 900",
  maxAttempts: "Block a card at which so many attempts failed",
  dependsOn: "The cards on which it depends",
  status: "The status",
  claimable: "Only cards that can be claimed",
  reason: "The reason",
  text: "The text",
  token: "The claim's token",
  cards: "The cards",
  clear: "Fields to clear",
  addDependsOn: "Dependencies to add",
  removeDependsOn: "Dependencies to remove",
  idempotencyKey: "A second creation with this key returns the card",
  acceptance: "The criteria for acceptance",
  owner: "The owner of the claim"
}

const missing = (name: string): never => {
  throw new Error(`scripts/docs/mcpTools.ts does not say what the argument ${name} means.`)
}

/** The limits of the commands by the name of a field, where all commands agree. */
const commandLimits = (() => {
  const found = new Map<string, Set<string>>()
  for (const schema of Command.members) {
    for (const { name, schema: member } of membersOf(schema)) {
      found.set(name, (found.get(name) ?? new Set()).add(typeText(withoutNull(member), name)))
    }
  }
  return new Map(
    [...found].flatMap(([name, texts]) => (texts.size === 1 ? [[name, [...texts][0] ?? ""] as const] : []))
  )
})()

const listLimits = new Map(membersOf(ListOptions).map(({ name, schema }) => [name, typeText(schema, name)] as const))

/** Limits that a tool has of its own. */
const ownLimits: Readonly<Record<string, string>> = {
  "backlog_claim limit": `1 to ${maxCards}`,
  "backlog_claim waitSeconds": `0 to ${maxWaitSeconds}`,
  "backlog_list limit": `1 to ${maxLimit}`,
  "backlog_list phase": "1 to 200 characters",
  "backlog_show from": "0 or more"
}

function withoutNull(schema: JsonSchema): JsonSchema {
  const choice = schema["anyOf"] as ReadonlyArray<JsonSchema> | undefined
  const others = choice?.filter((each) => each["type"] !== "null")
  return others?.length === 1 ? (others[0] ?? schema) : schema
}

const limitsOf = (tool: string, name: string): string => {
  const own = ownLimits[`${tool} ${name}`]
  if (own !== undefined) return own
  const text = (tool === "backlog_list" ? listLimits : commandLimits).get(name.split(".").at(-1) ?? "") ?? ""
  return /^(?:string|integer|number|list of strings), (.*)$/.exec(text)?.[1] ?? ""
}

/** What a tool returns, from the docstring of its constant. */
const resultOf = (tool: Tool.Any): string => {
  const found = filesIn("src/mcp/tools")
    .flatMap((file) => constantsOf(`src/mcp/tools/${file}`).map((constant) => ({ ...constant, file })))
    .filter(({ doc, name }) => name.endsWith("Tool") && doc !== undefined && labelled(doc, "Result") !== undefined)
    .find(({ name }) => name === constantName(tool))
  const result = found?.doc === undefined ? undefined : labelled(found.doc, "Result")
  if (result === undefined) throw new Error(`The constant of ${tool.name} has no docstring with "Result: …".`)
  return result
}

const constantName = (tool: Tool.Any): string => {
  const isForced = tool.name === "backlog_complete" && Context.get(tool.annotations, Tool.Destructive)
  if (isForced) return "completeAnyTool"
  const words: ReadonlyArray<string> = tool.name.replace("backlog_", "").split("_")
  return `${words.map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join("")}Tool`
}
