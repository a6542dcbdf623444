import { Data, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { escapeHiddenInJson } from "../domain/displayText.ts"
import { Card } from "../index.ts"
import { HeadAndTail } from "./HeadAndTail.ts"
import type { Host } from "./Host.ts"

/** How long a command that was told to end may take before it is killed, in seconds. */
export const killAfterSeconds = 5

/** How long output is still waited for when the command has ended and something that it began has not. */
const lastOutput = "2 seconds"

/** Bytes of standard output that become the card's result: as many from its beginning as from its end. */
const resultLimits = { headBytes: 32 * 1024, tailBytes: 32 * 1024 }

/** Bytes from the end of standard error that are told with a failure. */
const complaintLimits = { headBytes: 0, tailBytes: 1024 }

/** The command did not end with 0. */
class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}

const encodeCard = Schema.encodeSync(Schema.fromJsonString(Card))

/**
 * Works on cards by a command of the shell: the card is its standard input, as JSON, and is in its environment; its standard
 * output is the result when it ends with 0. Whatever else becomes of it fails the attempt. Its standard error is this
 * program's. When it is interrupted, it and all that it began is told to end, and killed after a while.
 */
export const commandHandler = (command: string, host: Host["Service"]) =>
  Effect.fnUntraced(function* (card: Card) {
    const child = yield* ChildProcess.make(command, {
      shell: true,
      extendEnv: true,
      env: environmentOf(card),
      stdin: Stream.make(new TextEncoder().encode(`${escapeHiddenInJson(encodeCard(card))}\n`)),
      forceKillAfter: `${killAfterSeconds} seconds`
    })
    const forget = host.atExit(() => terminate(child.pid))
    yield* Effect.addFinalizer(() => Effect.sync(forget))
    const output = new HeadAndTail(resultLimits)
    const complaint = new HeadAndTail(complaintLimits)
    const decoder = new TextDecoder()
    const reading = yield* Effect.forkScoped(
      Effect.all(
        [
          Stream.runForEach(child.stdout, (chunk) => Effect.sync(() => output.add(chunk))),
          Stream.runForEach(child.stderr, (chunk) => {
            complaint.add(chunk)
            host.stderr.write(decoder.decode(chunk, { stream: true }))
            return host.stderr.drained
          })
        ],
        { concurrency: "unbounded" }
      )
    )
    const ended = yield* Effect.exit(child.exitCode)
    yield* Effect.timeoutOption(Fiber.await(reading), lastOutput)
    if (Exit.isSuccess(ended) && Number(ended.value) === 0) {
      const text = output.text().replace(/[\r\n]+$/, "")
      return text === "" ? null : text
    }
    const how = Exit.isSuccess(ended) ? `exit code ${ended.value}` : endOf(ended)
    const why = complaint.text().trim()
    return yield* new CommandFailed({ message: why === "" ? how : `${how}: ${why}` })
  }, Effect.scoped)

const environmentOf = (card: Card) => ({
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
const endOf = ({ cause }: Exit.Failure<unknown, unknown>): string =>
  `ended by ${/receipt of signal: '(SIG\w+)'/.exec(String(cause))?.[1] ?? "a signal"}`
