import { Context, Effect } from "effect"
import { Command } from "effect/cli"
import { Command as BacklogCommand, type CommandInputs } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"
import { type CommandOutput, deliver, finish } from "./CommandOutput.ts"
import { currentActor, knownActor } from "./currentActor.ts"
import { type CommandServices, requireDatabase, withBacklog, withNewBacklog } from "./database.ts"
import { textFlag } from "./flags.ts"

/** The help of a command. */
export interface CommandHelp {
  readonly description: string
  /** A line for the list of commands. */
  readonly summary: string
  readonly examples: ReadonlyArray<Command.Command.Example>
}

/** Adds help to a command. */
export const withHelp = <const Name extends string, Parsed, Context, E, R>(
  command: Command.Command<Name, Parsed, Context, E, R>,
  help: CommandHelp
): Command.Command<Name, Parsed, Context, E, R> =>
  command.pipe(
    Command.withDescription(help.description),
    Command.withShortDescription(help.summary),
    Command.withExamples(help.examples)
  )

/**
 * Defines a subcommand that runs in two steps. `prepare` validates the flags without a database, so that invalid input
 * opens none. The effect that it returns runs in the backlog. A document is printed after the backlog is closed, a
 * stream while it is open. `needsDatabase` refuses a served backlog. Defaults to `false`.
 */
export const defineCommand = <const Name extends string, const Flags extends Command.Command.Config, E1, R1, E2, E3>(
  name: Name,
  help: CommandHelp,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<CommandOutput<E3, CommandServices>, E2, CommandServices>, E1, R1>,
  { needsDatabase }: { readonly needsDatabase: boolean } = { needsDatabase: false }
) =>
  withHelp(
    Command.make(name, flags, (input) =>
      Effect.andThen(needsDatabase ? requireDatabase(name) : Effect.void, Effect.flatMap(prepare(input), runInBacklog))
    ),
    help
  )

/** The value of `--command-id`, for commands that have this flag. */
class CommandId extends Context.Service<CommandId, { readonly value: string | undefined }>()(
  "mosaic-backlog/cli/CommandId"
) {}

const commandIdFlag = textFlag(
  "command-id",
  "Run the command exactly once: a retry with the same id and content gets the first answer",
  "ID"
)

/**
 * Defines a subcommand that sends one command to the backlog. It also has the flag `--command-id`, which
 * `commandOrigin` and `commandInput` read. `createsBacklog` creates a missing backlog. Defaults to `false`.
 */
export const defineBacklogCommand = <
  const Name extends string,
  const Flags extends Command.Command.Config,
  E1,
  R1,
  E2,
  E3
>(
  name: Name,
  help: CommandHelp,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<CommandOutput<E3, CommandServices>, E2, CommandServices>, E1, R1>,
  options: { readonly createsBacklog: boolean } = { createsBacklog: false }
) =>
  withHelp(
    Command.make(name, { own: flags, commandId: commandIdFlag }, (input) =>
      Effect.flatMap(
        Effect.provideService(prepare(input.own as Command.Command.Config.Infer<Flags>), CommandId, {
          value: input.commandId
        }),
        options.createsBacklog ? runInNewBacklog : runInBacklog
      )
    ),
    help
  )

/** The actor and the command id of a backlog command. */
export const commandOrigin = Effect.gen(function* () {
  return { actor: yield* currentActor, commandId: (yield* CommandId).value }
})

/**
 * Adds the actor and the command id to a backlog command's input, and validates it before a database is opened, or a server
 * is asked for the actor.
 */
export const commandInput = Effect.fnUntraced(function* <const Tag extends BacklogCommand["_tag"]>(
  tag: Tag,
  input: Omit<CommandInputs[Tag], "actor" | "commandId">
) {
  const commandId = (yield* CommandId).value
  const actor = yield* knownActor
  yield* decodeCommand({ ...input, actor: actor ?? anyActor, commandId, _tag: tag })
  return { ...input, actor: actor ?? (yield* currentActor), commandId } as unknown as CommandInputs[Tag]
})

/** Stands for an actor that only the server knows. */
const anyActor = "caller"

const decodeCommand = decodeInput(BacklogCommand)

/** Runs an effect in the backlog, which must exist, and prints its output. */
export const runInBacklog = <E2, E3, R2>(
  effect: Effect.Effect<CommandOutput<E3, CommandServices>, E2, CommandServices | R2>
) => Effect.flatMap(withBacklog(Effect.flatMap(effect, deliver)), finish)

/** Runs an effect in the backlog, which is created if it is missing, and prints its output. */
export const runInNewBacklog = <E2, E3, R2>(
  effect: Effect.Effect<CommandOutput<E3, CommandServices>, E2, CommandServices | R2>
) => Effect.flatMap(withNewBacklog(Effect.flatMap(effect, deliver)), finish)

/** Runs an effect without a backlog, and prints its output. */
export const runWithoutBacklog = <E2, E3, R2, R3>(effect: Effect.Effect<CommandOutput<E3, R3>, E2, R2>) =>
  Effect.flatMap(Effect.flatMap(effect, deliver), finish)
