import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import type { BacklogServices } from "../index.ts"
import { withBacklog, withNewBacklog } from "./database.ts"
import { EndsWith } from "./EndsWith.ts"
import { exitCodes } from "./failure.ts"
import { Json } from "./globals.ts"
import { Host } from "./Host.ts"
import { jsonArrayDocument, jsonDocument } from "./jsonDocument.ts"
import { pageOf } from "./Page.ts"
import type { Answer, Reply, StreamedReply } from "./Reply.ts"

/** What is said about a command in the help. */
export interface Manual {
  readonly about: string
  /** A line for the list of all commands. */
  readonly brief: string
  readonly examples: ReadonlyArray<Command.Command.Example>
}

/**
 * A command of the command line in two steps: what can be said without a database is said first, so that input that is
 * not valid opens none; the effect that this answers then runs in the backlog. Its reply is printed when the backlog is
 * closed again, one that is streamed as it comes.
 */
export const verb = <const Name extends string, const Flags extends Command.Command.Config, E1, R1, E2, E3>(
  name: Name,
  manual: Manual,
  flags: Flags,
  prepare: (
    input: Command.Command.Config.Infer<Flags>
  ) => Effect.Effect<Effect.Effect<Answer<E3, BacklogServices>, E2, BacklogServices>, E1, R1>
) =>
  documented(
    Command.make(name, flags, (input) => Effect.flatMap(prepare(input), answerInBacklog)),
    manual
  )

/** Runs what answers in the backlog, and prints the answer. */
export const answerInBacklog = <E2, E3, R2>(
  effect: Effect.Effect<Answer<E3, BacklogServices>, E2, BacklogServices | R2>
) => Effect.flatMap(withBacklog(Effect.flatMap(effect, delivered)), concluded)

/** The same, and creates the backlog where there is none. */
export const answerInNewBacklog = <E2, E3, R2>(
  effect: Effect.Effect<Answer<E3, BacklogServices>, E2, BacklogServices | R2>
) => Effect.flatMap(withNewBacklog(Effect.flatMap(effect, delivered)), concluded)

/** Runs what answers without a backlog, and prints the answer. */
export const answerAlone = <E2, E3, R2, R3>(effect: Effect.Effect<Answer<E3, R3>, E2, R2>) =>
  Effect.flatMap(Effect.flatMap(effect, delivered), concluded)

/** Prints what has to be printed while the backlog is open, and answers what is left for when it is closed. */
const delivered = Effect.fnUntraced(function* <E, R>(answer: Answer<E, R>) {
  if ("items" in answer) {
    yield* streamed(answer)
    return { text: "", exitCode: exitCodes.done }
  }
  return { text: yield* rendered(answer), exitCode: answer.exitCode ?? exitCodes.done }
})

const concluded = Effect.fnUntraced(function* (rest: { readonly text: string; readonly exitCode: number }) {
  if (rest.text !== "") yield* print(rest.text)
  if (rest.exitCode !== exitCodes.done) return yield* new EndsWith({ exitCode: rest.exitCode })
})

const streamed = Effect.fnUntraced(function* <E, R>(answer: StreamedReply<E, R>) {
  if (!(yield* Json)) {
    const { env, stdout } = yield* Host
    return yield* Stream.runForEachArray(answer.text(pageOf(stdout, env)), written)
  }
  if (answer.documents === "each") {
    return yield* Stream.runForEachArray(answer.items, (items) => written(documentsOf(items)))
  }
  let isFirst = true
  yield* Stream.runForEachArray(answer.items, (items) => {
    const pieces = arrayPieces(items, isFirst)
    isFirst = false
    return written(pieces)
  })
  yield* written([isFirst ? jsonArrayDocument.begin : "", jsonArrayDocument.end])
})

function* documentsOf(items: ReadonlyArray<unknown>): Generator<string> {
  for (const data of items) yield jsonDocument({ data })
}

function* arrayPieces(items: ReadonlyArray<unknown>, isFirst: boolean): Generator<string> {
  let before: string = isFirst ? jsonArrayDocument.begin : ","
  for (const item of items) {
    yield before + jsonArrayDocument.item(item)
    before = ","
  }
}

/** Characters that are written at once. */
const writtenAtOnce = 64 * 1024

/** Writes pieces of an answer to standard output, no faster than they are taken. */
const written = Effect.fnUntraced(function* (pieces: Iterable<string>) {
  const { stdout } = yield* Host
  let waiting = ""
  for (const piece of pieces) {
    waiting += piece
    if (waiting.length < writtenAtOnce) continue
    stdout.write(waiting)
    waiting = ""
    yield* stdout.drained
  }
  if (waiting === "") return
  stdout.write(waiting)
  yield* stdout.drained
})

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
