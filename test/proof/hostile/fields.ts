import { DateTime } from "effect"
import { Command } from "../../../src/domain/Command.ts"
import { Redact } from "../../../src/domain/Redaction.ts"
import type { Random } from "../../support/random.ts"
import { json, names } from "./values.ts"

/** A valid value of a field, so that a mutation makes the input invalid in one place only. */
type Field = (random: Random) => unknown

const name: Field = (random) => (random.below(2) === 0 ? random.pick("abcdef".split("")) : random.pick(names))
const orNothing =
  (field: Field): Field =>
  (random) =>
    random.below(4) === 0 ? null : field(random)
const text: Field = (random) => random.pick(["", "words", "two\nlines\r\n\t", "\u{10ffff}", "'; --", "x".repeat(1000)])
const ids: Field = (random) => Array.from({ length: random.below(4) }, () => random.pick(names))
const labels: Field = (random) => Array.from({ length: random.below(4) }, () => random.pick(["red", ...names]))
const note: Field = (random) =>
  random.pick(["words", "two\nlines\r\n\t", "\u{10ffff}", "x".repeat(10_000), "'; --", "\\"])
const token: Field = (random) => 1 + random.below(9)

const newCard: Readonly<Record<string, Field>> = {
  id: name,
  title: (random) => random.pick(["T", "a title", "\u{10ffff}".repeat(500), " ", "\n", "--title"]),
  body: orNothing(text),
  phase: orNothing(name),
  priority: (random) => random.pick([0, -0, 1, 5, 2 ** 31 - 1, -(2 ** 31)]),
  status: (random) => random.pick(["ready", "ready", "blocked", "done"]),
  dependsOn: ids,
  acceptance: (random) => json(random),
  idempotencyKey: orNothing(name),
  blockedReason: () => null,
  labels,
  notBefore: () => null,
  occurredAt: (random) => DateTime.makeUnsafe(random.pick([0, -1, 1.5e12, -6.2e13, 2.5e14]))
}

const claimFields: Readonly<Record<string, Field>> = {
  owner: name,
  ttlSeconds: (random) => 1 + random.below(2_592_000),
  phase: name,
  minPriority: newCard["priority"] as Field,
  labels,
  withoutLabels: labels
}

/** The valid values of every field of every command. A test requires that new fields are added here. */
export const fields: Readonly<Record<string, Field>> = {
  ...newCard,
  cards: (random) => Array.from({ length: random.below(4) }, () => valid(Object.keys(newCard), ["title"], random)),
  from: name,
  to: name,
  ...claimFields,
  claimNext: (random) => {
    const { owner, ttlSeconds } = claimFields
    return { owner: owner?.(random), ttlSeconds: ttlSeconds?.(random) }
  },
  addLabels: labels,
  removeLabels: labels,
  text: note,
  note: orNothing(note),
  limit: (random) => 1 + random.below(5),
  token,
  maxAttempts: (random) => 1 + random.below(1000),
  retryAfterSeconds: (random) => random.below(31_622_400),
  force: (random) => random.below(2) === 0,
  reason: orNothing(text),
  result: (random) => json(random),
  parts: (random) => [random.pick(["title", "body", "acceptance", "result", "reason", "blockedReason", "text"])],
  version: token,
  actor: name,
  correlationId: name,
  causationId: name,
  commandId: (random) => random.pick(["1", "2", "3", "__proto__", "again"])
}

const required: ReadonlySet<string> = new Set([
  "id",
  "title",
  "text",
  "cards",
  "owner",
  "limit",
  "token",
  "from",
  "to",
  "parts",
  "actor"
])

/** The fields of every command, and its required fields. `id` is optional where another choice replaces it. */
export const commands: ReadonlyArray<{
  readonly tag: string
  readonly fields: ReadonlyArray<string>
  readonly required: ReadonlyArray<string>
}> = [
  ...Command.members.map((member) => ({ tag: member.fields._tag.schema.literal as string, schema: member.fields })),
  { tag: "Redact", schema: Redact.fields }
].map(({ schema, tag }) => {
  const all = Object.keys(schema).filter((field) => field !== "_tag")
  const isNeeded = (field: string) =>
    (required.has(field) &&
      !(field === "token" && ["Complete", "Note"].includes(tag)) &&
      !(field === "id" && tag === "Create")) ||
    (field === "reason" && tag === "Redact")
  return { tag, fields: all, required: all.filter(isNeeded) }
})

/** A valid input with the required fields and some of the optional ones. */
export const valid = (
  all: ReadonlyArray<string>,
  needed: ReadonlyArray<string>,
  random: Random
): Record<string, unknown> =>
  Object.fromEntries(
    all.flatMap((field) => {
      const make = fields[field]
      if (make === undefined) throw new Error(`nothing is known of the field ${field}`)
      return needed.includes(field) || random.below(4) === 0 ? [[field, make(random)]] : []
    })
  )
