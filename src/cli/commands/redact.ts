import { Effect } from "effect"
import { Flag } from "effect/cli"
import { AuditService, ErasablePart, InvalidInput, Redact } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { commandVerb, origin } from "../commandVerb.ts"
import { describeErased } from "../describeEvent.ts"
import { idArgument, requiredText, switchFlag, whole } from "../flags.ts"
import { Host } from "../Host.ts"
import { removalProgress, withoutProgress } from "../progressBar.ts"
import { encodeCard, reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"

const parts = ErasablePart.literals

export const redact = commandVerb(
  "redact",
  {
    about:
      "Erases parts of a card's events from the log and the read model, permanently. The events stay, visibly redacted, with who did it and why, and every hash and anchor still holds. Then rewrites the tables, so that the bytes are removed from the data files too, and waits for that; commands continue meanwhile. When that cannot complete, it says why, and `backlog erasures` lists it as pending. Out of its reach are backups, exports, replicas, and the write-ahead log and logs of a server.",
    brief: "Erase what must not stay",
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
    reason: requiredText("reason", "Why it must not stay; this is kept", "TEXT"),
    version: whole("event-version", "Only of the event at this version of the card (default: of all)"),
    noWait: switchFlag("no-wait", "Do not wait until the bytes are removed from the data files")
  },
  Effect.fnUntraced(function* (flags) {
    const input = {
      id: flags.id,
      parts: yield* partsOf(flags.part),
      version: flags.version,
      reason: flags.reason,
      ...(yield* origin)
    }
    yield* decodeRedact(input)
    const host = yield* Host
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const { card, erased, state } = yield* audit.redact(input)
      const problem = state === "removed from pages" ? null : flags.noWait ? notTried : yield* removed(host, audit)
      return reply(
        () => ({
          card: encodeCard(card),
          erased,
          state: problem === null ? "removed from pages" : "erased from reads",
          problem
        }),
        () =>
          [
            erased.length === 0
              ? `There was nothing left to erase of ${oneLine(card.id)}.`
              : `Erased of ${oneLine(card.id)}: ${describeErased(erased)}.`,
            problem === null
              ? "The data files do not have its bytes. Backups, replicas, exports and a server's logs may."
              : `Its bytes are still in the data files: ${oneLine(problem)}`
          ].join("\n")
      )
    })
  })
)

const notTried = "a server that connects as the owner removes them in the background, or else `backlog doctor --fix`."

/** Waits until erased bytes are removed from the data files; returns what keeps that from completing. */
const removed = (host: Host["Service"], audit: AuditService["Service"]) =>
  withoutProgress(host)(audit.removeErased({ onProgress: removalProgress(host) })).pipe(
    Effect.as(null),
    // The redaction is done, so this is no failure of the command.
    Effect.catchTag("RemovalPending", ({ problem }) => Effect.succeed(problem)),
    Effect.catchTag("SqlError", ({ reason }) =>
      Effect.succeed(`the database failed (${reason._tag}). Run \`backlog doctor --fix\` as the owner.`)
    )
  )

const decodeRedact = decodeInput(Redact)

const partsOf = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
  const words = given.flatMap((list) => list.split(",").map((part) => part.trim()))
  const known = parts.filter((part) => words.includes(part))
  const unknown = words.find((word) => !known.some((part) => part === word))
  return unknown === undefined
    ? known
    : yield* new InvalidInput({
        problem: `--part takes ${parts.join(", ")}, not ${JSON.stringify(unknown.slice(0, 100))}`
      })
})
