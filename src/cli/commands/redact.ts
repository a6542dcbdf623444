import { Effect } from "effect"
import { Flag } from "effect/cli"
import { AuditService, ErasablePart, InvalidInput, Redact } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { commandVerb, origin } from "../commandVerb.ts"
import { describeErased } from "../describeEvent.ts"
import { idArgument, requiredText, whole } from "../flags.ts"
import { encodeCard, reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"

const parts = ErasablePart.literals

export const redact = commandVerb(
  "redact",
  {
    about:
      "Erases parts of a card's events from the log and the read model, for good. The events stay, visibly redacted, with who did it and why, and every hash and anchor still holds. What is elsewhere is out of its reach: backups, exports, replicas, archived WAL files and those that are not yet recycled keep what they have.",
    brief: "Erase what must not stay",
    examples: [
      { command: 'backlog redact build --part body --reason "an access key was in it"' },
      {
        command: 'backlog redact build --part title,reason --event-version 3 --reason "a name"',
        description: "Of the card's third event only"
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
    version: whole("event-version", "Only of the event at this version of the card (default: of all)")
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
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const { card, erased } = yield* audit.redact(input)
      return reply(
        () => ({ card: encodeCard(card), erased }),
        () =>
          erased.length === 0
            ? `There was nothing left to erase of ${oneLine(card.id)}.`
            : `Erased of ${oneLine(card.id)}: ${describeErased(erased)}.`
      )
    })
  })
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
