import { DateTime, Effect, Option } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { tables } from "../../support/backlogs.ts"
import { onBothDatabases, onServer } from "../../support/databases.ts"

/** Every combination of filters: each has a query of its own in the database's function. */
const filters = [
  { name: "without a filter", filter: {} },
  { name: "with a minimum priority", filter: { minPriority: 1 } },
  { name: "of a phase", filter: { phase: "build" } },
  { name: "of a phase with a minimum priority", filter: { phase: "build", minPriority: 1 } }
]

const utc = (text: string) => DateTime.makeUnsafe(text)

/** Cards that every filter matches, in no order, and their claim order: by priority, then age, then id. Old cards have great ids. */
const matching = [
  { id: "3 b", priority: 2 },
  { id: "9 old", priority: 1, occurredAt: utc("2020-01-01T00:00:00Z") },
  { id: "2 a", priority: 2 },
  { id: "6 a", priority: 1 },
  { id: "8 z", priority: 2, occurredAt: utc("2025-01-01T00:00:00Z") },
  { id: "4 c", priority: 2 },
  { id: "0 most", priority: 3 }
]
const order = ["0 most", "8 z", "2 a", "3 b", "4 c", "9 old", "6 a"]

/** Old cards with small ids that no filter but the first matches. */
const others = [
  { id: "00 other phase", phase: "test", priority: 0, occurredAt: utc("2000-01-01T00:00:00Z") },
  { id: "00 no phase", priority: -1, occurredAt: utc("2000-01-01T00:00:00Z") },
  { id: "00 little", phase: "build", priority: 0, occurredAt: utc("2000-01-01T00:00:00Z") }
]

const createCards = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.createMany({
    actor: "ann",
    cards: [...others, ...matching.map((card) => ({ phase: "build", ...card }))].map((card) => ({
      title: "T",
      ...card
    }))
  })
  return backlog
})

onBothDatabases("claims one by one", (test) => {
  for (const { filter, name } of filters) {
    test(
      `${name} are in the order of priority, age and id`,
      Effect.gen(function* () {
        const backlog = yield* createCards
        const claimed: Array<string> = []
        for (const _ of order) {
          const card = yield* backlog.claim({ owner: "w", actor: "w", ...filter })
          claimed.push(...Option.toArray(Option.map(card, ({ id }) => id)))
        }
        expect(claimed).toEqual(order)
      })
    )
  }

  test(
    "take other cards than the claims by id of the same batch",
    Effect.gen(function* () {
      const backlog = yield* createCards
      for (const { filter } of filters) {
        const claimed = yield* Effect.all(
          [
            backlog.claim({ id: "0 most", owner: "w", actor: "w" }),
            backlog.claim({ owner: "w", actor: "w", ...filter })
          ],
          { concurrency: "unbounded" }
        )
        expect(claimed.map(Option.map(({ id }) => String(id)))).toEqual([Option.some("0 most"), Option.some("8 z")])
        for (const { claimToken, id } of claimed.flatMap(Option.toArray)) {
          yield* backlog.release({ id, token: claimToken ?? 0, actor: "w" })
        }
      }
    })
  )
})

onServer("claims while other transactions hold cards", (test) => {
  for (const { filter, name } of filters) {
    test(
      `${name} take the best of the other cards, without waiting`,
      Effect.gen(function* () {
        const backlog = yield* createCards
        const sql = yield* SqlClient.SqlClient
        const { cards } = yield* tables
        const claimNext = Effect.map(
          backlog.claim({ owner: "w", actor: "w", ...filter }),
          Option.map(({ id }) => String(id))
        )
        // The claim uses another connection than the transaction that holds the cards.
        const whileHeld = yield* sql.withTransaction(
          Effect.andThen(
            sql`SELECT FROM ${cards} WHERE id IN ('0 most', '8 z', '3 b') FOR UPDATE`,
            outsideTransaction(Effect.timeout(claimNext, "20 seconds"))
          )
        )
        expect(whileHeld).toEqual(Option.some("2 a"))
        expect(yield* claimNext).toEqual(Option.some("0 most"))
      })
    )
  }
})

/** Runs an effect in a fiber of its own that does not take part in the caller's transaction. */
const outsideTransaction = <A, E>(effect: Effect.Effect<A, E>) => Effect.promise(() => Effect.runPromise(effect))
