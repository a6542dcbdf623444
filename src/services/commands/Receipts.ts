import { Context, Effect, Layer, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import { EventLog } from "../../events/EventLog.ts"
import { foldEvent, type ReadFailure } from "../../projections/foldCards.ts"
import type { ReceiptColumns, ReceiptName } from "../../projections/lockAndLoad.ts"
import {
  type CardAtVersion,
  computeDigests,
  type Identified,
  matchesReceipt,
  type Receipt,
  type ReceiptedCommand,
  receiptKey,
  ReceiptOutcome
} from "./Receipt.ts"
import { DatabaseClock, databaseNow } from "../../sql/DatabaseClock.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { jsonField, textField } from "../../sql/recordLines.ts"

/** The receipt of a command's id. */
export interface FoundReceipt {
  readonly outcome: ReceiptOutcome
  /** Whether it is of a command with the same content. If not, the id was used for another command. */
  readonly isSame: boolean
}

/** The actor in receipts of versions before 0.6, which did not record it. */
const anyActor = ""

/**
 * Receipts of commands with an id. A receipt is written in the transaction of the command's events, after all other locks.
 * When two commands race with one id, the second waits for the first and then violates the primary key.
 */
export class Receipts extends Context.Service<
  Receipts,
  {
    /** Reads cards as of a version from the log. Texts that were redacted since are redacted here. */
    readonly cardsAt: (cards: ReadonlyArray<CardAtVersion>) => Effect.Effect<(of: CardAtVersion) => Card, ReadFailure>
    /** Removes receipts that are older than this by the clock of the database, and returns how many. */
    readonly prune: (olderThanSeconds: number) => Effect.Effect<number, SqlError.SqlError>
  }
>()("mosaic-backlog/services/Receipts") {
  static readonly layer: Layer.Layer<Receipts, never, SqlClient.SqlClient | EventLog> = Layer.effect(
    Receipts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      const clock = yield* DatabaseClock
      const receipts = sql(`${yield* BacklogSchema}.receipts`)

      return Receipts.of({
        cardsAt: Effect.fnUntraced(function* (cards) {
          const wanted = new Set(cards.map(keyOf))
          const found = new Map<string, Card>()
          if (cards.length > 0) {
            const ids = [...new Set(cards.map(({ id }) => id))]
            let card: Card | undefined
            yield* Stream.runForEach(log.streams(Number.MAX_SAFE_INTEGER, ids), (stored) =>
              Effect.gen(function* () {
                card = yield* Effect.fromResult(foldEvent(card?.id === stored.cardId ? card : undefined, stored))
                if (card !== undefined && wanted.has(keyOf(card))) found.set(keyOf(card), card)
              })
            )
          }
          return (of) => {
            const card = found.get(keyOf(of))
            if (card === undefined) throw new Error(`the log has no version ${of.version} of card ${of.id}`)
            return card
          }
        }),
        prune: Effect.fnUntraced(function* (olderThanSeconds) {
          const rows = yield* sql<{ readonly pruned: number }>`
            WITH pruned AS (
              DELETE FROM ${receipts} WHERE recorded_at < ${databaseNow(sql, clock.override)} - make_interval(secs => ${olderThanSeconds}::float8)
              RETURNING 1)
            SELECT count(*)::int4 AS pruned FROM pruned`
          return rows[0]?.pruned ?? 0
        })
      })
    })
  )
}

/**
 * Removes every digest that can cover a text of a card from the receipts, in the caller's transaction. These are the digests
 * of commands whose outcome names the card, and of commands whose outcome names no card or is a refusal, because the log does
 * not record which card those named. Needs the privileges of the owner.
 */
export const forgetDigests = (sql: SqlClient.SqlClient, schema: string, id: CardId) => sql`
  UPDATE ${sql(`${schema}.receipts`)} SET salt = NULL, digest = NULL
  WHERE digest IS NOT NULL AND (
    NOT pg_catalog.jsonb_path_exists(outcome, '$.cards[*]') AND NOT pg_catalog.jsonb_path_exists(outcome, '$.card')
    OR pg_catalog.jsonb_path_exists(outcome, '$.cards[*] ? (@.id == $id)', pg_catalog.jsonb_build_object('id', ${id}::text))
    OR outcome #>> '{card,id}' = ${id} OR outcome #>> '{next,id}' = ${id})`

/** The receipts to load for commands with an id. */
export const receiptNames = (commands: ReadonlyArray<ReceiptedCommand>): ReadonlyArray<ReceiptName> =>
  commands.filter(isIdentified).flatMap(({ actor, commandId }) => [
    { commandId, actor },
    { commandId, actor: anyActor }
  ])

const isIdentified = <C extends ReceiptedCommand>(command: C): command is C & Identified =>
  command.commandId !== undefined

/** Finds the receipts of commands among the loaded ones. Commands without an id or a receipt are omitted. */
export const matchReceipts = <C extends ReceiptedCommand>(
  commands: ReadonlyArray<C>,
  loaded: ReadonlyArray<ReceiptColumns>
): ReadonlyMap<C, FoundReceipt> => {
  const found = new Map<C, FoundReceipt>()
  if (loaded.length === 0) return found
  const byKey = new Map(
    loaded.map(([commandId, actor, kind, shape, salt, digest, outcome]) => [
      receiptKey({ actor, commandId }),
      { kind, shape, salt, digest, outcome }
    ])
  )
  for (const command of commands.filter(isIdentified)) {
    const { commandId } = command
    const own = byKey.get(receiptKey(command))
    const row = own ?? byKey.get(receiptKey({ actor: anyActor, commandId }))
    if (row === undefined) continue
    const receipt = { ...row, outcome: decodeOutcome(row.outcome) }
    const isSame = matchesReceipt(receipt, computeDigests(command))
    // A receipt without an actor: only its digest, which covers the actor, shows that it is this actor's.
    if (own !== undefined || (isSame && row.digest !== null)) found.set(command, { outcome: receipt.outcome, isSame })
  }
  return found
}

/**
 * Formats receipts as records of the type `receipt_v1`, in the order in which every transaction locks them. A second receipt
 * of one actor with the same id is a unique violation.
 */
export const toReceiptLines = (receipts: ReadonlyArray<Receipt>): ReadonlyArray<string> =>
  receipts
    .toSorted((left, right) =>
      left.commandId === right.commandId
        ? left.actor < right.actor
          ? -1
          : 1
        : left.commandId < right.commandId
          ? -1
          : 1
    )
    .map(
      ({ actor, commandId, digest, kind, outcome, salt, shape }) =>
        `(${textField(commandId)},${textField(actor)},${kind ?? ""},${shape ?? ""},${salt ?? ""},${digest ?? ""},${jsonField(encodeOutcome(outcome))})`
    )

const encodeBySchema = Schema.encodeSync(ReceiptOutcome)

/** Every outcome except a refusal is JSON already. */
const encodeOutcome = (outcome: ReceiptOutcome): unknown =>
  outcome._tag === "Refused" ? encodeBySchema(outcome) : outcome

const decodeOutcome = Schema.decodeUnknownSync(ReceiptOutcome)

const keyOf = ({ id, version }: { readonly id: CardId; readonly version: number }): string => `${version} ${id}`
