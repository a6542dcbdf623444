import { Effect } from "effect"
import { Flag } from "effect/cli"
import { BacklogService, InvalidInput } from "../../index.ts"
import { encodeCard } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { describeCommandResult } from "../describeCard.ts"
import { choiceFlag, idArgument, integerFlag, repeatedFlag, requiredTextFlag, textFlag } from "../flags.ts"
import { parseTimeFlag, timeFlag } from "../moments.ts"
import { checkOneStdinReader, readBody, readJsonFlag } from "../readInput.ts"
import { escapeLine } from "../terminalText.ts"

const dependsOnFlag = Flag.String("depends-on").pipe(
  Flag.withDescription(
    "Comma-separated ids of cards that must be done first. Repeatable. In an id, write a comma as \\, and a backslash as \\\\"
  ),
  Flag.withMetavar("<A,B>"),
  Flag.atLeast(0)
)

export const createCommand = defineBacklogCommand(
  "create",
  {
    description:
      "Creates a card, and prints its id. Without --id it generates a short one; BACKLOG_ID_PREFIX is what generated ids begin with. With --idempotency-key, a retry returns the existing card unchanged. Dependencies need not exist yet: the card waits until they exist and are done.",
    summary: "Create a card",
    examples: [
      { command: 'backlog create --title "Design it" --priority 5' },
      {
        command: 'backlog create --id logo --title "Draw it" --label design --not-before 2030-01-01',
        description: "Not claimable before a day"
      },
      { command: 'backlog create --id build --title "Build it" --depends-on design', description: "Waits for design" },
      {
        command: 'backlog create --id docs --title "Write it down" --acceptance \'{"pages":3}\' --body - < notes.md',
        description: "Reads the body from standard input"
      }
    ]
  },
  {
    id: textFlag("id", "The card's id, which is never reused. Defaults to a generated id", "ID"),
    title: requiredTextFlag("title", "Title", "TITLE"),
    body: textFlag("body", "Body. - reads standard input", "TEXT"),
    bodyFile: textFlag("body-file", "A file with the body", "PATH"),
    phase: textFlag("phase", "The card's phase", "PHASE"),
    labels: repeatedFlag("label", "A label", "LABEL"),
    priority: integerFlag("priority", "Priority: higher is claimed first. Defaults to 0"),
    notBefore: timeFlag("not-before", "The card cannot be claimed before this time"),
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
      labels: flags.labels,
      priority: flags.priority,
      notBefore: yield* parseTimeFlag("not-before", flags.notBefore),
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
              `${input.id === undefined || card.id === input.id ? "Created" : `The idempotency key belongs to card ${escapeLine(card.id)}`}:\n${described}`
          )
      }
    })
  }),
  { createsBacklog: true }
)

/** Splits comma-separated ids. A backslash keeps the character after it. */
const parseIds = (given: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, InvalidInput> => {
  const refuse = (problem: string) => Effect.fail(new InvalidInput({ problem: `--depends-on contains ${problem}` }))
  const written = given.flatMap((list) => list.split(/(?<=(?<!\\)(?:\\\\)*),/)).map((id) => id.trim())
  if (written.includes("")) return refuse("an empty id")
  if (written.some((id) => /(?<!\\)(?:\\\\)*\\$/.test(id))) {
    return refuse("an id that ends with a single backslash: write a backslash as \\\\")
  }
  return Effect.succeed(written.map((id) => id.replaceAll(/\\(.)/gs, "$1")))
}

export const reviseCommand = defineBacklogCommand(
  "revise",
  {
    description:
      'Changes the given fields and keeps the others. --body "", --phase "", --not-before "" and --acceptance null clear a field.',
    summary: "Change a card's title, body, phase, labels, priority, acceptance or time",
    examples: [
      { command: "backlog revise build --priority 9" },
      { command: 'backlog revise build --phase ""', description: "Clears the phase" },
      { command: "backlog revise build --add-label rust --remove-label go" }
    ]
  },
  {
    id: idArgument(),
    title: textFlag("title", "Title", "TITLE"),
    body: textFlag("body", "Body. - reads standard input", "TEXT"),
    bodyFile: textFlag("body-file", "A file with the body", "PATH"),
    phase: textFlag("phase", "The card's phase", "PHASE"),
    addLabels: repeatedFlag("add-label", "A label to add", "LABEL"),
    removeLabels: repeatedFlag("remove-label", "A label to remove", "LABEL"),
    priority: integerFlag("priority", "Priority: higher is claimed first"),
    notBefore: timeFlag("not-before", "The card cannot be claimed before this time"),
    acceptance: textFlag("acceptance", "Acceptance criteria as JSON. - reads standard input", "JSON")
  },
  Effect.fnUntraced(function* ({ acceptance, body, bodyFile, id, phase, priority, title, ...flags }) {
    const { addLabels, notBefore, removeLabels } = flags
    const given = [title, body, bodyFile, phase, priority, acceptance, addLabels, removeLabels, notBefore]
    if (given.every((each) => each === undefined)) {
      return yield* new InvalidInput({
        problem:
          "nothing to change: give --title, --body, --body-file, --phase, --add-label, --remove-label, --priority, --not-before or --acceptance"
      })
    }
    yield* checkOneStdinReader({ body, acceptance })
    const input = yield* commandInput("Revise", {
      id,
      title,
      body: emptyToNull(yield* readBody(body, bodyFile)),
      phase: emptyToNull(phase),
      addLabels,
      removeLabels,
      priority,
      notBefore: notBefore === "" ? null : yield* parseTimeFlag("not-before", notBefore),
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
