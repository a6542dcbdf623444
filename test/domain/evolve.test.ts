import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Card } from "../../src/domain/Card.ts"
import { Event } from "../../src/domain/Event.ts"
import { evolve } from "../../src/domain/evolve.ts"
import { cardArbitrary, eventArbitrary, manyRuns, streamEventArbitrary } from "./arbitraries.ts"
import { at, created, type TimedEvent, id, on } from "./support.ts"

/** Folds the events of one card. */
const fold = (...events: ReadonlyArray<TimedEvent>): Card | undefined =>
  events.reduce<Card | undefined>(
    (card, occurred) => evolve(card, { ...occurred, actor: "ann", version: (card?.version ?? 0) + 1 }),
    undefined
  )

const creation = created("a", {
  title: "T",
  body: "B",
  phase: "P",
  priority: 3,
  dependsOn: [id("z"), id("b"), id("z")],
  acceptance: { tests: 1 },
  idempotencyKey: "k"
})

const newCard: Card = {
  id: id("a"),
  title: "T",
  body: "B",
  phase: "P",
  labels: [],
  priority: 3,
  status: "ready",
  dependsOn: [id("b"), id("z")],
  claimOwner: null,
  claimTtlSeconds: null,
  claimedAt: null,
  claimExpiresAt: null,
  claimToken: null,
  attempts: 0,
  notBefore: null,
  idempotencyKey: "k",
  acceptance: { tests: 1 },
  result: null,
  blockedReason: null,
  createdAt: at(0),
  updatedAt: at(0),
  completedAt: null,
  noteCount: 0,
  lastNote: null,
  version: 1
}

const encode = Schema.encodeSync(Card)

/** Compares cards as plain data, so that a failure prints times and not objects. */
const expectCard = (card: Card | undefined, expected: Card): void => {
  expect(card === undefined ? undefined : encode(card)).toStrictEqual(encode(expected))
}

