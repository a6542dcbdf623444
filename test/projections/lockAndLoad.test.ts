import { Arbitrary, DateTime, Effect, Option, Schema } from "effect"
import { expect } from "vitest"
import { Card, maxToken, type Status } from "../../src/domain/Card.ts"
import { type CardId, compareIds } from "../../src/domain/CardId.ts"
import type { PendingEvent } from "../../src/events/eventLines.ts"
import { planLocks } from "../../src/projections/LockPlan.ts"
import { ReadModel } from "../../src/projections/ReadModel.ts"
import type { RowChange } from "../../src/projections/rowChanges.ts"
import { cardArbitrary } from "../domain/arbitraries.ts"
import { plain } from "../support/backlogs.ts"
import { onBothDatabases } from "../support/databases.ts"
import { plainCard } from "../support/plainCard.ts"
import { withReadModel, writeUnchecked } from "../support/readModel.ts"

const decodeCard = Schema.decodeSync(Card)

const claim = {
  claimOwner: 'w "1", (\\)',
  claimTtlSeconds: 900,
  claimedAt: "2026-01-01T00:00:00.001Z",
  claimExpiresAt: "2026-01-01T00:15:00.001Z",
  claimToken: 2
}

/** Values of the columns that may be null, each different from every other. */
const optional = {
  body: "body",
  phase: "phase",
  idempotencyKey: "key",
  blockedReason: "reason",
  acceptance: { a: [1, null] },
  result: "result",
  notBefore: "2026-01-02T03:04:05.678Z",
  completedAt: "2026-01-03T03:04:05.678Z"
}

const columns = Object.keys(optional) as ReadonlyArray<keyof typeof optional>

const hasColumn = (bits: number, name: keyof typeof optional): boolean => (bits & (1 << columns.indexOf(name))) !== 0

/** A card for each set of columns that are not null. */
const combinations = Array.from({ length: 2 ** columns.length }, (_, bits) => ({
  ...plainCard,
  ...Object.fromEntries(columns.filter((name) => hasColumn(bits, name)).map((name) => [name, optional[name]])),
  // Keys are unique.
  ...(hasColumn(bits, "idempotencyKey") ? { idempotencyKey: `key ${bits}` } : {}),
  ...(bits % 3 === 0 ? { status: "claimed" as const, ...claim } : {})
}))

const times = [
  "0001-01-01T00:00:00.000Z",
  "0999-12-31T23:59:59.999Z",
  "1969-12-31T23:59:59.999Z",
  "1970-01-01T00:00:00.000Z",
  "2000-02-29T12:00:00.010Z",
  "9999-12-31T23:59:59.999Z"
]

const atTime = (time: string) => ({
  ...plainCard,
  ...claim,
  status: "claimed" as const,
  claimedAt: time,
  claimExpiresAt: time,
  notBefore: time,
  createdAt: time,
  updatedAt: time,
  completedAt: time
})

const tokens = [1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, maxToken].map((claimToken) => ({
  ...plainCard,
  ...claim,
  status: "claimed" as const,
  claimToken
}))

/** Makes a card storable: the table has no claim without an owner, and the calendar has years of four digits. */
const toStorable = (card: Card, index: number): Card => {
  const inCalendar = (time: DateTime.Utc | null): DateTime.Utc | null =>
    time === null
      ? null
      : DateTime.makeUnsafe(Math.abs(time.epochMilliseconds) % Date.parse("9999-12-31T23:59:59.999Z"))
  const status: Status = index % 2 === 0 ? "claimed" : card.status === "claimed" ? "ready" : card.status
  const claimed = decodeCard({ ...plainCard, ...claim })
  return {
    ...card,
    status,
    ...(status === "claimed"
      ? {
          claimOwner: card.claimOwner ?? claimed.claimOwner,
          claimTtlSeconds: card.claimTtlSeconds ?? claimed.claimTtlSeconds,
          claimedAt: inCalendar(card.claimedAt ?? claimed.claimedAt),
          claimExpiresAt: inCalendar(card.claimExpiresAt ?? claimed.claimExpiresAt),
          claimToken: card.claimToken ?? claimed.claimToken
        }
      : { claimOwner: null, claimTtlSeconds: null, claimedAt: null, claimExpiresAt: null, claimToken: null }),
    notBefore: inCalendar(card.notBefore),
    createdAt: inCalendar(card.createdAt) ?? card.createdAt,
    updatedAt: inCalendar(card.updatedAt) ?? card.updatedAt,
    completedAt: inCalendar(card.completedAt),
    noteCount: card.lastNote === null ? 0 : 1 + (Math.abs(card.noteCount) % 1_000_000),
    lastNote:
      card.lastNote === null ? null : { ...card.lastNote, at: inCalendar(card.lastNote.at) ?? card.lastNote.at },
    idempotencyKey: card.idempotencyKey === null ? null : `${card.idempotencyKey.slice(0, 150)} ${index}`
  }
}

