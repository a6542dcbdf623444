import { Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import { ProcessIO } from "../ProcessIO.ts"
import { encodeCard, makeOutput } from "../CommandOutput.ts"
import { formatTime } from "../moments.ts"
import { formatErased } from "../describeEvent.ts"
import { idArgument, requiredTextFlag, switchFlag, integerFlag } from "../flags.ts"
import { showRemovalProgress, clearProgressAfter } from "../progress.ts"
import { type Column, formatTable } from "../table.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"
import { defineBacklogCommand, commandOrigin, defineCommand } from "../defineCommand.ts"
import { AuditService, ErasablePart, Erasure, InvalidInput, Redact } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"

const parts = ErasablePart.literals

export const redactCommand = defineBacklogCommand(
  "redact",
  {
    description:
      "Erases parts of a card's events from the log and the read model, permanently. The events stay, visibly redacted, with who did it and why, and every hash and anchor still holds. Then rewrites the tables, so that the bytes are removed from the data files too, and waits for that; commands continue meanwhile. When that cannot complete, it says why, and `backlog erasures` lists it as pending. Out of its reach are backups, exports, replicas, and the write-ahead log and logs of a server.",
    summary: "Erase what must not stay",
    examples: [
      { command: 'backlog redact build --part body --reason "an access key was in it"' },
      {
        command: 'backlog redact build --part title,reason --event-version 3 --reason "a name"',
        description: "Of the card's third event only"
      },
      {
        command: 'backlog redact build --part body --reason "a name" --no-wait',
        description: "Without waiting until the bytes are removed from the data files"
      }
    ]
  },
  {
    id: idArgument(),
    part: Flag.String("part").pipe(
      Flag.withDescription(`What to erase, with commas between: ${parts.join(", ")}; may be given several times`),
      Flag.withMetavar("<A,B>"),
      Flag.atLeast(1)
    ),
    reason: requiredTextFlag("reason", "Why it must not stay; this is kept", "TEXT"),
    version: integerFlag("event-version", "Only of the event at this version of the card (default: of all)"),
    noWait: switchFlag("no-wait", "Do not wait until the bytes are removed from the data files")
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
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const { card, erased, state } = yield* audit.redact(input)
      const problem =
        state === "removed from pages" ? null : flags.noWait ? removalNotAttempted : yield* removeErased(io, audit)
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
              ? `There was nothing left to erase of ${escapeLine(card.id)}.`
              : `Erased of ${escapeLine(card.id)}: ${formatErased(erased)}.`,
            problem === null
              ? "The data files do not have its bytes. Backups, replicas, exports and a server's logs may."
              : `Its bytes are still in the data files: ${escapeLine(problem)}`
          ].join("\n")
      )
    })
  })
)

const removalNotAttempted =
  "a server that connects as the owner removes them in the background, or else `backlog doctor --fix`."

/** Waits until erased bytes are removed from the data files; returns what keeps that from completing. */
const removeErased = (io: ProcessIO["Service"], audit: AuditService["Service"]) =>
  clearProgressAfter(io)(audit.removeErased({ onProgress: showRemovalProgress(io) })).pipe(
    Effect.as(null),
    // The redaction is done, so this is no failure of the command.
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
      "Lists the redactions that erased something, and for each whether its bytes are still in the data files: `erased from reads`, or `removed from pages`. A server that connects as the owner removes them in the background, `backlog doctor --fix` at once.",
    summary: "Redactions, and whether their bytes are removed from the data files",
    examples: [{ command: "backlog erasures" }, { command: "backlog erasures --pending --json" }]
  },
  { pending: switchFlag("pending", "Only those whose bytes are still in the data files") },
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
                : "Nothing was redacted."
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