describe("each event of a card", () => {
  const claimed = on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(2), generation: 0 }, at(1))
  const held = {
    ...newCard,
    status: "claimed",
    claimOwner: "w",
    claimTtlSeconds: 60,
    claimedAt: at(1),
    claimExpiresAt: at(2),
    claimToken: 2,
    attempts: 1,
    updatedAt: at(1),
    version: 2
  } as const
  const free = {
    ...held,
    status: "ready",
    claimOwner: null,
    claimTtlSeconds: null,
    claimedAt: null,
    claimExpiresAt: null,
    claimToken: null
  } as const

  it("CardCreated creates the card", () => {
    expectCard(fold(creation), newCard)
  })

  it("CardCreated with status done sets the completion time", () => {
    expectCard(fold(created("a", { status: "done" }, at(4))), {
      ...newCard,
      title: "A",
      body: null,
      phase: null,
      priority: 0,
      status: "done",
      dependsOn: [],
      acceptance: null,
      idempotencyKey: null,
      createdAt: at(4),
      updatedAt: at(4),
      completedAt: at(4)
    })
  })

  it("CardCreated with status blocked sets the reason", () => {
    const card = fold(created("a", { status: "blocked", blockedReason: "legal" }))
    expect([card?.status, card?.blockedReason, card?.completedAt]).toEqual(["blocked", "legal", null])
  })

  it("CardRevised changes its fields and no others", () => {
    expectCard(fold(creation, on("a", { _tag: "CardRevised", title: "T2", body: null }, at(1))), {
      ...newCard,
      title: "T2",
      body: null,
      updatedAt: at(1),
      version: 2
    })
  })

  it("CardClaimed sets the owner and a token that is its version", () => {
    expectCard(fold(creation, claimed), held)
  })

  it("ClaimRenewed changes the expiry and keeps the token and the start", () => {
    expectCard(
      fold(
        creation,
        claimed,
        on("a", { _tag: "ClaimRenewed", owner: "w", token: 2, ttlSeconds: 90, expiresAt: at(3) }, at(1.5))
      ),
      { ...held, claimTtlSeconds: 90, claimExpiresAt: at(3), updatedAt: at(1.5), version: 3 }
    )
  })

  it("CardReleased makes the card ready with a retry time", () => {
    expectCard(
      fold(
        creation,
        claimed,
        on("a", { _tag: "CardReleased", owner: "w", token: 2, reason: "r", notBefore: at(9) }, at(2))
      ),
      { ...free, notBefore: at(9), updatedAt: at(2), version: 3 }
    )
  })

  it("CardReclaimed makes the card ready at once", () => {
    expectCard(
      fold(
        creation,
        claimed,
        on("a", { _tag: "CardReclaimed", owner: "w", token: 2, expiresAt: at(2), why: "expired" }, at(3))
      ),
      { ...free, updatedAt: at(3), version: 3 }
    )
  })

  it("a second claim has a greater token, counts as an attempt and clears the retry time", () => {
    expectCard(
      fold(
        creation,
        claimed,
        on("a", { _tag: "CardReleased", owner: "w", token: 2, reason: null, notBefore: at(5) }, at(2)),
        on("a", { _tag: "CardClaimed", owner: "v", ttlSeconds: 900, expiresAt: at(21), generation: 0 }, at(6))
      ),
      {
        ...held,
        claimOwner: "v",
        claimTtlSeconds: 900,
        claimedAt: at(6),
        claimExpiresAt: at(21),
        claimToken: 4,
        attempts: 2,
        updatedAt: at(6),
        version: 4
      }
    )
  })

  it("CardLinked inserts a dependency in order, CardUnlinked removes it", () => {
    const linked = fold(creation, on("a", { _tag: "CardLinked", dependsOn: id("m") }, at(1)))
    expectCard(linked, { ...newCard, dependsOn: [id("b"), id("m"), id("z")], updatedAt: at(1), version: 2 })
    expectCard(
      fold(
        creation,
        on("a", { _tag: "CardLinked", dependsOn: id("m") }, at(1)),
        on("a", { _tag: "CardUnlinked", dependsOn: id("b") }, at(2))
      ),
      { ...newCard, dependsOn: [id("m"), id("z")], updatedAt: at(2), version: 3 }
    )
  })

  it("CardBlocked ends a claim, CardUnblocked makes the card ready", () => {
    const blocked = on("a", { _tag: "CardBlocked", reason: "legal", endedClaim: { owner: "w", token: 2 } }, at(2))
    expectCard(fold(creation, claimed, blocked), {
      ...free,
      status: "blocked",
      blockedReason: "legal",
      updatedAt: at(2),
      version: 3
    })
    expectCard(fold(creation, claimed, blocked, on("a", { _tag: "CardUnblocked", reason: "settled" }, at(3))), {
      ...free,
      updatedAt: at(3),
      version: 4
    })
  })

  it("CardBlocked clears the retry time", () => {
    const card = fold(
      creation,
      claimed,
      on("a", { _tag: "CardReleased", owner: "w", token: 2, reason: null, notBefore: at(9) }),
      on("a", { _tag: "CardBlocked", reason: null, endedClaim: null })
    )
    expect(card?.notBefore).toBeNull()
  })

  it("CardCompleted ends a claim and stores the result, CardReopened makes the card ready and clears the result", () => {
    const completed = on(
      "a",
      { _tag: "CardCompleted", result: { ok: true }, overrode: [], forced: false, claim: { owner: "w", token: 2 } },
      at(2)
    )
    expectCard(fold(creation, claimed, completed), {
      ...free,
      status: "done",
      result: { ok: true },
      completedAt: at(2),
      updatedAt: at(2),
      version: 3
    })
    expectCard(fold(creation, claimed, completed, on("a", { _tag: "CardReopened", reason: null }, at(3))), {
      ...free,
      updatedAt: at(3),
      version: 4
    })
  })

  it("CardCompleted clears the block reason and the retry time", () => {
    const completed = on("a", { _tag: "CardCompleted", result: null, overrode: [], forced: false, claim: null })
    expect(fold(created("a", { status: "blocked", blockedReason: "legal" }), completed)?.blockedReason).toBeNull()
    expect(
      fold(
        creation,
        claimed,
        on("a", { _tag: "CardReleased", owner: "w", token: 2, reason: null, notBefore: at(9) }),
        completed
      )?.notBefore
    ).toBeNull()
  })
})

describe("evolve is total", () => {
  const isCard = Schema.is(Card)

  it.prop("the arbitrary events are valid", [eventArbitrary], ([event]) => Schema.is(Event)(event), manyRuns)

  it.prop(
    "any event on any card returns a card with the event's version and time",
    [cardArbitrary, streamEventArbitrary],
    ([card, happened]) => {
      const before = encode(card)
      const after = evolve(card, happened)
      expect(encode(card)).toStrictEqual(before)
      if (happened.event._tag === "CardCreated") {
        expect(after).toBe(card)
      } else {
        expect(isCard(after)).toBe(true)
        expect([after?.id, after?.version, after?.updatedAt]).toEqual([card.id, happened.version, happened.occurredAt])
        expect([after?.createdAt, after?.idempotencyKey]).toEqual([card.createdAt, card.idempotencyKey])
      }
    },
    manyRuns
  )

  it.prop(
    "any event without a card creates a card or does nothing",
    [streamEventArbitrary],
    ([happened]) => {
      const after = evolve(undefined, happened)
      expect(after === undefined || isCard(after)).toBe(true)
      expect(after !== undefined).toBe(happened.event._tag === "CardCreated")
    },
    manyRuns
  )
})
