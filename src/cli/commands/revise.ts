import { Effect } from "effect"
import { BacklogService, InvalidInput } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { describedAnswer } from "../describeCard.ts"
import { idArgument, text, whole } from "../flags.ts"
import { encodeCard } from "../Reply.ts"
import { bodyOf, jsonOrInput, onlyOneReadsInput } from "../textInput.ts"

export const revise = commandVerb(
  "revise",
  {
    about: 'Changes what is given and leaves the rest. --body "" and --phase "" clear them, as does --acceptance null.',
    brief: "Change a card's title, body, phase, priority or acceptance",
    examples: [
      { command: "backlog revise build --priority 9" },
      { command: 'backlog revise build --phase ""', description: "Without a phase from now on" }
    ]
  },
  {
    id: idArgument(),
    title: text("title", "What is to be done, in a line", "TITLE"),
    body: text("body", "What is to be done, at length; - reads standard input", "TEXT"),
    bodyFile: text("body-file", "A file with the body", "PATH"),
    phase: text("phase", "The phase that it belongs to", "PHASE"),
    priority: whole("priority", "Greater is sooner"),
    acceptance: text("acceptance", "When it is done: any JSON; - reads standard input", "JSON")
  },
  Effect.fnUntraced(function* ({ acceptance, body, bodyFile, id, phase, priority, title }) {
    if ([title, body, bodyFile, phase, priority, acceptance].every((given) => given === undefined)) {
      return yield* new InvalidInput({
        problem: "there is nothing to change: give --title, --body, --body-file, --phase, --priority or --acceptance"
      })
    }
    yield* onlyOneReadsInput({ body, acceptance })
    const input = yield* checked("Revise", {
      id,
      title,
      body: orNull(yield* bodyOf(body, bodyFile)),
      phase: orNull(phase),
      priority,
      acceptance: yield* jsonOrInput("acceptance", acceptance)
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.revise(input)
      return { data: () => encodeCard(card), text: (page) => describedAnswer(card, input, page) }
    })
  })
)

const orNull = (given: string | undefined): string | null | undefined => (given === "" ? null : given)
