import { Context, Effect, Layer, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import { EventLog } from "../../events/EventLog.ts"
import { foldEvent, type ReadFailure } from "../../projections/foldCards.ts"
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
import { DatabaseClock, databaseNow, databaseTime } from "../../sql/DatabaseClock.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { arrayLiteral, fromJsonLines, toJsonLines } from "../../sql/arrayLiteral.ts"
import { prepareStatement } from "../../sql/prepareStatement.ts"
import { requireDurableCommit } from "../../sql/inTransaction.ts"

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
    /** Finds the receipts of commands. Commands without an id or a receipt are omitted. */
    readonly find: <C extends ReceiptedCommand>(
      commands: ReadonlyArray<C>
    ) => Effect.Effect<ReadonlyMap<C, FoundReceipt>, SqlError.SqlError>
    /** Writes receipts. A second receipt of one actor with the same id is a unique violation. */
    readonly write: (receipts: ReadonlyArray<Receipt>) => Effect.Effect<void, SqlError.SqlError>
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

      const findRows = prepareStatement<{ readonly commandIds: string; readonly actors: string }, ReceiptRow>(
        sql,
        ({ actors, commandIds }) => sql`
        SELECT command_id AS "commandId", actor, kind, encode(shape, 'hex') AS shape, encode(salt, 'hex') AS salt,
          encode(digest, 'hex') AS digest, outcome
        FROM unnest(${commandIds}::text[], ${actors}::text[]) AS asked (command_id, actor)
          JOIN ${receipts} AS receipts USING (command_id, actor)`
      )

      const insertRows = prepareStatement<NewReceipts>(
        sql,
        (row) => sql`
        INSERT INTO ${receipts} (command_id, actor, kind, shape, salt, digest, outcome, recorded_at)
        SELECT command_id, actor, kind, decode(shape, 'hex'), decode(nullif(salt, ''), 'hex'),
          decode(nullif(digest, ''), 'hex'), outcome::jsonb, ${databaseTime(sql, row.now)}
        FROM unnest(${row.commandIds}::text[], ${row.actors}::text[], ${row.kinds}::text[], ${row.shapes}::text[],
            ${row.salts}::text[], ${row.digests}::text[], ${fromJsonLines(sql, row.outcomes)})
          AS row (command_id, actor, kind, shape, salt, digest, outcome)
        RETURNING ${requireDurableCommit(sql)} AS "synchronousCommit"`
      )

      const find = Effect.fnUntraced(function* <C extends ReceiptedCommand>(commands: ReadonlyArray<C>) {
        const found = new Map<C, FoundReceipt>()
        const identified = commands.filter((command): command is C & Identified => command.commandId !== undefined)
        if (identified.length === 0) return found
        const rows = yield* findRows({
          commandIds: arrayLiteral(identified.flatMap(({ commandId }) => [commandId, commandId])),
          actors: arrayLiteral(identified.flatMap(({ actor }) => [actor, anyActor]))
        })
        const byKey = new Map(rows.map((row) => [receiptKey(row), row]))
        for (const command of rows.length === 0 ? [] : identified) {
          const { commandId } = command
          const own = byKey.get(receiptKey(command))
          const row = own ?? byKey.get(receiptKey({ actor: anyActor, commandId }))
          if (row === undefined) continue
          const receipt = { ...row, outcome: decodeOutcome(row.outcome) }
          const isSame = matchesReceipt(receipt, computeDigests(command))
          // A receipt without an actor: only its digest, which covers the actor, shows that it is this actor's.
          if (own !== undefined || (isSame && row.digest !== null))
            found.set(command, { outcome: receipt.outcome, isSame })
        }
        return found
      })

      return Receipts.of({
        find,
        write: (written) =>
          Effect.suspend(() => {
            const rows = written.toSorted((left, right) =>
              left.commandId === right.commandId
                ? left.actor < right.actor
                  ? -1
                  : 1
                : left.commandId < right.commandId
                  ? -1
                  : 1
            )
            return Effect.asVoid(
              insertRows({
                commandIds: arrayLiteral(rows.map((row) => row.commandId)),
                actors: arrayLiteral(rows.map((row) => row.actor)),
                kinds: arrayLiteral(rows.map((row) => row.kind ?? "")),
                shapes: arrayLiteral(rows.map((row) => row.shape ?? "")),
                salts: arrayLiteral(rows.map((row) => row.salt ?? "")),
                digests: arrayLiteral(rows.map((row) => row.digest ?? "")),
                outcomes: toJsonLines(rows.map((row) => JSON.stringify(encodeOutcome(row.outcome)))),
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

/**
 * Removes every digest that can cover a text of a card from the receipts, in the caller's transaction: those of commands
 * whose outcome names the card, and those whose outcome names no card or is a refusal, since the log does not say which card
 * they named. Needs the privileges of the owner.
 */
export const forgetDigests = (sql: SqlClient.SqlClient, schema: string, id: CardId) => sql`
  UPDATE ${sql(`${schema}.receipts`)} SET salt = NULL, digest = NULL
  WHERE digest IS NOT NULL AND (
    NOT pg_catalog.jsonb_path_exists(outcome, '$.cards[*]') AND NOT pg_catalog.jsonb_path_exists(outcome, '$.card')
    OR pg_catalog.jsonb_path_exists(outcome, '$.cards[*] ? (@.id == $id)', pg_catalog.jsonb_build_object('id', ${id}::text))
    OR outcome #>> '{card,id}' = ${id} OR outcome #>> '{next,id}' = ${id})`

interface ReceiptRow extends Omit<Receipt, "outcome"> {
  readonly outcome: unknown
}

interface NewReceipts {
  readonly commandIds: string
  readonly actors: string
  readonly kinds: string
  readonly shapes: string
  readonly salts: string
  readonly digests: string
  readonly outcomes: string
  readonly now: Date | null
}

const encodeBySchema = Schema.encodeSync(ReceiptOutcome)

/** Every outcome except a refusal is JSON already. */
const encodeOutcome = (outcome: ReceiptOutcome): unknown =>
  outcome._tag === "Refused" ? encodeBySchema(outcome) : outcome

const decodeOutcome = Schema.decodeUnknownSync(ReceiptOutcome)

const keyOf = ({ id, version }: { readonly id: CardId; readonly version: number }): string => `${version} ${id}`
