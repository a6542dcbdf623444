import { Clock, type DateTime, Duration, Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { EventLog } from "../events/EventLog.ts"
import type { ReadGate } from "../events/ReadGate.ts"
import { makeCountsTable } from "./CardCounts.ts"
import { makeCardTables } from "./CardTables.ts"
import { resetClaimsFrom } from "./claimsFrom.ts"
import { makeReadModelBuilder } from "./ReadModelBuilder.ts"
import { createShadowTables, isRetryable, limitLockWait, TooFarBehind, toSeconds } from "./shadowTables.ts"
import { findAddedObjects, swapTables } from "./swapTables.ts"
import { placeTables } from "./tableSettings.ts"
import { beginReadCommitted } from "../sql/inTransaction.ts"

/** The progress of a rebuild. While it builds and catches up, `done` and `total` count events of the log. */
export interface RebuildProgress {
  readonly phase: "preparing" | "building" | "counting" | "catching up" | "swapping" | "swapped" | "verifying"
  readonly done: number
  readonly total: number
}

/** The services and options of a rebuild. */
export interface RebuildContext {
  readonly sql: SqlClient.SqlClient
  readonly log: EventLog["Service"]
  /** Positions are reported as progress. */
  readonly gate: ReadGate["Service"]
  readonly schema: string
  readonly now: Effect.Effect<DateTime.Utc, SqlError.SqlError>
  /** Creates the empty tables of a backlog in an empty schema. */
  readonly createTables: (schema: string) => Effect.Effect<void, SqlError.SqlError>
  readonly onProgress: (progress: RebuildProgress) => Effect.Effect<void>
  /** Maximum time to try to lock the tables for the swap. */
  readonly swapTimeout: Duration.Duration
}

/** The result of a rebuild. */
export interface RebuildResult {
  /** The last event in the read model at the swap. */
  readonly position: number
  readonly cards: number
  /** The number of times that it caught up with new events before the swap. */
  readonly rounds: number
  /** The time that commands waited for the swap, in milliseconds. */
  readonly swapMillis: number
}

/**
 * Another process began a rebuild of the same backlog, which continues, or a redaction ended this one because it had done nothing for
 * 15 seconds. Nothing was changed.
 *
 * What to do: wait for the other rebuild, or start it again if there is none.
 */
export class RebuildSuperseded extends Schema.TaggedError<RebuildSuperseded>()("RebuildSuperseded", {
  schema: Schema.String
}) {
  override get message(): string {
    const name = JSON.stringify(this.schema)
    return `The rebuild of ${name} was superseded by a later one, or was too slow and was ended by a redaction. Nothing was changed.`
  }
}

/**
 * Other transactions locked the tables of the read model for too long, so the new ones were not swapped in. Nothing was changed.
 *
 * What to do: end the long transactions that use the tables, and repeat the rebuild.
 */
export class RebuildBlocked extends Schema.TaggedError<RebuildBlocked>()("RebuildBlocked", {
  schema: Schema.String,
  waitedSeconds: Schema.Finite
}) {
  override get message(): string {
    return (
      `The rebuilt tables of ${JSON.stringify(this.schema)} could not be swapped in for ${this.waitedSeconds} seconds, ` +
      "because other transactions locked the old ones. Nothing was changed. End long transactions, then rebuild again."
    )
  }
}

/**
 * The tables have additions that a rebuild would lose. Nothing was changed.
 *
 * What to do: drop what `added` lists, rebuild, and create it again.
 */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()("RebuildRefused", {
  schema: Schema.String,
  /** The additions to the tables and the objects that depend on them, as Postgres describes them. */
  added: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return (
      `A rebuild replaces the tables of the read model of ${JSON.stringify(this.schema)} and would lose these additions ` +
      `to them: ${this.added.join(", ")}. Nothing was changed. Drop them, rebuild, and create them again.`
    )
  }
}

/** New events that the swap may take in at first, while commands wait: tenths of a second of work. */
const eventsLeftForSwap = 500

/** The time between two tries of the swap, at first and at most, in milliseconds. Commands continue meanwhile. */
const retryDelay = { first: 100, longest: 1_000 } as const

const cardsAtOnce = 500

/** The tables of a read model, in the order in which they are locked. */
const rebuiltTables = ["cards", "dependencies", "card_search", "claimable_labels"] as const

/**
 * Builds the read model from the log in shadow tables, catches up with new events, and swaps the tables in one transaction
 * that locks them and the head. Every step is a transaction of its own, and the live tables do not change before the swap.
 * If it ends at any point before the swap, the backlog is as it was, and at most the shadow schema is left, which the next
 * rebuild drops. Commands continue, and wait only during the swap (decision 12).
 */
export const rebuild = (context: RebuildContext) =>
  Effect.provideService(rebuildInShadow(context), SqlClient.BeginTransaction, beginReadCommitted)

const rebuildInShadow = Effect.fnUntraced(function* (context: RebuildContext) {
  const { gate, log, onProgress, schema, sql } = context
  const live = makeCardTables(sql, schema)
  const counts = makeCountsTable(sql, schema)

  const refuseAdded = Effect.fnUntraced(function* (shadow: string) {
    const added = yield* findAddedObjects(sql, schema, shadow, rebuiltTables)
    if (added.length > 0) return yield* new RebuildRefused({ schema, added })
  })

  yield* onProgress({ phase: "preparing", done: 0, total: 0 })
  const { shadow, end, step } = yield* createShadowTables({
    sql,
    schema,
    kind: "rebuild",
    createTables: (made) => Effect.andThen(context.createTables(made), placeTables(sql, schema, made, rebuiltTables)),
    check: refuseAdded,
    superseded: () => new RebuildSuperseded({ schema }),
    busy: () => new RebuildBlocked({ schema, waitedSeconds: 0 }),
    timeout: context.swapTimeout,
    blocked: (waitedSeconds) => new RebuildBlocked({ schema, waitedSeconds })
  })
  const tables = makeCardTables(sql, shadow)
  const build = makeReadModelBuilder(sql, log, tables)

  const changedCards = (after: number, upTo: number) =>
    Effect.map(
      sql<{ readonly id: CardId }>`
        SELECT DISTINCT card_id AS id FROM ${sql(`${schema}.events`)}
        WHERE position > ${BigInt(after)}::int8 AND position <= ${BigInt(upTo)}::int8`,
      (rows) => rows.map(({ id }) => id)
    )

  const steps = Effect.gen(function* () {
    let position = (yield* gate.end).position
    const total = position
    let cards = 0
    let done = 0
    yield* onProgress({ phase: "building", done, total })
    yield* build.insertAll(position, yield* context.now, (insertion, folded) =>
      Effect.gen(function* () {
        yield* step(insertion)
        cards += folded.length
        for (const { card } of folded) done += card.version
        yield* onProgress({ phase: "building", done: Math.min(done, total), total })
      })
    )
    yield* onProgress({ phase: "counting", done: total, total })
    yield* step(build.countUnmet)
    yield* step(sql`ANALYZE ${tables.cards}, ${tables.dependencies}, ${tables.search}, ${tables.claimableLabels}`)

    let rounds = 0
    let leftForSwap = eventsLeftForSwap
    /** Catches up until few events are left to the swap, or until a round no longer halves them. */
    const catchUp = Effect.gen(function* () {
      for (let before = Number.POSITIVE_INFINITY; ;) {
        const head = (yield* gate.end).position
        const behind = head - position
        const little = before === Number.POSITIVE_INFINITY ? 0 : eventsLeftForSwap / 4
        if (behind <= little || behind > before / 2) return
        before = behind
        rounds++
        yield* onProgress({ phase: "catching up", done: position, total: head })
        const ids = yield* changedCards(position, head)
        for (let start = 0; start < ids.length; start += cardsAtOnce) {
          const now = yield* context.now
          yield* step(build.replaceCards(ids.slice(start, start + cardsAtOnce), head, now))
        }
        position = head
      }
    })

    const swap = Effect.gen(function* () {
      yield* limitLockWait(sql)
      // The tables before the head, as in every command, so no command that has locked a table waits for this.
      yield* sql`LOCK TABLE ${live.cards}, ${live.dependencies}, ${live.search}, ${live.claimableLabels} IN ACCESS EXCLUSIVE MODE`
      const head = (yield* log.head("lock")).position
      if (head - position > leftForSwap) return yield* new TooFarBehind()
      yield* build.replaceCards(yield* changedCards(position, head), head, yield* context.now)
      yield* refuseAdded(shadow)
      yield* swapTables(sql, schema, shadow, rebuiltTables)
      yield* counts.recount
      yield* resetClaimsFrom(sql, schema)
      // They are written again in the background.
      yield* sql`DELETE FROM ${sql(`${schema}.keyframes`)}`
      yield* onProgress({ phase: "swapping", done: head, total: head })
      return head
    })

    const began = yield* Clock.currentTimeMillis
    for (let delay: number = retryDelay.first; ;) {
      yield* catchUp
      yield* onProgress({ phase: "swapping", done: position, total: position })
      const swapBegan = yield* Clock.currentTimeMillis
      const swappedAt = yield* Effect.catchIf(step(swap), isRetryable, (error) =>
        Effect.sync(() => {
          // Commands write faster than a rebuild catches up: they wait longer, once.
          if (error instanceof TooFarBehind) leftForSwap *= 2
          else delay = Math.min(delay * 2, retryDelay.longest)
        })
      )
      const now = yield* Clock.currentTimeMillis
      if (swappedAt !== undefined) {
        yield* onProgress({ phase: "swapped", done: swappedAt, total: swappedAt })
        return { position: swappedAt, cards, rounds, swapMillis: now - swapBegan } satisfies RebuildResult
      }
      if (now - began >= Duration.toMillis(context.swapTimeout)) {
        return yield* new RebuildBlocked({ schema, waitedSeconds: toSeconds(now - began) })
      }
      yield* Effect.sleep(delay)
    }
  })

  return yield* Effect.ensuring(steps, end)
})
