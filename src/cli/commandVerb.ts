import { Context, Effect } from "effect"
import { Command } from "effect/cli"
import { Command as BacklogCommand, type BacklogServices, type Input } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"
import { text } from "./flags.ts"
import { currentActor } from "./globals.ts"
import type { Answer } from "./Reply.ts"
import { answerInBacklog, answerInNewBacklog, documented, type Manual } from "./verb.ts"

/** What `--command-id` says, where the command that runs is one that can be carried out once. */
export class CommandId extends Context.Service<CommandId, { readonly given: string | undefined }>()(
  "mosaic-backlog/cli/CommandId"
) {}

const commandId = text(
  "command-id",
  "Carries the command out once: the same id with the same content again gets the first answer",
  "ID"
)

/**
 * A command of the command line, as `verb` makes it, that sends one command to the backlog: it has the flag
 * `--command-id` too, and says in `origin` and `checked` what was given.
 */
export const commandVerb = <const Name extends string, const Flags extends Command.Command.Config, E1, R1, E2, E3>(
  name: Name,
  manual: Manual,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<Answer<E3, BacklogServices>, E2, BacklogServices>, E1, R1>,
  options: { readonly createsBacklog: boolean } = { createsBacklog: false }
) =>
  documented(
    Command.make(name, { own: flags, commandId }, (input) =>
      Effect.flatMap(
        Effect.provideService(prepare(input.own as Command.Command.Config.Infer<Flags>), CommandId, {
          given: input.commandId
        }),
        options.createsBacklog ? answerInNewBacklog : answerInBacklog
      )
    ),
    manual
  )

/** Who asks, and under which id, as every command of the backlog says it. */
export const origin = Effect.gen(function* () {
  return { actor: yield* currentActor, commandId: (yield* CommandId).given }
})

/** The input of a backlog's command, in the name of whoever asks, checked as the backlog will check it. */
export const checked = Effect.fnUntraced(function* <const Tag extends BacklogCommand["_tag"]>(
  tag: Tag,
  input: Omit<Input<Tag>, "actor" | "commandId">
) {
  const asked = { ...input, ...(yield* origin) } as unknown as Input<Tag>
  yield* decodeCommand({ ...asked, _tag: tag })
  return asked
})

const decodeCommand = decodeInput(BacklogCommand)
