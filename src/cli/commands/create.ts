import { Effect } from "effect"
import { Flag } from "effect/cli"
import { encodeCard } from "../CommandOutput.ts"
import { describeCommandResult } from "../describeCard.ts"
import { idArgument, choiceFlag, requiredTextFlag, textFlag, integerFlag } from "../flags.ts"
import { escapeLine } from "../terminalText.ts"
import { readBody, readJsonFlag, checkOneStdinReader } from "../readInput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { BacklogService, InvalidInput } from "../../index.ts"

const dependsOnFlag = Flag.String("depends-on").pipe(
  Flag.withDescription(
    "Cards that must be done first, with commas between them; may be given several times (for an id that has a comma in it there is link)"
  ),
  Flag.withMetavar("<A,B>"),
  Flag.atLeast(0)
)

export const createCommand = defineBacklogCommand(
  "create",
  {
    description:
      "Creates a card. With --idempotency-key, the same command again answers the card that is there, unchanged. Cards that it depends on need not exist yet: it waits until they exist and are done.",
    summary: "Create a card",
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
    id: requiredTextFlag("id", "The card's id, which is never used again", "ID"),
    title: requiredTextFlag("title", "What is to be done, in a line", "TITLE"),
    body: textFlag("body", "What is to be done, at length; - reads standard input", "TEXT"),
    bodyFile: textFlag("body-file", "A file with the body", "PATH"),
    phase: textFlag("phase", "The phase that it belongs to", "PHASE"),
    priority: integerFlag("priority", "Greater is sooner (default: 0)"),
    dependsOn: dependsOnFlag,
    acceptance: textFlag("acceptance", "When it is done: any JSON; - reads standard input", "JSON"),
    idempotencyKey: textFlag("idempotency-key", "A retry with the same key returns the existing card", "KEY"),
    status: choiceFlag("status", ["ready", "blocked", "done"], "How it starts (default: ready)"),
    reason: textFlag("reason", "Why it is blocked, with --status blocked", "TEXT")
  },
  Effect.fnUntraced(function* (flags) {
    yield* checkOneStdinReader({ body: flags.body, acceptance: flags.acceptance })
    const input = yield* commandInput("Create", {
      id: flags.id,
      title: flags.title,
      body: yield* readBody(flags.body, flags.bodyFile),
      phase: flags.phase,
      priority: flags.priority,
      dependsOn: yield* parseIds(flags.dependsOn),
      acceptance: yield* readJsonFlag("acceptance", flags.acceptance),
      idempotencyKey: flags.idempotencyKey,
      status: flags.status,
      blockedReason: flags.reason
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.create(input)
      return {
        data: () => encodeCard(card),
        text: (style) =>
          Effect.map(
            describeCommandResult(card, input, style),
            (described) =>
              `${card.id === input.id ? "Created" : `The key was used before, for card ${escapeLine(card.id)}`}:\n${described}`
          )
      }
    })
  }),
  { createsBacklog: true }
)

/** Ids between commas. An id that has a comma in it is linked afterwards, with `backlog link`. */
const parseIds = (given: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, InvalidInput> => {
  const ids = given.flatMap((list) => list.split(",").map((id) => id.trim()))
  return ids.includes("")
    ? Effect.fail(new InvalidInput({ problem: "--depends-on has an empty id in it" }))
    : Effect.succeed(ids)
}

export const reviseCommand = defineBacklogCommand(
  "revise",
  {
    description:
      'Changes what is given and leaves the rest. --body "" and --phase "" clear them, as does --acceptance null.',
    summary: "Change a card's title, body, phase, priority or acceptance",
    examples: [
      { command: "backlog revise build --priority 9" },
      { command: 'backlog revise build --phase ""', description: "Without a phase from now on" }
    ]
  },
  {
    id: idArgument(),
    title: textFlag("title", "What is to be done, in a line", "TITLE"),
    body: textFlag("body", "What is to be done, at length; - reads standard input", "TEXT"),
    bodyFile: textFlag("body-file", "A file with the body", "PATH"),
    phase: textFlag("phase", "The phase that it belongs to", "PHASE"),
    priority: integerFlag("priority", "Greater is sooner"),
    acceptance: textFlag("acceptance", "When it is done: any JSON; - reads standard input", "JSON")
  },
  Effect.fnUntraced(function* ({ acceptance, body, bodyFile, id, phase, priority, title }) {
    if ([title, body, bodyFile, phase, priority, acceptance].every((given) => given === undefined)) {
      return yield* new InvalidInput({
        problem: "there is nothing to change: give --title, --body, --body-file, --phase, --priority or --acceptance"
      })
    }
    yield* checkOneStdinReader({ body, acceptance })
    const input = yield* commandInput("Revise", {
      id,
      title,
      body: emptyToNull(yield* readBody(body, bodyFile)),
      phase: emptyToNull(phase),
      priority,
      acceptance: yield* readJsonFlag("acceptance", acceptance)
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.revise(input)
      return { data: () => encodeCard(card), text: (style) => describeCommandResult(card, input, style) }
    })
  })
)

const emptyToNull = (given: string | undefined): string | null | undefined => (given === "" ? null : given)
