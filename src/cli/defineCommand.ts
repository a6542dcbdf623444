import { Context, Data, Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { ProcessIO } from "./ProcessIO.ts"
import {
  type CommandOutput,
  arrayDocument,
  formatDocument,
  type DocumentOutput,
  type StreamOutput
} from "./CommandOutput.ts"
import { withBacklog, withNewBacklog } from "./database.ts"
import { exitCodes } from "./failure.ts"
import { currentActor, Json, textFlag } from "./flags.ts"
import { textStyleOf } from "./terminalText.ts"
import { type BacklogServices, Command as BacklogCommand, type CommandInputs } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"

/** What `--command-id` says, where the command that runs is one that can be carried out once. */
class CommandId extends Context.Service<CommandId, { readonly given: string | undefined }>()(
  "mosaic-backlog/cli/CommandId"
) {}

const commandId = textFlag(
  "command-id",
  "Carries the command out once: the same id with the same content again gets the first answer",
  "ID"
)

/**
 * A command of the command line, as `verb` makes it, that sends one command to the backlog: it has the flag
 * `--command-id` too, and says in `origin` and `checked` what was given.
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
  manual: CommandHelp,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<CommandOutput<E3, BacklogServices>, E2, BacklogServices>, E1, R1>,
  options: { readonly createsBacklog: boolean } = { createsBacklog: false }
) =>
  withHelp(
    Command.make(name, { own: flags, commandId }, (input) =>
      Effect.flatMap(
        Effect.provideService(prepare(input.own as Command.Command.Config.Infer<Flags>), CommandId, {
          given: input.commandId
        }),
        options.createsBacklog ? runInNewBacklog : runInBacklog
      )
    ),
    manual
  )

/** Who asks, and under which id, as every command of the backlog says it. */
export const commandOrigin = Effect.gen(function* () {
  return { actor: yield* currentActor, commandId: (yield* CommandId).given }
})

/** The input of a backlog's command, in the name of whoever asks, checked as the backlog will check it. */
export const commandInput = Effect.fnUntraced(function* <const Tag extends BacklogCommand["_tag"]>(
  tag: Tag,
  input: Omit<CommandInputs[Tag], "actor" | "commandId">
) {
  const asked = { ...input, ...(yield* commandOrigin) } as unknown as CommandInputs[Tag]
  yield* decodeCommand({ ...asked, _tag: tag })
  return asked
})

const decodeCommand = decodeInput(BacklogCommand)

/** The answer was printed, and what it says makes the program end with another code than 0. */
export class ExitWithCode extends Data.TaggedError("EndsWith")<{ readonly exitCode: number }> {}

/** What is said about a command in the help. */
export interface CommandHelp {
  readonly description: string
  /** A line for the list of all commands. */
  readonly summary: string
  readonly examples: ReadonlyArray<Command.Command.Example>
}

/**
 * A command of the command line in two steps: what can be said without a database is said first, so that input that is
 * not valid opens none; the effect that this answers then runs in the backlog. Its reply is printed when the backlog is
 * closed again, one that is streamed as it comes.
 */
export const defineCommand = <const Name extends string, const Flags extends Command.Command.Config, E1, R1, E2, E3>(
  name: Name,
  manual: CommandHelp,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<CommandOutput<E3, BacklogServices>, E2, BacklogServices>, E1, R1>
) =>
  withHelp(
    Command.make(name, flags, (input) => Effect.flatMap(prepare(input), runInBacklog)),
    manual
  )

/** Runs what answers in the backlog, and prints the answer. */
export const runInBacklog = <E2, E3, R2>(
  effect: Effect.Effect<CommandOutput<E3, BacklogServices>, E2, BacklogServices | R2>
) => Effect.flatMap(withBacklog(Effect.flatMap(effect, deliver)), finish)

/** The same, and creates the backlog where there is none. */
export const runInNewBacklog = <E2, E3, R2>(
  effect: Effect.Effect<CommandOutput<E3, BacklogServices>, E2, BacklogServices | R2>
) => Effect.flatMap(withNewBacklog(Effect.flatMap(effect, deliver)), finish)

/** Runs what answers without a backlog, and prints the answer. */
export const runWithoutBacklog = <E2, E3, R2, R3>(effect: Effect.Effect<CommandOutput<E3, R3>, E2, R2>) =>
  Effect.flatMap(Effect.flatMap(effect, deliver), finish)

/** Prints what has to be printed while the backlog is open, and answers what is left for when it is closed. */
const deliver = Effect.fnUntraced(function* <E, R>(answer: CommandOutput<E, R>) {
  if ("items" in answer) {
    yield* printStream(answer)
    return { text: "", exitCode: exitCodes.done }
  }
  return { text: yield* render(answer), exitCode: answer.exitCode ?? exitCodes.done }
})

const finish = Effect.fnUntraced(function* (rest: { readonly text: string; readonly exitCode: number }) {
  if (rest.text !== "") yield* print(rest.text)
  if (rest.exitCode !== exitCodes.done) return yield* new ExitWithCode({ exitCode: rest.exitCode })
})

const printStream = Effect.fnUntraced(function* <E, R>(answer: StreamOutput<E, R>) {
  if (!(yield* Json)) {
    const { env, stdout } = yield* ProcessIO
    return yield* Stream.runForEachArray(answer.text(textStyleOf(stdout, env)), writeChunks)
  }
  if (answer.documents === "each") {
    return yield* Stream.runForEachArray(answer.items, (items) => writeChunks(formatDocuments(items)))
  }
  let isFirst = true
  yield* Stream.runForEachArray(answer.items, (items) => {
    const pieces = formatArrayItems(items, isFirst)
    isFirst = false
    return writeChunks(pieces)
  })
  yield* writeChunks([isFirst ? arrayDocument.begin : "", arrayDocument.end])
})

function* formatDocuments(items: ReadonlyArray<unknown>): Generator<string> {
  for (const data of items) yield formatDocument({ data })
}

function* formatArrayItems(items: ReadonlyArray<unknown>, isFirst: boolean): Generator<string> {
  let before: string = isFirst ? arrayDocument.begin : ","
  for (const item of items) {
    yield before + arrayDocument.item(item)
    before = ","
  }
}

/** Characters that are written at once. */
const charactersPerWrite = 64 * 1024

/** Writes pieces of an answer to standard output, no faster than they are taken. */
const writeChunks = Effect.fnUntraced(function* (pieces: Iterable<string>) {
  const { stdout } = yield* ProcessIO
  let waiting = ""
  for (const piece of pieces) {
    waiting += piece
    if (waiting.length < charactersPerWrite) continue
    stdout.write(waiting)
    waiting = ""
    yield* stdout.drain
  }
  if (waiting === "") return
  stdout.write(waiting)
  yield* stdout.drain
})

/** Adds to a command what the help says about it. */
export const withHelp = <const Name extends string, Parsed, Context, E, R>(
  command: Command.Command<Name, Parsed, Context, E, R>,
  manual: CommandHelp
): Command.Command<Name, Parsed, Context, E, R> =>
  command.pipe(
    Command.withDescription(manual.description),
    Command.withShortDescription(manual.summary),
    Command.withExamples(manual.examples)
  )

/** A reply as the text that is asked for: one JSON document, or lines for people. */
export const render = Effect.fnUntraced(function* <E, R>(reply: DocumentOutput<E, R>) {
  if (yield* Json) return formatDocument({ data: reply.data() })
  const { env, stdout } = yield* ProcessIO
  const text = yield* reply.text(textStyleOf(stdout, env))
  return text.endsWith("\n") ? text : `${text}\n`
})

/** Writes an answer to standard output. */
export const print = (text: string) => Effect.map(ProcessIO, ({ stdout }) => stdout.write(text))
