import { Data, Effect, Schema } from "effect"
import { escapeHiddenInJson } from "../domain/displayText.ts"
import { Card } from "../index.ts"
import { HandlerUnusable } from "../worker/index.ts"
import type { cardVariables } from "./environmentVariables.ts"
import type { ProcessIO } from "./ProcessIO.ts"
import { type CommandEnd, runShellCommand } from "./runShellCommand.ts"

/** Bytes of standard output that become the card's result, from the start and from the end. */
const resultLimits = { headBytes: 32 * 1024, tailBytes: 32 * 1024 }

/** Bytes from the end of standard error that are part of a failure's reason. */
const reasonLimits = { headBytes: 0, tailBytes: 1024 }

/** Exit codes of a shell that cannot run a command: it is not executable, or not found. */
const notRunCodes: ReadonlySet<number | null> = new Set([126, 127])

/** The command ended with an exit code other than 0, or by a signal. */
class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}

const encodeCard = Schema.encodeSync(Schema.fromJsonString(Card))

/**
 * Returns a worker's handler that runs a shell command for each card. The command gets the card as JSON on standard input,
 * and its fields and the variables of `env` in its environment. With exit code 0 its standard output becomes the card's result; everything
 * else fails the attempt. Its standard error is copied to this program's. An interruption terminates the command and its
 * child processes.
 *
 * If the shell cannot run the command, the handler fails with `HandlerUnusable`. Once a command has succeeded, this fails only
 * the attempt, since it is due to the card. `stopsWorker` is whether it fails with this error at all.
 */
export const makeShellHandler = (
  command: string,
  { env, io, stopsWorker }: { readonly env: object; readonly io: ProcessIO["Service"]; readonly stopsWorker: boolean }
) => {
  let hasSucceeded = false
  return Effect.fnUntraced(function* (card: Card) {
    const output = new TruncatedOutput(resultLimits)
    const complaint = new TruncatedOutput(reasonLimits)
    const decoder = new TextDecoder()
    const ended = yield* runShellCommand(
      {
        command,
        env: { ...process.env, ...env, ...cardEnvironment(card) },
        input: `${escapeHiddenInJson(encodeCard(card))}\n`,
        onOutput: (chunk) => output.add(chunk),
        onErrorOutput: (chunk) => {
          complaint.add(chunk)
          io.stderr.write(decoder.decode(chunk, { stream: true }))
          return Effect.ignore(io.stderr.drain)
        }
      },
      io.onExit
    )
    if (ended.code === 0) {
      hasSucceeded = true
      const text = output.text().replace(/[\r\n]+$/, "")
      return text === "" ? null : text
    }
    const how = describeEnd(ended)
    const why = complaint.text().trim()
    const message = why === "" ? how : `${how}: ${why}`
    return yield* stopsWorker && !hasSucceeded && notRunCodes.has(ended.code)
      ? new HandlerUnusable({ reason: message })
      : new CommandFailed({ message })
  })
}

const cardEnvironment = (card: Card): Readonly<Record<keyof typeof cardVariables, string>> => ({
  BACKLOG_CARD_ID: card.id,
  BACKLOG_CARD_TITLE: card.title,
  BACKLOG_CARD_PHASE: card.phase ?? "",
  // A label contains no line feed.
  BACKLOG_CARD_LABELS: card.labels.join("\n"),
  BACKLOG_CARD_PRIORITY: String(card.priority),
  BACKLOG_ATTEMPT: String(card.attempts),
  BACKLOG_OWNER: card.claimOwner ?? "",
  BACKLOG_CLAIM_TOKEN: String(card.claimToken)
})

const describeEnd = ({ code, signal }: CommandEnd): string =>
  code === null ? `ended by ${signal ?? "a signal"}` : `exit code ${code}`

/**
 * Keeps the first and the last bytes of an output, whole UTF-8 characters of them, and reports how many bytes between them were
 * left out.
 */
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
    // Copies, because a view would keep the whole chunk in memory.
    this.#tail = Buffer.from(tail.subarray(excess))
  }

  /** Returns the kept bytes as text. Replaces invalid UTF-8, and NUL, which Postgres does not store. */
  text(): string {
    if (this.#leftOut === 0) return decodeText(Buffer.concat([this.#head, this.#tail]))
    const head = this.#head.subarray(0, this.#head.length - incompleteBytes(this.#head))
    const tail = this.#tail.subarray(continuationBytes(this.#tail))
    const leftOut = this.#leftOut + this.#head.length - head.length + this.#tail.length - tail.length
    return [decodeText(head), `… ${leftOut} bytes left out …`, decodeText(tail)]
      .filter((part) => part !== "")
      .join("\n")
  }
}

/** The number of bytes at the end that begin a UTF-8 character without completing it. */
const incompleteBytes = (bytes: Uint8Array): number => {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0
    if (isContinuation(byte)) continue
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return wanted > length ? length : 0
  }
  return 0
}

/** The number of bytes at the beginning that continue a UTF-8 character: at most three. */
const continuationBytes = (bytes: Uint8Array): number => {
  let length = 0
  while (length < 3 && isContinuation(bytes[length] ?? 0)) length++
  return length
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80

const decodeText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll("\u0000", "\ufffd")