/** Gives each card an id of its own, keeps its edges, and orders these as a card has them. */
const distinguish = (cards: ReadonlyArray<Card>): ReadonlyArray<Card> =>
  cards.map((card, index) => ({
    ...card,
    id: `${card.id.slice(0, 150)} ${index}` as CardId,
    dependsOn: [...new Set(card.dependsOn)].sort(compareIds)
  }))

const eventOf = (card: Card): PendingEvent => ({
  cardId: card.id,
  event: { _tag: "CardUnblocked", reason: null },
  version: card.version,
  occurredAt: card.updatedAt,
  actor: "ann",
  correlationId: null,
  causationId: null,
  commandId: null
})

/** Writes the rows of cards: new rows, or the changed columns and the content of existing ones. */
const write = (cards: ReadonlyArray<Card>, versions: number, isNew: boolean) =>
  writeUnchecked({
    pending: cards.map((card) => ({ ...eventOf(card), version: versions })),
    createdCards: new Set(isNew ? cards.map(({ id }) => id) : []),
    changes: ({ state }) =>
      cards.flatMap((card): ReadonlyArray<RowChange> => {
        state.putCard(card, card.dependsOn.length)
        return [
          { _tag: "CardChanged", card, content: true, noted: true },
          ...(isNew ? card.dependsOn : []).map((dependsOnId): RowChange => ({
            _tag: "DependencyAdded",
            cardId: card.id,
            dependsOnId
          }))
        ]
      })
  })

/** Loads cards by the function and by the query. */
const load = (cards: ReadonlyArray<Card>) =>
  Effect.gen(function* () {
    const readModel = yield* ReadModel
    const { state } = yield* readModel.lockAndLoad({
      ...planLocks([]),
      cards: new Set(cards.map(({ id }) => id))
    })
    const queried = yield* Effect.forEach(cards, ({ id }) => readModel.get(id))
    return cards.map(({ id }, index) => {
      const byQuery = queried[index]?.value ?? Option.none()
      const loaded = state.card(id)
      return {
        loaded: loaded === undefined ? undefined : plain(loaded),
        queried: Option.isSome(byQuery) ? plain(byQuery.value) : undefined,
        unmetDependencies: state.unmetDependencies(id)
      }
    })
  })

/** Checks that cards are loaded as they were written, when they are created and when they are changed to one another. */
const checkLoading = (cards: ReadonlyArray<Card>) =>
  withReadModel(
    Effect.gen(function* () {
      const created = distinguish(cards)
      yield* write(created, 1, true)
      const expectLoaded = (expected: ReadonlyArray<Card>) =>
        Effect.map(load(expected), (found) => {
          expect(found).toEqual(
            expected.map((card) => ({
              loaded: plain(card),
              queried: plain(card),
              unmetDependencies: card.dependsOn.length
            }))
          )
        })
      yield* expectLoaded(created)
      // Ids, keys, edges and times of creation do not change.
      const changed = created.map(({ createdAt, dependsOn, id, idempotencyKey }, index) => ({
        ...(created[(index + 1) % created.length] as Card),
        createdAt,
        dependsOn,
        id,
        idempotencyKey
      }))
      yield* write(changed, 2, false)
      yield* expectLoaded(changed)
    })
  )

onBothDatabases("a card that the database's function loads", (test) => {
  test(
    "is the card that was written and that a query reads, with and without every optional value",
    checkLoading(combinations.map((card) => decodeCard(card)))
  )

  test(
    "has the times of its row, from the year 1 to the year 9999",
    checkLoading(times.map((time) => decodeCard(atTime(time))))
  )

  test("has the token of its row, to the greatest", checkLoading(tokens.map((card) => decodeCard(card))))

  test(
    "is the card that was written, for any texts and values",
    Effect.flatMap(
      Arbitrary.sampleEffect(cardArbitrary, { count: 100, size: 60, seed: 1, maxDiscards: 100_000 }),
      (cards) => checkLoading(cards.map(toStorable))
    )
  )
})
