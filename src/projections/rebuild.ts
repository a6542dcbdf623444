import { Clock, Data, type DateTime, Duration, Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { EventLog } from "../events/EventLog.ts"
import { beginReadCommitted } from "../sql/inTransaction.ts"
import { createShadowTables, toSeconds, isLockConflict, limitLockWait } from "./shadowTables.ts"
import { makeReadModelBuilder } from "./ReadModelBuilder.ts"
import { makeCountsTable } from "./CardCounts.ts"
import { makeCardTables } from "./CardTables.ts"
import { findAddedObjects, swapTables } from "./swapTables.ts"

/** How far a rebuild is: events of the log while it builds and catches up. */
export interface RebuildProgress {
  readonly phase: "preparing" | "building" | "counting" | "catching up" | "swapping" | "swapped" | "verifying"
  readonly done: number
  readonly total: number
}

/** What a rebuild needs of what is around it. */
export interface RebuildContext {
  readonly sql: SqlClient.SqlClient
  readonly log: EventLog["Service"]
  readonly schema: string
  readonly now: Effect.Effect<DateTime.Utc, SqlError.SqlError>
  /** Makes a backlog's empty tables in an empty schema. */
  readonly createTables: (schema: string) => Effect.Effect<void, SqlError.SqlError>
  readonly onProgress: (progress: RebuildProgress) => Effect.Effect<void>
  /** How long to try to get hold of the tables for the swap. */
  readonly swapTimeout: Duration.Duration
}

/** What a rebuild did. */
export interface RebuildResult {
  /** The position that the read model was swapped at. */
  readonly position: number
  readonly cards: number
  /** How often it caught up with what was written meanwhile, before the swap. */
  readonly rounds: number
  /** How long the swap kept commands waiting, in milliseconds. */
  readonly swapMillis: number
}

/** Somebody else began a rebuild of the same backlog: that one goes on. Nothing was changed. */
export class RebuildSuperseded extends Schema.TaggedError<RebuildSuperseded>()("RebuildSuperseded", {
  schema: Schema.String
}) {
  override get message(): string {
    return `The rebuild of ${JSON.stringify(this.schema)} was superseded by another that began later. Nothing was changed.`
  }
}

/** Other transactions kept the read model's tables for too long, so the new ones were not swapped in. Nothing was changed. */
export class RebuildBlocked extends Schema.TaggedError<RebuildBlocked>()("RebuildBlocked", {
  schema: Schema.String,
  waitedSeconds: Schema.Finite
}) {
  override get message(): string {
    return (
      `The rebuilt tables of ${JSON.stringify(this.schema)} could not be swapped in for ${this.waitedSeconds} seconds, ` +
      "because other transactions kept the old ones. Nothing was changed. End long transactions, then rebuild again."
    )
  }
}

/** The tables have what a rebuild would not bring back. Nothing was changed. */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()("RebuildRefused", {
  schema: Schema.String,
  /** What was added to the tables or depends on them, as Postgres describes it. */
  added: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return (
      `A rebuild replaces the tables of the read model of ${JSON.stringify(this.schema)}, and would lose what was added ` +
      `to them: ${this.added.join(", ")}. Nothing was changed. Drop these, rebuild, and make them again.`
    )
  }
}

/** More was written than the swap itself may take in: it is to be tried again after catching up. */
class TooFarBehind extends Data.TaggedError("TooFarBehind") {}

/** Events that the swap itself may still have to take in at first, while commands wait: tenths of a second's work. */
const eventsLeftForSwap = 500

/** How long to let commands go on between two tries, at first and at most, in milliseconds. */
const pause = { first: 100, longest: 1_000 } as const

const cardsAtOnce = 500

/** The tables of a read model, in the order in which everybody locks them. */
const rebuiltTables = ["cards", "dependencies"] as const

/**
 * Builds the read model from the log in a schema beside the backlog's, catches up with what is written meanwhile, and
 * swaps the tables in one transaction that holds them and the head. Every step is a transaction of its own, and the
 * live tables are not touched before the swap: ended at any point, it leaves the backlog as it was, and at most the
 * schema beside it, which the next rebuild removes. Commands go on all the while, and wait during the swap only.
 */
export const rebuild = (context: RebuildContext) =>
  Effect.provideService(rebuildInShadow(context), SqlClient.BeginTransaction, beginReadCommitted)

const rebuildInShadow = Effect.fnUntraced(function* (context: RebuildContext) {
  const { log, onProgress, schema, sql } = context
  const live = makeCardTables(sql, schema)
  const counts = makeCountsTable(sql, schema)

  const refuseAdded = Effect.fnUntraced(function* (beside: string) {
    const added = yield* findAddedObjects(sql, schema, beside, rebuiltTables)
    if (added.length > 0) return yield* new RebuildRefused({ schema, added })
  })

  yield* onProgress({ phase: "preparing", done: 0, total: 0 })
  const { beside, end, step } = yield* createShadowTables({
    sql,
    schema,
    kind: "rebuild",
    createTables: context.createTables,
    check: refuseAdded,
    superseded: () => new RebuildSuperseded({ schema }),
    busy: () => new RebuildBlocked({ schema, waitedSeconds: 0 }),
    timeout: context.swapTimeout,
    blocked: (waitedSeconds) => new RebuildBlocked({ schema, waitedSeconds })
  })
  const tables = makeCardTables(sql, beside)
  const build = makeReadModelBuilder(sql, log, tables)

  const changedCards = (after: number, upTo: number) =>
    Effect.map(
      sql<{ readonly id: CardId }>`
        SELECT DISTINCT card_id AS id FROM ${sql(`${schema}.events`)}
        WHERE position > ${BigInt(after)}::int8 AND position <= ${BigInt(upTo)}::int8`,
      (rows) => rows.map(({ id }) => id)
    )

  const steps = Effect.gen(function* () {
    let position = (yield* log.head("read")).position
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
    yield* step(sql`ANALYZE ${tables.cards}, ${tables.dependencies}`)

    let rounds = 0
    let leftForSwap = eventsLeftForSwap
    /** Until little is left to the swap, or as little as ever, where commands come as fast as they can be taken in. */
    const catchUp = Effect.gen(function* () {
      for (let before = Number.POSITIVE_INFINITY; ;) {
        const head = (yield* log.head("read")).position
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
      // The tables before the head, as every command does: none that holds one of them waits for this.
      yield* sql`LOCK TABLE ${live.cards}, ${live.dependencies} IN ACCESS EXCLUSIVE MODE`
      const head = (yield* log.head("lock")).position
      if (head - position > leftForSwap) return yield* new TooFarBehind()
      yield* build.replaceCards(yield* changedCards(position, head), head, yield* context.now)
      yield* refuseAdded(beside)
      yield* swapTables(sql, schema, beside, rebuiltTables)
      yield* counts.recount
      yield* onProgress({ phase: "swapping", done: head, total: head })
      return head
    })

    const began = yield* Clock.currentTimeMillis
    for (let rest: number = pause.first; ;) {
      yield* catchUp
      yield* onProgress({ phase: "swapping", done: position, total: position })
      const asked = yield* Clock.currentTimeMillis
      const swappedAt = yield* Effect.catchIf(step(swap), isWorthAnotherTry, (error) =>
        Effect.sync(() => {
          // Where commands come faster than they can be taken in, they have to wait for longer: once.
          if (error instanceof TooFarBehind) leftForSwap *= 2
          else rest = Math.min(rest * 2, pause.longest)
        })
      )
      const now = yield* Clock.currentTimeMillis
      if (swappedAt !== undefined) {
        yield* onProgress({ phase: "swapped", done: swappedAt, total: swappedAt })
        return { position: swappedAt, cards, rounds, swapMillis: now - asked } satisfies RebuildResult
      }
      if (now - began >= Duration.toMillis(context.swapTimeout)) {
        return yield* new RebuildBlocked({ schema, waitedSeconds: toSeconds(now - began) })
      }
      yield* Effect.sleep(rest)
    }
  })

  return yield* Effect.ensuring(steps, end)
})

const isWorthAnotherTry = (error: unknown): error is TooFarBehind | SqlError.SqlError =>
  error instanceof TooFarBehind || isLockConflict(error)
