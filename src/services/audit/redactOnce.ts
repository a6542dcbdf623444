import { Effect, Result } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Redact } from "../../domain/Redaction.ts"
import { type CardNotFound, CommandIdConflict } from "../../domain/Rejection.ts"
import { inTransaction, beginReadCommitted } from "../../sql/inTransaction.ts"
import type { ReadFailure } from "../../projections/foldCards.ts"
import { digestsOf } from "../commands/commandDigests.ts"
import { cardsOf, receiptOf, type ReceiptOutcome } from "../commands/Receipt.ts"
import type { Receipts } from "../commands/Receipts.ts"
import type { ErasedCard } from "./redactCard.ts"

/** How often a redaction is tried that another under the same id was faster than. */
const maxTries = 8

/** Carries out a redaction, and once only when it carries an id: see `BacklogService`. */
export const redactOnce = (
  sql: SqlClient.SqlClient,
  receipts: Receipts["Service"],
  awaitStandby: Effect.Effect<unknown, SqlError.SqlError>,
  command: Redact,
  redaction: Effect.Effect<ErasedCard, CardNotFound | ReadFailure>
): Effect.Effect<ErasedCard, CardNotFound | CommandIdConflict | ReadFailure> => {
  const { commandId } = command
  if (commandId === undefined) return redaction
  const receipted = { ...command, _tag: "Redact" } as const

  const answerAgain = Effect.fnUntraced(function* (outcome: ReceiptOutcome) {
    if (outcome._tag === "Refused") return yield* outcome.rejection as CardNotFound
    const cardAt = yield* receipts.cardsAt(cardsOf(outcome))
    if (outcome._tag !== "Redacted") throw new Error("the receipt of a redaction is another command's")
    return { card: cardAt(outcome.card), erased: outcome.erased }
  })

  const once = Effect.gen(function* () {
    const found = (yield* receipts.find([receipted])).get(receipted)
    if (found !== undefined) {
      yield* awaitStandby
      if (!found.isSame) return Result.fail(new CommandIdConflict({ commandId }))
      return yield* withRefusalAsResult(answerAgain(found.outcome))
    }
    const redacted = yield* withRefusalAsResult(redaction)
    const outcome: ReceiptOutcome = Result.isFailure(redacted)
      ? { _tag: "Refused", rejection: redacted.failure }
      : {
          _tag: "Redacted",
          card: { id: redacted.success.card.id, version: redacted.success.card.version },
          erased: redacted.success.erased
        }
    yield* receipts.write([receiptOf(command, commandId, digestsOf(receipted), outcome)])
    return redacted
  }).pipe(
    inTransaction(sql),
    Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
    Effect.retry({ while: isUniqueViolation, times: maxTries - 1 })
  )
  return Effect.flatMap(once, (result) => Effect.fromResult<ErasedCard, CardNotFound | CommandIdConflict>(result))
}

/** A refusal as a value: it is recorded too, so it must not end the transaction. */
const withRefusalAsResult = <A>(redaction: Effect.Effect<A, CardNotFound | ReadFailure>) =>
  redaction.pipe(
    Effect.map((redacted): Result.Result<A, CardNotFound> => Result.succeed(redacted)),
    Effect.catchTag("CardNotFound", (refusal) => Effect.succeed(Result.fail(refusal)))
  )

const isUniqueViolation = (error: ReadFailure): boolean =>
  error._tag === "SqlError" && error.reason._tag === "UniqueViolation"
