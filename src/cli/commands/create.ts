import { Effect } from "effect"
import { Flag } from "effect/cli"
import { BacklogService, InvalidInput } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { describedAnswer } from "../describeCard.ts"
import { oneOf, requiredText, text, whole } from "../flags.ts"
import { encodeCard } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { bodyOf, jsonOrInput, onlyOneReadsInput } from "../textInput.ts"

const dependsOnFlag = Flag.String("depends-on").pipe(
  Flag.withDescription(
    "Cards that must be done first, with commas between them; may be given several times (for an id that has a comma in it there is link)"
  ),
  Flag.withMetavar("<A,B>"),
  Flag.atLeast(0)
)

export const create = commandVerb(
  "create",
  {
    about:
      "Creates a card. With --key, the same command again answers the card that is there, unchanged. Cards that it depends on need not exist yet: it waits until they exist and are done.",
    brief: "Create a card",
    examples: [
      { command: 'backlog create --id design --title "Design it" --priority 5' },
      { command: 'backlog create --id build --title "Build it" --depends-on design', description: "Waits for design" },
      {
        command: 'backlog create --id docs --title "Write it down" --acceptance \'{"pages":3}\' --body - < notes.md',
        description: "The body from standard input"
      }
    ]
  },
  {
    id: requiredText("id", "The card's id, which is never used again", "ID"),
    title: requiredText("title", "What is to be done, in a line", "TITLE"),
    body: text("body", "What is to be done, at length; - reads standard input", "TEXT"),
    bodyFile: text("body-file", "A file with the body", "PATH"),
    phase: text("phase", "The phase that it belongs to", "PHASE"),
    priority: whole("priority", "Greater is sooner (default: 0)"),
    dependsOn: dependsOnFlag,
    acceptance: text("acceptance", "When it is done: any JSON; - reads standard input", "JSON"),
    key: text("key", "An idempotency key", "KEY"),
    status: oneOf("status", ["ready", "blocked", "done"], "How it starts (default: ready)"),
    reason: text("reason", "Why it is blocked, with --status blocked", "TEXT")
  },
  Effect.fnUntraced(function* (flags) {
    yield* onlyOneReadsInput({ body: flags.body, acceptance: flags.acceptance })
    const input = yield* checked("Create", {
      id: flags.id,
      title: flags.title,
      body: yield* bodyOf(flags.body, flags.bodyFile),
      phase: flags.phase,
      priority: flags.priority,
      dependsOn: yield* idsOf(flags.dependsOn),
      acceptance: yield* jsonOrInput("acceptance", flags.acceptance),
      idempotencyKey: flags.key,
      status: flags.status,
      blockedReason: flags.reason
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.create(input)
      return {
        data: () => encodeCard(card),
        text: (page) =>
          Effect.map(
            describedAnswer(card, input, page),
            (described) =>
              `${card.id === input.id ? "Created" : `The key was used before, for card ${oneLine(card.id)}`}:\n${described}`
          )
      }
    })
  }),
  { createsBacklog: true }
)

/** Ids between commas. An id that has a comma in it is linked afterwards, with `backlog link`. */
const idsOf = (given: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, InvalidInput> => {
  const ids = given.flatMap((list) => list.split(",").map((id) => id.trim()))
  return ids.includes("")
    ? Effect.fail(new InvalidInput({ problem: "--depends-on has an empty id in it" }))
    : Effect.succeed(ids)
}
