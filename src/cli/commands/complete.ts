import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { idArgument, switchFlag, text, whole } from "../flags.ts"
import { encodeCard, reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { jsonOrInput } from "../textInput.ts"

export const complete = commandVerb(
  "complete",
  {
    about:
      "Completes a card: a claimed one with its claim's token, or with --force; any other directly. Answers also which cards can be claimed now because of it.",
    brief: "Complete a card",
    examples: [
      { command: "backlog complete build --token 2" },
      { command: 'backlog complete build --token 2 --result \'{"commit":"8c1f0e2"}\'' }
    ]
  },
  {
    id: idArgument(),
    token: whole("token", "The claim's token"),
    force: switchFlag("force", "Also when somebody else holds it"),
    result: text("result", "What came of it: any JSON; - reads standard input", "JSON")
  },
  Effect.fnUntraced(function* (flags) {
    const input = yield* checked("Complete", {
      id: flags.id,
      token: flags.token,
      force: flags.force ? true : undefined,
      result: yield* jsonOrInput("result", flags.result)
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { madeClaimable, ...card } = yield* backlog.complete(input)
      return reply(
        () => ({ ...encodeCard(card), madeClaimable }),
        (page) =>
          [
            `${oneLine(card.id)} is done.`,
            madeClaimable.length === 0
              ? ""
              : `Now claimable: ${madeClaimable.map((id) => page.green(oneLine(id))).join(", ")}.`
          ]
            .filter((line) => line !== "")
            .join("\n")
      )
    })
  })
)
