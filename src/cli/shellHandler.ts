import { Data, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import type { ProcessIO } from "./ProcessIO.ts"
import { escapeHiddenInJson } from "../domain/displayText.ts"
import { Card } from "../index.ts"

/** How long a command that was told to end may take before it is killed, in seconds. */
export const killAfterSeconds = 5

/** How long output is still waited for when the command has ended and something that it began has not. */
const outputTimeout = "2 seconds"

/** Bytes of standard output that become the card's result: as many from its beginning as from its end. */
const resultLimits = { headBytes: 32 * 1024, tailBytes: 32 * 1024 }

/** Bytes from the end of standard error that are told with a failure. */
const reasonLimits = { headBytes: 0, tailBytes: 1024 }

/** The command did not end with 0. */
class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}

const encodeCard = Schema.encodeSync(Schema.fromJsonString(Card))

/**
 * Works on cards by a command of the shell: the card is its standard input, as JSON, and is in its environment; its standard
 * output is the result when it ends with 0. Whatever else becomes of it fails the attempt. Its standard error is this
 * program's. When it is interrupted, it and all that it began is told to end, and killed after a while.
 */
export const makeShellHandler = (command: string, io: ProcessIO["Service"]) =>
  Effect.fnUntraced(function* (card: Card) {
    const child = yield* ChildProcess.make(command, {
      shell: true,
      extendEnv: true,
      env: cardEnvironment(card),
      stdin: Stream.make(new TextEncoder().encode(`${escapeHiddenInJson(encodeCard(card))}\n`)),
      forceKillAfter: `${killAfterSeconds} seconds`
    })
    const forget = io.onExit(() => terminate(child.pid))
    yield* Effect.addFinalizer(() => Effect.sync(forget))
    const output = new TruncatedOutput(resultLimits)
    const complaint = new TruncatedOutput(reasonLimits)
    const decoder = new TextDecoder()
    const reading = yield* Effect.forkScoped(
      Effect.all(
        [
          Stream.runForEach(child.stdout, (chunk) => Effect.sync(() => output.add(chunk))),
          Stream.runForEach(child.stderr, (chunk) => {
            complaint.add(chunk)
            io.stderr.write(decoder.decode(chunk, { stream: true }))
            return io.stderr.drain
          })
        ],
        { concurrency: "unbounded" }
      )
    )
    const ended = yield* Effect.exit(child.exitCode)
    yield* Effect.timeoutOption(Fiber.await(reading), outputTimeout)
    if (Exit.isSuccess(ended) && Number(ended.value) === 0) {
      const text = output.text().replace(/[\r\n]+$/, "")
      return text === "" ? null : text
    }
    const how = Exit.isSuccess(ended) ? `exit code ${ended.value}` : describeEnd(ended)
    const why = complaint.text().trim()
    return yield* new CommandFailed({ message: why === "" ? how : `${how}: ${why}` })
  }, Effect.scoped)

const cardEnvironment = (card: Card) => ({
  BACKLOG_CARD_ID: card.id,
  BACKLOG_CARD_TITLE: card.title,
  BACKLOG_CARD_PHASE: card.phase ?? "",
  BACKLOG_CARD_PRIORITY: String(card.priority),
  BACKLOG_ATTEMPT: String(card.attempts),
  BACKLOG_OWNER: card.claimOwner ?? "",
  BACKLOG_CLAIM_TOKEN: String(card.claimToken)
})

/** All that is left of what a command began, when this process ends without waiting for it. */
const terminate = (pid: number): void => {
  try {
    process.kill(-pid, "SIGTERM")
  } catch {
    // It has ended.
  }
}

/** What is known of an end that has no exit code. */
const describeEnd = ({ cause }: Exit.Failure<unknown, unknown>): string =>
  `ended by ${/receipt of signal: '(SIG\w+)'/.exec(String(cause))?.[1] ?? "a signal"}`

/** The bytes that come first and last, where more come than are kept; between them it is said how many were left out. */
export class TruncatedOutput {
  readonly #headBytes: number
  readonly #tailBytes: number
  #head = Buffer.alloc(0)
  #tail = Buffer.alloc(0)
  #leftOut = 0

  constructor(limits: { readonly headBytes: number; readonly tailBytes: number }) {
    this.#headBytes = limits.headBytes
    this.#tailBytes = limits.tailBytes
  }

  add(chunk: Uint8Array): void {
    const room = this.#headBytes - this.#head.length
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)])
    if (chunk.length <= room) return
    const tail = Buffer.concat([this.#tail, chunk.subarray(Math.max(0, room))])
    const excess = Math.max(0, tail.length - this.#tailBytes)
    this.#leftOut += excess
    // A copy, so that the whole of a great chunk is not kept for a part of it.
    this.#tail = Buffer.from(tail.subarray(excess))
  }

  /** As text: what is no UTF-8, and NUL, which no database keeps, is replaced. */
  text(): string {
    if (this.#leftOut === 0) return decodeText(Buffer.concat([this.#head, this.#tail]))
    const note = `… ${this.#leftOut} bytes left out …`
    return [decodeText(this.#head), note, decodeText(this.#tail)].filter((part) => part !== "").join("\n")
  }
}

const decodeText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll("\u0000", "\ufffd")
