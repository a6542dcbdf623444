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

/** What a command's receipt says: the outcome that the command had, or that its id was used for another command. */
export interface FoundReceipt {
  readonly outcome: ReceiptOutcome
  readonly isSame: boolean
}

/** The actor of receipts of which an older program did not record whose they are. */
const anyActor = ""

/**
 * Receipts of the commands that carried an id. Written in the transaction of the events that they answer for, as the
 * last of it: of two that race under one id, the second waits for the first and is then refused by the key.
 */
export class Receipts extends Context.Service<
  Receipts,
  {
    /** What the receipts of some commands' actors say of these commands. Commands without an id or a receipt are left out. */
    readonly find: <C extends ReceiptedCommand>(
      commands: ReadonlyArray<C>
    ) => Effect.Effect<ReadonlyMap<C, FoundReceipt>, SqlError.SqlError>
    /** Writes receipts. A second one of an actor under the same id is a unique violation. */
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
          // Its digest covers the actor. Where it differs or was erased the receipt may be another actor's; it had no events.
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
 * Removes, from receipts, every digest that can cover a text of a card, in the caller's transaction: of the commands whose
 * outcome names the card, and of those whose outcome names none or is a refusal, since the log does not say what was in
 * them. Needs the rights of the owner.
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

/** All but refusals are JSON as they are. */
const encodeOutcome = (outcome: ReceiptOutcome): unknown =>
  outcome._tag === "Refused" ? encodeBySchema(outcome) : outcome

const decodeOutcome = Schema.decodeUnknownSync(ReceiptOutcome)

const keyOf = ({ id, version }: { readonly id: CardId; readonly version: number }): string => `${version} ${id}`
