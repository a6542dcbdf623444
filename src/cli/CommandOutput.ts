/**
 * What a command prints: one JSON document with `--json`, text for people without it. The format of the documents is
 * public: `{"schemaVersion":1,"data":…}` or `{"schemaVersion":1,"error":…}`.
 */
import { Data, Effect, Schema, Stream } from "effect"
import { Card, RecordedEvent } from "../index.ts"
import { exitCodes } from "./exitCodes.ts"
import { Json } from "./flags.ts"
import { ProcessIO } from "./ProcessIO.ts"
import { type TextStyle, textStyleOf } from "./terminalText.ts"

/** A command's output, as data for programs and as text for people. Only the requested one is computed. */
export interface DocumentOutput<E = never, R = never> {
  /** Plain JSON. */
  readonly data: () => unknown
  readonly text: (style: TextStyle) => Effect.Effect<string, E, R>
  /** Exit code of the program. Defaults to 0. */
  readonly exitCode?: number
}

/**
 * A command's output that may be larger than memory. It is printed as it is read, while the backlog is open. Only the
 * requested stream runs, and nothing is printed before its first element.
 */
export interface StreamOutput<E = never, R = never> {
  /** Plain JSON, one element for each item. */
  readonly items: Stream.Stream<unknown, E, R>
  /** `one` prints one document with an array of the items. `each` prints a document for each item, on its own line. */
  readonly documents: "one" | "each"
  /** Complete lines. */
  readonly text: (style: TextStyle) => Stream.Stream<string, E, R>
}

/** A command's output. */
export type CommandOutput<E = never, R = never> = DocumentOutput<E, R> | StreamOutput<E, R>

/** Makes an output whose text needs no further reads. */
export const makeOutput = (data: () => unknown, text: (style: TextStyle) => string): DocumentOutput => ({
  data,
  text: (style) => Effect.sync(() => text(style))
})

/** Makes an output that is a card. */
export const makeCardOutput = (card: Card, text: (style: TextStyle) => string): DocumentOutput =>
  makeOutput(() => encodeCard(card), text)

/** Encodes a card as JSON. */
export const encodeCard = Schema.encodeSync(Card)

/** Encodes cards as JSON. */
export const encodeCards = Schema.encodeSync(Schema.Array(Card))

/** Encodes an event as JSON. */
export const encodeEvent = Schema.encodeSync(RecordedEvent)

/** Version of the documents. It changes when a field is removed or changes its meaning, not when one is added. */
const schemaVersion = 1

/**
 * Formats one JSON document on one line. Escapes control characters that affect a terminal, which does not change the
 * parsed value.
 */
export const formatDocument = (content: { readonly data: unknown } | { readonly error: unknown }): string =>
  `${stringify({ schemaVersion, ...content })}\n`

/** The parts of a document whose `data` is an array that is written item by item, with commas between the items. */
const arrayDocument = {
  begin: `{"schemaVersion":${schemaVersion},"data":[`,
  item: (item: unknown): string => stringify(item),
  end: "]}\n"
} as const

const stringify = (value: unknown): string => JSON.stringify(value).replace(terminalControls, escapeCharacter)

const terminalControls = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escapeCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Ends the program with an exit code other than 0 after its output was printed. */
export class ExitWithCode extends Data.TaggedError("ExitWithCode")<{ readonly exitCode: number }> {}

/** Prints a stream at once, while the backlog is open. Renders a document, for `finish` to print later. */
export const deliver = Effect.fnUntraced(function* <E, R>(output: CommandOutput<E, R>) {
  if ("items" in output) {
    yield* printStream(output)
    return { text: "", exitCode: exitCodes.done }
  }
  return { text: yield* render(output), exitCode: output.exitCode ?? exitCodes.done }
})

/** Prints what `deliver` rendered, after the backlog was closed. An exit code other than 0 is kept also without a reader. */
export const finish = Effect.fnUntraced(function* ({
  exitCode,
  text
}: {
  readonly text: string
  readonly exitCode: number
}) {
  if (text !== "") yield* exitCode === exitCodes.done ? print(text) : Effect.ignore(print(text))
  if (exitCode !== exitCodes.done) return yield* new ExitWithCode({ exitCode })
})

const printStream = Effect.fnUntraced(function* <E, R>(output: StreamOutput<E, R>) {
  if (!(yield* Json)) {
    const { env, stdout } = yield* ProcessIO
    return yield* Stream.runForEachArray(output.text(textStyleOf(stdout, env)), writeChunks)
  }
  if (output.documents === "each") {
    return yield* Stream.runForEachArray(output.items, (items) => writeChunks(formatDocuments(items)))
  }
  let isFirst = true
  yield* Stream.runForEachArray(output.items, (items) => {
    const chunks = formatArrayItems(items, isFirst)
    isFirst = false
    return writeChunks(chunks)
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

/** Characters per write. */
const charactersPerWrite = 64 * 1024

/** Writes chunks to standard output, waiting for each write to drain. */
const writeChunks = Effect.fnUntraced(function* (chunks: Iterable<string>) {
  const { stdout } = yield* ProcessIO
  let buffer = ""
  for (const chunk of chunks) {
    buffer += chunk
    if (buffer.length < charactersPerWrite) continue
    stdout.write(buffer)
    buffer = ""
    yield* stdout.drain
  }
  if (buffer === "") return
  stdout.write(buffer)
  yield* stdout.drain
})

/** Renders an output as one JSON document with `--json`, and as text without it. */
export const render = Effect.fnUntraced(function* <E, R>(output: DocumentOutput<E, R>) {
  if (yield* Json) return formatDocument({ data: output.data() })
  const { env, stdout } = yield* ProcessIO
  const text = yield* output.text(textStyleOf(stdout, env))
  return text.endsWith("\n") ? text : `${text}\n`
})

/** Writes text to standard output, and waits until it is flushed. */
export const print = Effect.fnUntraced(function* (text: string) {
  const { stdout } = yield* ProcessIO
  stdout.write(text)
  yield* stdout.drain
})
