import { Context, Effect, Layer, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import { compileOnce } from "../events/compileOnce.ts"
import { DatabaseClock, databaseNow, databaseTime } from "../events/DatabaseClock.ts"
import { durably } from "../events/durably.ts"
import { EventLog } from "../events/EventLog.ts"
import { fromJsonLines, jsonLines } from "../events/jsonLines.ts"
import { BacklogSchema } from "../events/SchemaName.ts"
import { foldEvent, type ReadFailure } from "../projections/foldCards.ts"
import { type CardAtVersion, type Receipt, ReceiptOutcome } from "./Receipt.ts"

/**
 * Receipts of the commands that carried an id. Written in the transaction of the events that they answer for, as the
 * last of it: of two that race under one id, the second waits for the first and is then refused by the key.
 */
export class Receipts extends Context.Service<
  Receipts,
  {
    /** The receipts that there are under some ids. */
    readonly find: (commandIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Receipt>, SqlError.SqlError>
    /** Writes receipts. An id that has one already is a unique violation. */
    readonly write: (receipts: ReadonlyArray<Receipt>) => Effect.Effect<void, SqlError.SqlError>
    /** Cards as they stood at a version each, from the log; what was erased since is erased here. */
    readonly cardsAt: (cards: ReadonlyArray<CardAtVersion>) => Effect.Effect<(of: CardAtVersion) => Card, ReadFailure>
    /** Removes the receipts that are older than so many seconds by the database's clock, and answers how many. */
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

      const findRows = compileOnce<{ readonly commandIds: string }, ReceiptRow>(
        sql,
        ({ commandIds }) => sql`
        SELECT command_id AS "commandId", encode(fingerprint, 'hex') AS fingerprint, outcome
        FROM ${receipts} WHERE command_id = ANY(${commandIds}::text[])`
      )

      const insertRows = compileOnce<NewReceipts>(
        sql,
        (row) => sql`
        INSERT INTO ${receipts} (command_id, fingerprint, outcome, recorded_at)
        SELECT command_id, decode(fingerprint, 'hex'), outcome::jsonb, ${databaseTime(sql, row.now)}
        FROM unnest(${row.commandIds}::text[], ${row.fingerprints}::text[], ${fromJsonLines(sql, row.outcomes)})
          AS row (command_id, fingerprint, outcome)
        RETURNING ${durably(sql)} AS "synchronousCommit"`
      )

      return Receipts.of({
        find: (commandIds) =>
          Effect.map(
            findRows({ commandIds: arrayLiteral(commandIds) }),
            (rows) => new Map(rows.map((row) => [row.commandId, { ...row, outcome: decodeOutcome(row.outcome) }]))
          ),
        write: (written) =>
          Effect.suspend(() => {
            const rows = written.toSorted((left, right) => (left.commandId < right.commandId ? -1 : 1))
            return Effect.asVoid(
              insertRows({
                commandIds: arrayLiteral(rows.map((row) => row.commandId)),
                fingerprints: arrayLiteral(rows.map((row) => row.fingerprint)),
                outcomes: jsonLines(rows.map((row) => JSON.stringify(encodeOutcome(row.outcome)))),
                now: clock.override()
              })
            )
          }),
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

interface ReceiptRow {
  readonly commandId: string
  readonly fingerprint: string
  readonly outcome: unknown
}

interface NewReceipts {
  readonly commandIds: string
  readonly fingerprints: string
  readonly outcomes: string
  readonly now: Date | null
}

const encodeBySchema = Schema.encodeSync(ReceiptOutcome)

/** All but refusals are JSON as they are. */
const encodeOutcome = (outcome: ReceiptOutcome): unknown =>
  outcome._tag === "Refused" ? encodeBySchema(outcome) : outcome

const decodeOutcome = Schema.decodeUnknownSync(ReceiptOutcome)

const keyOf = ({ id, version }: { readonly id: CardId; readonly version: number }): string => `${version} ${id}`
