import { Effect, Schema, Stream } from "effect"
import { Argument } from "effect/cli"
import { AuditService, CardDiff } from "../../index.ts"
import { encodeCard, type StreamOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { parseMomentArgument } from "../moments.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"

export const diffCommand = defineCommand(
  "diff",
  {
    description:
      "Lists the cards that changed between two moments, and how. A moment is a position (17), a time with a zone (2026-01-22T12:04:05Z) or a day (2026-01-22, which starts at midnight UTC). Without TO, until now.",
    summary: "List what changed between two moments",
    examples: [
      { command: "backlog diff 1200" },
      { command: "backlog diff 2026-01-22 2026-01-23 --json", description: "A day, with both states of each card" }
    ]
  },
  {
    from: Argument.String("from").pipe(Argument.withDescription("The earlier moment")),
    to: Argument.String("to").pipe(Argument.withDescription("The later moment. Defaults to now"), Argument.optional)
  },
  Effect.fnUntraced(function* (flags) {
    const from = yield* parseMomentArgument("FROM", flags.from)
    const to = flags.to._tag === "None" ? undefined : yield* parseMomentArgument("TO", flags.to.value)
    return Effect.map(AuditService, (audit) => {
      const found = audit.diff({ from, to })
      return {
        items: Stream.map(found, (diff) => encodeDiff(diff)),
        documents: "one",
        text: (style) =>
          Stream.orElseIfEmpty(
            Stream.map(found, (diff) => describeDiff(diff, style)),
            () => Stream.succeed("Nothing changed.\n")
          )
      } satisfies StreamOutput<Stream.Error<typeof found>>
    })
  })
)

const encodeDiff = Schema.encodeSync(CardDiff)

/** Long texts are only named. */
const longFields: ReadonlySet<string> = new Set(["body", "acceptance", "result"])

const describeDiff = ({ after, before, fields }: CardDiff, style: TextStyle): string => {
  const title = `${style.bold(escapeLine(after.id))}  ${escapeLine(after.title)}`
  if (before === null) return `${title}\n  created, ${after.status}\n`
  if (fields.length === 0) return `${title}\n  changed back\n`
  const lines = fields.map((field) => `  ${describeField(field, encodeCard(before), encodeCard(after))}`)
  return `${title}\n${lines.join("\n")}\n`
}

type EncodedCard = Readonly<Record<string, unknown>>

const describeField = (field: string, before: EncodedCard, after: EncodedCard): string =>
  longFields.has(field)
    ? `${field} changed`
    : `${field}: ${describeValue(before[field])} → ${describeValue(after[field])}`

const describeValue = (value: unknown): string =>
  value === null || value === undefined
    ? "none"
    : escapeLine(typeof value === "string" ? value : JSON.stringify(value)).slice(0, 200)
