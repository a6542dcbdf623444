import { Effect } from "effect"
import { Command } from "effect/cli"
import { Command as BacklogCommand, type BacklogServices, type Input } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"
import { withBacklog } from "./database.ts"
import { currentActor, Json } from "./globals.ts"
import { Host } from "./Host.ts"
import { jsonDocument } from "./jsonDocument.ts"
import { pageOf } from "./Page.ts"
import type { Reply } from "./Reply.ts"

/** What is said about a command in the help. */
export interface Manual {
  readonly about: string
  /** A line for the list of all commands. */
  readonly brief: string
  readonly examples: ReadonlyArray<Command.Command.Example>
}

/**
 * A command of the command line in two steps: what can be said without a database is said first, so that input that is
 * not valid opens none; the effect that this answers then runs in the backlog, and its reply is printed when the
 * backlog is closed again.
 */
export const verb = <const Name extends string, const Flags extends Command.Command.Config, E1, R1, E2, E3>(
  name: Name,
  manual: Manual,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<Reply<E3, BacklogServices>, E2, BacklogServices>, E1, R1>
) =>
  documented(
    Command.make(name, flags, (input) => Effect.flatMap(prepare(input), answer)),
    manual
  )

const answer = <E2, E3>(effect: Effect.Effect<Reply<E3, BacklogServices>, E2, BacklogServices>) =>
  Effect.flatMap(withBacklog(Effect.flatMap(effect, rendered)), print)

/** Adds to a command what the help says about it. */
export const documented = <const Name extends string, Parsed, Context, E, R>(
  command: Command.Command<Name, Parsed, Context, E, R>,
  manual: Manual
): Command.Command<Name, Parsed, Context, E, R> =>
  command.pipe(
    Command.withDescription(manual.about),
    Command.withShortDescription(manual.brief),
    Command.withExamples(manual.examples)
  )

/** A reply as the text that is asked for: one JSON document, or lines for people. */
export const rendered = Effect.fnUntraced(function* <E, R>(reply: Reply<E, R>) {
  if (yield* Json) return jsonDocument({ data: reply.data() })
  const { env, stdout } = yield* Host
  const text = yield* reply.text(pageOf(stdout, env))
  return text.endsWith("\n") ? text : `${text}\n`
})

/** Writes an answer to standard output. */
export const print = (text: string) => Effect.map(Host, ({ stdout }) => stdout.write(text))

/** The input of a backlog's command, in the name of whoever asks, checked as the backlog will check it. */
export const checked = Effect.fnUntraced(function* <const Tag extends BacklogCommand["_tag"]>(
  tag: Tag,
  input: Omit<Input<Tag>, "actor">
) {
  const asked = { ...input, actor: yield* currentActor } as unknown as Input<Tag>
  yield* decodeCommand({ ...asked, _tag: tag })
  return asked
})

const decodeCommand = decodeInput(BacklogCommand)
