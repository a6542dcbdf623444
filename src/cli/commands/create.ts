import { Effect } from "effect"
import { Flag } from "effect/cli"
import { BacklogService, InvalidInput } from "../../index.ts"
import { encodeCard } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { describeCommandResult } from "../describeCard.ts"
import { choiceFlag, idArgument, integerFlag, requiredTextFlag, textFlag } from "../flags.ts"
import { checkOneStdinReader, readBody, readJsonFlag } from "../readInput.ts"
import { escapeLine } from "../terminalText.ts"

const dependsOnFlag = Flag.String("depends-on").pipe(
  Flag.withDescription(
    "Comma-separated ids of cards that must be done first. Repeatable. For an id with a comma, use link"
  ),
  Flag.withMetavar("<A,B>"),
  Flag.atLeast(0)
)

export const createCommand = defineBacklogCommand(
  "create",
  {
    description:
      "Creates a card. With --idempotency-key, a retry returns the existing card unchanged. Dependencies need not exist yet: the card waits until they exist and are done.",
    summary: "Create a card",
    examples: [
      { command: 'backlog create --id design --title "Design it" --priority 5' },
      { command: 'backlog create --id build --title "Build it" --depends-on design', description: "Waits for design" },
      {
        command: 'backlog create --id docs --title "Write it down" --acceptance \'{"pages":3}\' --body - < notes.md',
        description: "Reads the body from standard input"
      }
    ]
  },
  {
    id: requiredTextFlag("id", "The card's id, which is never reused", "ID"),
    title: requiredTextFlag("title", "Title, one line", "TITLE"),
    body: textFlag("body", "Body. - reads standard input", "TEXT"),
    bodyFile: textFlag("body-file", "A file with the body", "PATH"),
    phase: textFlag("phase", "The card's phase", "PHASE"),
    priority: integerFlag("priority", "Priority: higher is claimed first. Defaults to 0"),
    dependsOn: dependsOnFlag,
    acceptance: textFlag("acceptance", "Acceptance criteria as JSON. - reads standard input", "JSON"),
    idempotencyKey: textFlag("idempotency-key", "A retry with the same key returns the existing card", "KEY"),
    status: choiceFlag("status", ["ready", "blocked", "done"], "Initial status. Defaults to ready"),
    reason: textFlag("reason", "Reason for --status blocked", "TEXT")
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
              `${card.id === input.id ? "Created" : `The idempotency key belongs to card ${escapeLine(card.id)}`}:\n${described}`
          )
      }
    })
  }),
  { createsBacklog: true }
)

/** Splits comma-separated ids. An id with a comma must be linked with `backlog link`. */
const parseIds = (given: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, InvalidInput> => {
  const ids = given.flatMap((list) => list.split(",").map((id) => id.trim()))
  return ids.includes("")
    ? Effect.fail(new InvalidInput({ problem: "--depends-on contains an empty id" }))
    : Effect.succeed(ids)
}

export const reviseCommand = defineBacklogCommand(
  "revise",
  {
    description:
      'Changes the given fields and keeps the others. --body "", --phase "" and --acceptance null clear a field.',
    summary: "Change a card's title, body, phase, priority or acceptance",
    examples: [
      { command: "backlog revise build --priority 9" },
      { command: 'backlog revise build --phase ""', description: "Clears the phase" }
    ]
  },
  {
    id: idArgument(),
    title: textFlag("title", "Title, one line", "TITLE"),
    body: textFlag("body", "Body. - reads standard input", "TEXT"),
    bodyFile: textFlag("body-file", "A file with the body", "PATH"),
    phase: textFlag("phase", "The card's phase", "PHASE"),
    priority: integerFlag("priority", "Priority: higher is claimed first"),
    acceptance: textFlag("acceptance", "Acceptance criteria as JSON. - reads standard input", "JSON")
  },
  Effect.fnUntraced(function* ({ acceptance, body, bodyFile, id, phase, priority, title }) {
    if ([title, body, bodyFile, phase, priority, acceptance].every((given) => given === undefined)) {
      return yield* new InvalidInput({
        problem: "nothing to change: give --title, --body, --body-file, --phase, --priority or --acceptance"
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
