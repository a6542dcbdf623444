import { Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import { AuditService, ErasablePart, Erasure, InvalidInput, Redact } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { encodeCard, makeOutput } from "../CommandOutput.ts"
import { commandOrigin, defineBacklogCommand, defineCommand } from "../defineCommand.ts"
import { formatErased } from "../describeEvent.ts"
import { idArgument, integerFlag, Json, requiredTextFlag, switchFlag } from "../flags.ts"
import { formatTime } from "../moments.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { clearProgressAfter, showRemovalProgress } from "../progress.ts"
import { type Column, formatTable } from "../table.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"

const parts = ErasablePart.literals

export const redactCommand = defineBacklogCommand(
  "redact",
  {
    description:
      "Permanently erases parts of a card's events from the log and the read model. The events remain, marked as redacted, with the actor and the reason, and every hash and anchor stays valid. Then it rewrites the tables to remove the bytes from the data files, and waits for that, while commands continue. If the removal cannot complete, it prints why, and `backlog erasures` lists the redaction as pending. It does not change backups, exports, replicas, or the write-ahead log and the logs of a server.",
    summary: "Erase data permanently",
    examples: [
      { command: 'backlog redact build --part body --reason "an access key was in it"' },
      {
        command: 'backlog redact build --part title,reason --event-version 3 --reason "a name"',
        description: "Only in the card's third event"
      },
      {
        command: 'backlog redact build --part body --reason "a name" --no-wait',
        description: "Does not wait for the removal from the data files"
      }
    ]
  },
  {
    id: idArgument(),
    part: Flag.String("part").pipe(
      Flag.withDescription(`Comma-separated parts to erase: ${parts.join(", ")}. Repeatable`),
      Flag.withMetavar("<A,B>"),
      Flag.atLeast(1)
    ),
    reason: requiredTextFlag("reason", "Reason for the redaction, which is kept in the log", "TEXT"),
    version: integerFlag(
      "event-version",
      "Erase only in the event with this version of the card. Defaults to all events"
    ),
    noWait: switchFlag("no-wait", "Do not wait for the removal from the data files")
  },
  Effect.fnUntraced(function* (flags) {
    const input = {
      id: flags.id,
      parts: yield* parseParts(flags.part),
      version: flags.version,
      reason: flags.reason,
      ...(yield* commandOrigin)
    }
    yield* decodeRedact(input)
    const io = yield* ProcessIO
    const json = yield* Json
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const { card, erased, state } = yield* audit.redact(input)
      const problem =
        state === "removed from pages" ? null : flags.noWait ? removalNotAttempted : yield* removeErased(io, audit)
      if (!json && erased.length > 0) io.stderr.write(`${otherCopiesNote}\n`)
      return makeOutput(
        () => ({
          card: encodeCard(card),
          erased,
          state: problem === null ? "removed from pages" : "erased from reads",
          problem
        }),
        () =>
          [
            erased.length === 0
              ? `Nothing was left to erase in ${escapeLine(card.id)}.`
              : `Erased in ${escapeLine(card.id)}: ${formatErased(erased)}.`,
            problem === null
              ? "The bytes are removed from the data files."
              : `The bytes are still in the data files: ${escapeLine(problem)}`
          ].join("\n")
      )
    })
  })
)

const otherCopiesNote = "note: backups, replicas, exports and server logs may still contain what was erased"

const removalNotAttempted =
  "a server that connects as the owner removes them in the background, or run `backlog doctor --fix`."

/** Removes erased bytes from the data files. Returns the problem if the removal cannot complete. */
const removeErased = (io: ProcessIO["Service"], audit: AuditService["Service"]) =>
  clearProgressAfter(io)(audit.removeErased({ onProgress: showRemovalProgress(io) })).pipe(
    Effect.as(null),
    // The redaction itself has succeeded, so the command does not fail.
    Effect.catchTag("RemovalPending", ({ problem }) => Effect.succeed(problem)),
    Effect.catchTag("SqlError", ({ reason }) =>
      Effect.succeed(`the database failed (${reason._tag}). Run \`backlog doctor --fix\` as the owner.`)
    )
  )

const decodeRedact = decodeInput(Redact)

const parseParts = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
  const words = given.flatMap((list) => list.split(",").map((part) => part.trim()))
  const known = parts.filter((part) => words.includes(part))
  const unknown = words.find((word) => !known.some((part) => part === word))
  return unknown === undefined
    ? known
    : yield* new InvalidInput({
        problem: `--part takes ${parts.join(", ")}, not ${JSON.stringify(unknown.slice(0, 100))}`
      })
})

export const erasuresCommand = defineCommand(
  "erasures",
  {
    description:
      "Lists the redactions that erased data, and whether the erased bytes are still in the data files: `erased from reads`, or `removed from pages`. A server that connects as the owner removes them in the background; `backlog doctor --fix` removes them immediately.",
    summary: "List redactions, and whether their bytes are removed from the data files",
    examples: [{ command: "backlog erasures" }, { command: "backlog erasures --pending --json" }]
  },
  { pending: switchFlag("pending", "Only redactions whose bytes are still in the data files") },
  ({ pending }) =>
    Effect.succeed(
      Effect.gen(function* () {
        const found = yield* (yield* AuditService).erasures({ pending })
        return makeOutput(
          () => encodeErasures(found),
          (style) =>
            found.length === 0
              ? pending
                ? "No redaction is pending."
                : "There are no redactions."
              : formatTable(erasureColumns(style), found, style).join("\n")
        )
      })
    )
)

const encodeErasures = Schema.encodeSync(Schema.Array(Erasure))

const erasureColumns = (style: TextStyle): ReadonlyArray<Column<Erasure>> => [
  { title: "POSITION", text: ({ position }) => String(position), align: "right" },
  { title: "CARD", text: ({ cardId }) => escapeLine(cardId), minWidth: 12, paint: () => style.bold },
  { title: "STATE", text: ({ state }) => state },
  { title: "ERASED", text: ({ erasedAt }) => formatTime(erasedAt) },
  { title: "PROBLEM", text: ({ problem }) => (problem === null ? "" : escapeLine(problem)), minWidth: 12 }
]
