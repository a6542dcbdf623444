import { encodeMembers, type Parsed, parseField, type Values } from "./fields.ts"
import type { CommandKind, TargetCard } from "./kinds.ts"
import { type CommandLine, type Option } from "./shellWords.ts"

/** A command that can be sent: the JSON of its body without actor and id, and the same as a command line. */
export interface CommandRequest {
  readonly members: Readonly<Record<string, unknown>>
  readonly line: CommandLine
}

/** What is wrong with the fields of a form, by their names. The empty name is the form as a whole. */
export type FieldProblems = Readonly<Record<string, string>>

/** Returns the request of a command with the values of its form, or what is wrong with them. */
export const makeRequest = (
  kind: CommandKind,
  card: TargetCard | undefined,
  values: Values,
  initial: Values = {}
): CommandRequest | FieldProblems => {
  const problems: Record<string, string> = {}
  const members: Record<string, unknown> = {}
  const options: Array<Option> = []
  const operands: Array<string> = card === undefined ? [] : [card.id]
  for (const field of kind.fields(card)) {
    const parsed: Parsed = parseField(field, values[field.name], initial[field.name])
    if (parsed._tag === "Wrong") problems[field.name] = parsed.problem
    if (parsed._tag !== "Value") continue
    members[field.name] = parsed.json
    if (kind.operands?.includes(field.name) === true) operands.push(String(parsed.json))
    else options.push(...parsed.options)
  }
  if (Object.keys(problems).length > 0) return problems
  if (kind.needsField === true && Object.keys(members).length === 0) return { "": "Change at least one field." }
  const target = card === undefined ? {} : (kind.target?.(card, values) ?? { id: card.id })
  const targetOptions = card === undefined ? [] : (kind.targetOptions?.(card, values) ?? [])
  return {
    members: { ...target, ...members },
    line: { command: kind.name, options: [...targetOptions, ...options], operands }
  }
}

/** Whether `makeRequest` returned a request. */
export const isRequest = (result: CommandRequest | FieldProblems): result is CommandRequest =>
  "members" in result && "line" in result && typeof result.line === "object"

/** Writes the body of a request. */
export const encodeRequest = (
  { members }: CommandRequest,
  origin: { readonly actor: string | undefined; readonly commandId: string }
): string => encodeMembers({ ...members, ...origin })
