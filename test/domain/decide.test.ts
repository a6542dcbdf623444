import { describe, expect, it } from "@effect/vitest"
import type { CardId } from "../../src/domain/CardId.ts"
import { Command, type CommandOf } from "../../src/domain/Command.ts"
import type { DecidedEvent } from "../../src/domain/Event.ts"
import {
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  ClaimLost,
  DependencyCycle,
  DependencyNotFound,
  type Rejection,
  SelfDependency
} from "../../src/domain/Rejection.ts"
import { at, backlogAfter, created, given, type TimedEvent, id, on, type Order } from "./support.ts"

/*
 * Every command on a card in every state. The card is `x`. The time is ten past nine. w0 claimed and released the card
 * earlier, so token 2 is stale. There is also the card `dep`, which is blocked. The expectations are from the design, not from
 * running the program.
 */

const columns = ["missing", "ready", "waiting", "deferred", "claimed", "expired", "blocked", "done"] as const

type CardState = (typeof columns)[number]

/** `x` was created, claimed by w0 (version and token 2) and released (version 3). */
const tried = (notBefore: Parameters<typeof at>[0] | null = null): ReadonlyArray<TimedEvent> => [
  created("dep", { status: "blocked" }),
  created("x", { idempotencyKey: "key of x" }),
  on("x", { _tag: "CardClaimed", owner: "w0", ttlSeconds: 60, expiresAt: at(2), generation: 0 }, at(1)),
  on(
    "x",
    { _tag: "CardReleased", owner: "w0", token: 2, reason: null, notBefore: notBefore === null ? null : at(notBefore) },
    at(1)
  )
]

const histories: Readonly<Record<CardState, ReadonlyArray<TimedEvent>>> = {
  missing: [created("dep", { status: "blocked" })],
  ready: tried(),
  waiting: [...tried(), on("x", { _tag: "CardLinked", dependsOn: id("dep") }, at(3))],
  deferred: tried(60),
  claimed: [
    ...tried(),
    on("x", { _tag: "CardClaimed", owner: "w1", ttlSeconds: 900, expiresAt: at(20), generation: 0 }, at(5))
  ],
  expired: [
    ...tried(),
    on("x", { _tag: "CardClaimed", owner: "w1", ttlSeconds: 60, expiresAt: at(6), generation: 0 }, at(5))
  ],
  blocked: [...tried(), on("x", { _tag: "CardBlocked", reason: "legal", endedClaim: null }, at(5))],
  done: [...tried(), on("x", { _tag: "CardCompleted", result: 1, overrode: [], forced: false, claim: null }, at(5))]
}

const orders: Readonly<Record<string, Order>> = {
  "Create x": { _tag: "Create", id: "x", title: "New" },
  "Create x, with x's key": { _tag: "Create", id: "x", title: "New", idempotencyKey: "key of x" },
  "Create x, with a new key": { _tag: "Create", id: "x", title: "New", idempotencyKey: "new key" },
  "Create y, with x's key": { _tag: "Create", id: "y", title: "New", idempotencyKey: "key of x" },
  "Create x on itself": { _tag: "Create", id: "x", title: "New", dependsOn: ["x"] },
  "CreateMany y and x": {
    _tag: "CreateMany",
    cards: [
      { id: "y", title: "New" },
      { id: "x", title: "New" }
    ]
  },
  "Revise to other values": { _tag: "Revise", id: "x", title: "Other", priority: 7, body: "b" },
  "Revise to the same values": { _tag: "Revise", id: "x", title: "X", priority: 0, body: null },
  "Revise nothing": { _tag: "Revise", id: "x" },
  "Revise labels": { _tag: "Revise", id: "x", addLabels: ["new", "b"], removeLabels: ["none"] },
  "Revise to a later time": { _tag: "Revise", id: "x", notBefore: at(90) },
  "Note, no token": { _tag: "Note", id: "x", text: "found" },
  "Note, token 4": { _tag: "Note", id: "x", text: "found", token: 4 },
  "Note, token 2": { _tag: "Note", id: "x", text: "found", token: 2 },
  "Renew, token 4, with a note": { _tag: "Renew", id: "x", token: 4, note: "found" },
  "Claim the next": { _tag: "Claim", owner: "w2" },
  "Claim x": { _tag: "Claim", owner: "w2", id: "x" },
  "Claim the next, priority 1": { _tag: "Claim", owner: "w2", minPriority: 1 },
  "Claim many": { _tag: "ClaimMany", owner: "w2", limit: 2 },
  "Renew, token 4": { _tag: "Renew", id: "x", token: 4 },
  "Renew, token 4, 5 s": { _tag: "Renew", id: "x", token: 4, ttlSeconds: 5 },
  "Renew, token 2": { _tag: "Renew", id: "x", token: 2 },
  "Release, token 4": { _tag: "Release", id: "x", token: 4, reason: "stuck" },
  "Release for 60 s, token 4": { _tag: "Release", id: "x", token: 4, retryAfterSeconds: 60 },
  "Release for 0 s, token 4": { _tag: "Release", id: "x", token: 4, retryAfterSeconds: 0 },
  "Release, token 2": { _tag: "Release", id: "x", token: 2 },
  "Reclaim all expired": { _tag: "Reclaim" },
  "Reclaim x": { _tag: "Reclaim", id: "x" },
  "Link x to dep": { _tag: "Link", from: "x", to: "dep" },
  "Link x to nothing": { _tag: "Link", from: "x", to: "nothing" },
  "Link x to x": { _tag: "Link", from: "x", to: "x" },
  "Unlink x from dep": { _tag: "Unlink", from: "x", to: "dep" },
  "Unlink x from nothing": { _tag: "Unlink", from: "x", to: "nothing" },
  "Block, for spam": { _tag: "Block", id: "x", reason: "spam" },
  "Block, for legal": { _tag: "Block", id: "x", reason: "legal" },
  "Block, for no reason": { _tag: "Block", id: "x" },
  "Block, token 4": { _tag: "Block", id: "x", token: 4, reason: "legal" },
  "Block, token 2": { _tag: "Block", id: "x", token: 2, reason: "legal" },
  Unblock: { _tag: "Unblock", id: "x", reason: "settled" },
  Complete: { _tag: "Complete", id: "x", result: { ok: true } },
  "Complete, token 4": { _tag: "Complete", id: "x", token: 4 },
  "Complete, token 2": { _tag: "Complete", id: "x", token: 2 },
  "Complete, forced": { _tag: "Complete", id: "x", force: true },
  "Complete, forced, token 2": { _tag: "Complete", id: "x", force: true, token: 2 },
  Reopen: { _tag: "Reopen", id: "x", reason: "not good enough" }
}

/*
 * `-` means accepted without an event. A word in capitals is a rejection. Any other word is a list of events: see `outcomes`.
 *
 * Cases that the design does not specify:
 *  - Unblock of a card that is neither blocked nor done, and Reopen of a card that is not done: no event.
 *  - Renew and Release of a card that does not exist: NotFound.
 *  - Create on itself with a used id: refused for the used id. Link of a missing card to itself: NotFound.
 *  - An expired claim remains valid until it is reclaimed: its token still renews, releases and completes.
 *  - Complete with a token of a card that is not claimed: ClaimLost, because the caller assumes a claim.
 *  - Block of a blocked card for another reason: an event with that reason.
 *  - Links and revisions of done cards work like those of any other card.
 */
const table = `
                          | missing  | ready     | waiting   | deferred  | claimed   | expired   | blocked   | done
Create x                  | created  | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS
Create x, with x's key    | created  | -         | -         | -         | -         | -         | -         | -
Create x, with a new key  | created  | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS
Create y, with x's key    | created  | -         | -         | -         | -         | -         | -         | -
Create x on itself        | SELF     | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS
CreateMany y and x        | both     | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS    | EXISTS
Revise to other values    | NOTFOUND | revised   | revised   | revised   | revised   | revised   | revised   | revised
Revise to the same values | NOTFOUND | -         | -         | -         | -         | -         | -         | -
Revise nothing            | NOTFOUND | -         | -         | -         | -         | -         | -         | -
Revise labels             | NOTFOUND | labelled  | labelled  | labelled  | labelled  | labelled  | labelled  | labelled
Revise to a later time    | NOTFOUND | putLater  | putLater  | putLater  | HELD      | HELD      | putLater  | putLater
Note, no token            | NOTFOUND | noted     | noted     | noted     | noted     | noted     | noted     | noted
Note, token 4             | NOTFOUND | LOST      | LOST      | LOST      | notedHeld | notedHeld | LOST      | LOST
Note, token 2             | NOTFOUND | LOST      | LOST      | LOST      | LOST      | LOST      | LOST      | LOST
Renew, token 4, with a note| NOTFOUND | LOST      | LOST      | LOST      | renewedToo| renewedToo| LOST      | LOST
Claim the next            | -        | claimed   | -         | -         | -         | reassigned| -         | -
Claim x                   | -        | claimed   | -         | -         | -         | reassigned| -         | -
Claim the next, priority 1| -        | -         | -         | -         | -         | reclaimed | -         | -
Claim many                | -        | claimed   | -         | -         | -         | reassigned| -         | -
Renew, token 4            | NOTFOUND | LOST      | LOST      | LOST      | renewed   | renewed   | LOST      | LOST
Renew, token 4, 5 s       | NOTFOUND | LOST      | LOST      | LOST      | renewed5  | renewed5  | LOST      | LOST
Renew, token 2            | NOTFOUND | LOST      | LOST      | LOST      | LOST      | LOST      | LOST      | LOST
Release, token 4          | NOTFOUND | LOST      | LOST      | LOST      | released  | released  | LOST      | LOST
Release for 60 s, token 4 | NOTFOUND | LOST      | LOST      | LOST      | putOff    | putOff    | LOST      | LOST
Release for 0 s, token 4  | NOTFOUND | LOST      | LOST      | LOST      | released  | released  | LOST      | LOST
Release, token 2          | NOTFOUND | LOST      | LOST      | LOST      | LOST      | LOST      | LOST      | LOST
Reclaim all expired       | -        | -         | -         | -         | -         | reclaimed | -         | -
Reclaim x                 | -        | -         | -         | -         | reclaimed | reclaimed | -         | -
Link x to dep             | NOTFOUND | linked    | -         | linked    | linked    | linked    | linked    | linked
Link x to nothing         | NOTFOUND | NODEP     | NODEP     | NODEP     | NODEP     | NODEP     | NODEP     | NODEP
Link x to x               | NOTFOUND | SELF      | SELF      | SELF      | SELF      | SELF      | SELF      | SELF
Unlink x from dep         | NOTFOUND | -         | unlinked  | -         | -         | -         | -         | -
Unlink x from nothing     | NOTFOUND | -         | -         | -         | -         | -         | -         | -
Block, for spam           | NOTFOUND | blocked   | blocked   | blocked   | blocked   | blocked   | blocked   | DONE
Block, for legal          | NOTFOUND | blocked   | blocked   | blocked   | blocked   | blocked   | -         | DONE
Block, for no reason      | NOTFOUND | blocked   | blocked   | blocked   | blocked   | blocked   | blocked   | DONE
Block, token 4            | NOTFOUND | LOST      | LOST      | LOST      | blocked   | blocked   | LOST      | LOST
Block, token 2            | NOTFOUND | LOST      | LOST      | LOST      | LOST      | LOST      | LOST      | LOST
Unblock                   | NOTFOUND | -         | -         | -         | -         | -         | unblocked | DONE
Complete                  | NOTFOUND | completed | overrode  | completed | HELD      | HELD      | completed | -
Complete, token 4         | NOTFOUND | LOST      | LOST      | LOST      | completed | completed | LOST      | -
Complete, token 2         | NOTFOUND | LOST      | LOST      | LOST      | LOST      | LOST      | LOST      | -
Complete, forced          | NOTFOUND | completed | overrode  | completed | completed | completed | completed | -
Complete, forced, token 2 | NOTFOUND | completed | overrode  | completed | completed | completed | completed | -
Reopen                    | NOTFOUND | -         | -         | -         | -         | -         | -         | reopened
`

/** The claim of w1 by state, as rejections and the event that ends the claim report it. */
const claimOf = (state: CardState) =>
  state === "claimed"
    ? { owner: "w1", ttlSeconds: 900, expiresAt: at(20) }
    : state === "expired"
      ? { owner: "w1", ttlSeconds: 60, expiresAt: at(6) }
      : undefined

const held = (state: CardState) => (claimOf(state) === undefined ? null : { owner: "w1", token: 4 })

/** The claim in a state for which the table expects one. */
const theClaim = (state: CardState) => {
  const claim = claimOf(state)
  if (claim === undefined) throw new Error(`the table expects a claim on a card that is ${state}`)
  return { ...claim, token: 4 }
}

const x = id("x")
const dep = id("dep")

type Outcome = (order: Order, state: CardState) => ReadonlyArray<DecidedEvent> | Rejection

/** Restricts an outcome of the table to one kind of command. */
const of =
  <Tag extends Order["_tag"]>(
    tag: Tag,
    outcome: (
      order: Extract<Order, { readonly _tag: Tag }>,
      state: CardState
    ) => ReadonlyArray<DecidedEvent> | Rejection
  ): Outcome =>
  (order, state) => {
    if (order._tag !== tag) throw new Error(`this outcome is for ${tag}`)
    return outcome(order as Extract<Order, { readonly _tag: Tag }>, state)
  }

const completed =
  (overrode: ReadonlyArray<CardId>): Outcome =>
  (order, state) =>
    of("Complete", ({ force = false, result = null }) => [
      on("x", { _tag: "CardCompleted", result, overrode, forced: force, claim: held(state) })
    ])(order, state)

const renewed = (seconds?: number): Outcome =>
  of("Renew", (_, state) => {
    const { owner, token, ttlSeconds: own } = theClaim(state)
    const ttlSeconds = seconds ?? own
    return [on("x", { _tag: "ClaimRenewed", owner, token, ttlSeconds, expiresAt: at(10 + ttlSeconds / 60) })]
  })

const released = (notBefore: ReturnType<typeof at> | null): Outcome =>
  of("Release", ({ reason = null }) => [on("x", { _tag: "CardReleased", owner: "w1", token: 4, reason, notBefore })])

const claimedByW2 = on("x", { _tag: "CardClaimed", owner: "w2", ttlSeconds: 900, expiresAt: at(25), generation: 0 })

const outcomes: Readonly<Record<string, Outcome>> = {
  "-": () => [],

  created: of("Create", (order) => [
    created(order.id ?? "", { title: "New", idempotencyKey: order.idempotencyKey ?? null })
  ]),
  both: () => [created("y", { title: "New" }), created("x", { title: "New" })],
  revised: () => [on("x", { _tag: "CardRevised", title: "Other", priority: 7, body: "b" })],
  claimed: () => [claimedByW2],
  reassigned: () => [
    on("x", { _tag: "CardReclaimed", owner: "w1", token: 4, expiresAt: at(6), why: "expired" }),
    claimedByW2
  ],
  renewed: renewed(),
  renewed5: renewed(5),
  renewedToo: (order, state) => [
    ...(renewed()(order, state) as ReadonlyArray<DecidedEvent>),
    on("x", { _tag: "CardNoted", text: "found", claim: held(state) })
  ],
  labelled: () => [on("x", { _tag: "CardRevised", labels: ["b", "new"] })],
  putLater: () => [on("x", { _tag: "CardRevised", notBefore: at(90) })],
  noted: () => [on("x", { _tag: "CardNoted", text: "found", claim: null })],
  notedHeld: (_, state) => [on("x", { _tag: "CardNoted", text: "found", claim: held(state) })],
  released: released(null),
  putOff: released(at(11)),
  reclaimed: (_, state) => {
    const { expiresAt, owner, token } = theClaim(state)
    const why = state === "expired" ? "expired" : "requested"
    return [on("x", { _tag: "CardReclaimed", owner, token, expiresAt, why })]
  },
  linked: () => [on("x", { _tag: "CardLinked", dependsOn: dep })],
  unlinked: () => [on("x", { _tag: "CardUnlinked", dependsOn: dep })],
  blocked: of("Block", ({ reason = null }, state) => [
    on("x", { _tag: "CardBlocked", reason, endedClaim: held(state) })
  ]),
  unblocked: () => [on("x", { _tag: "CardUnblocked", reason: "settled" })],
  completed: completed([]),
  overrode: completed([dep]),
  reopened: () => [on("x", { _tag: "CardReopened", reason: "not good enough" })],

  NOTFOUND: () => new CardNotFound({ id: x }),
  EXISTS: () => new CardAlreadyExists({ id: x }),
  SELF: () => new SelfDependency({ id: x }),
  NODEP: () => new DependencyNotFound({ id: x, dependsOn: id("nothing") }),
  DONE: () => new CardIsDone({ id: x }),
  HELD: (_, state) => {
    const { expiresAt, owner } = theClaim(state)
    return new CardIsClaimed({ id: x, holder: owner, expiresAt })
  },
  LOST: (order, state) => {
    const token = (order as Partial<CommandOf<"Renew">>).token ?? 0
    const claim = claimOf(state)
    const status = state === "expired" ? "claimed" : state === "waiting" || state === "deferred" ? "ready" : state
    if (status === "missing") throw new Error("there is no claim to lose on a card that does not exist")
    return new ClaimLost({ id: x, token, status, holder: claim?.owner ?? null, expiresAt: claim?.expiresAt ?? null })
  }
}

const [heading = [], ...rows] = table
  .trim()
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))

const cases = rows.flatMap(([name = "", ...cells]) =>
  cells.map((cell, index) => ({ name, cell, state: columns[index] ?? "missing" }))
)

describe("every command on a card in every state", () => {
  it("the table has every command and state", () => {
    expect(heading.slice(1)).toEqual(columns)
    expect(cases).toHaveLength(rows.length * columns.length)
    expect(rows.map(([name]) => name)).toEqual(Object.keys(orders))
    expect(new Set(cases.map(({ cell }) => cell))).toEqual(new Set(Object.keys(outcomes)))
    expect(new Set(Object.values(orders).map((order) => order._tag))).toEqual(
      new Set(Command.members.map((member) => member.fields._tag.schema.literal))
    )
  })

  it.each(cases)("$name, $state: $cell", ({ cell, name, state }) => {
    const order = orders[name]
    const outcome = outcomes[cell]
    if (order === undefined || outcome === undefined) throw new Error(`no such row or outcome: ${name}, ${cell}`)
    const when = given(...histories[state]).when(order, at(10))
    const expected = outcome(order, state)
    if (!(expected instanceof Error)) when.thenEvents(...expected)
    else when.thenRejected(expected)
  })

  it.each(columns.slice(1))("the card of state %s is in that state", (state) => {
    const backlog = backlogAfter(histories[state]).state
    const card = backlog.card(x)
    expect({
      status: card?.status,
      unmet: backlog.unmetDependencies(x),
      deferred: card?.notBefore != null,
      token: card?.claimToken
    }).toEqual({
      status: state === "expired" ? "claimed" : state === "waiting" || state === "deferred" ? "ready" : state,
      unmet: state === "waiting" ? 1 : 0,
      deferred: state === "deferred",
      token: state === "claimed" || state === "expired" ? 4 : null
    })
  })
})

describe("Create", () => {
  it("stores every field, and each dependency once, ordered by id", () => {
    given()
      .when({
        _tag: "Create",
        id: "a",
        title: "T",
        body: "B",
        phase: "P",
        priority: -3,
        status: "blocked",
        dependsOn: ["z", "b", "z", "𝒜", "ﬀ"],
        acceptance: { tests: ["unit"] },
        idempotencyKey: "k",
        blockedReason: "waits for legal"
      })
      .thenEvents(
        created("a", {
          title: "T",
          body: "B",
          phase: "P",
          priority: -3,
          status: "blocked",
          dependsOn: [id("b"), id("z"), id("ﬀ"), id("𝒜")],
          acceptance: { tests: ["unit"] },
          idempotencyKey: "k",
          blockedReason: "waits for legal"
        })
      )
  })

  it("creates a card that is done", () => {
    given()
      .when({ _tag: "Create", id: "a", title: "A", status: "done" })
      .thenEvents(created("a", { status: "done" }))
  })

  it("accepts dependencies that do not exist", () => {
    given()
      .when({ _tag: "Create", id: "a", title: "A", dependsOn: ["later"] })
      .thenEvents(created("a", { dependsOn: [id("later")] }))
  })

  it("is refused when it closes a cycle through an existing edge to the new card", () => {
    given(created("a", { dependsOn: [id("b")] }), created("b", { dependsOn: [id("c")] }))
      .when({ _tag: "Create", id: "c", title: "C", dependsOn: ["a"] })
      .thenRejected(
        new DependencyCycle({ id: id("c"), dependsOn: id("a"), path: [id("c"), id("a"), id("b"), id("c")] })
      )
  })

  it("accepts a diamond of dependencies", () => {
    given(created("a", { dependsOn: [id("d")] }), created("b", { dependsOn: [id("d")] }))
      .when({ _tag: "Create", id: "c", title: "C", dependsOn: ["a", "b"] })
      .thenEvents(created("c", { dependsOn: [id("a"), id("b")] }))
  })
})

describe("CreateMany", () => {
  it("keeps the given order regardless of dependencies", () => {
    given()
      .when({
        _tag: "CreateMany",
        cards: [
          { id: "b", title: "B", dependsOn: ["a"] },
          { id: "a", title: "A" }
        ]
      })
      .thenEvents(created("b", { dependsOn: [id("a")] }), created("a"))
  })

  it("creates nothing from an empty list", () => {
    given().when({ _tag: "CreateMany", cards: [] }).thenNothing()
  })

  it("skips cards whose idempotency key is used, also within the batch", () => {
    given(created("old", { idempotencyKey: "k1" }))
      .when({
        _tag: "CreateMany",
        cards: [
          { id: "a", title: "A", idempotencyKey: "k1" },
          { id: "b", title: "B", idempotencyKey: "k2" },
          { id: "c", title: "C", idempotencyKey: "k2" },
          { id: "d", title: "D" }
        ]
      })
      .thenEvents(created("b", { idempotencyKey: "k2" }), created("d"))
  })

  it.each([
    {
      why: "an id twice in the batch",
      cards: [
        { id: "a", title: "A" },
        { id: "a", title: "A" }
      ],
      rejection: new CardAlreadyExists({ id: id("a") })
    },
    {
      why: "one card on itself",
      cards: [
        { id: "a", title: "A" },
        { id: "b", title: "B", dependsOn: ["b"] }
      ],
      rejection: new SelfDependency({ id: id("b") })
    },
    {
      why: "a cycle within the batch",
      cards: [
        { id: "a", title: "A", dependsOn: ["b"] },
        { id: "b", title: "B", dependsOn: ["a"] }
      ],
      rejection: new DependencyCycle({ id: id("a"), dependsOn: id("b"), path: [id("a"), id("b"), id("a")] })
    },
    {
      why: "a cycle through a card that is there",
      cards: [
        { id: "free", title: "F" },
        { id: "new", title: "N", dependsOn: ["old"] }
      ],
      rejection: new DependencyCycle({ id: id("new"), dependsOn: id("old"), path: [id("new"), id("old"), id("new")] })
    },
    {
      why: "a cycle that a card of the batch only leads to, which names one that was to be created",
      cards: [
        { id: "a", title: "A", dependsOn: ["old"] },
        { id: "new", title: "N", dependsOn: ["old"] }
      ],
      rejection: new DependencyCycle({ id: id("new"), dependsOn: id("old"), path: [id("new"), id("old"), id("new")] })
    }
  ])("is refused as a whole for $why", ({ cards, rejection }) => {
    given(created("old", { dependsOn: [id("new")] }))
      .when({ _tag: "CreateMany", cards })
      .thenRejected(rejection)
  })
})

describe("Revise", () => {
  const card = created("a", { title: "T", body: "B", phase: "P", priority: 1, acceptance: { a: 1, b: [1, 2] } })

  it("records only the fields that differ", () => {
    given(card)
      .when({ _tag: "Revise", id: "a", title: "T", body: "B2", priority: 1 })
      .thenEvents(on("a", { _tag: "CardRevised", body: "B2" }))
  })

  it("clears a field with null", () => {
    given(card)
      .when({ _tag: "Revise", id: "a", body: null, phase: null, acceptance: null })
      .thenEvents(on("a", { _tag: "CardRevised", body: null, phase: null, acceptance: null }))
  })

  it("ignores the order of an object's keys", () => {
    given(card)
      .when({ _tag: "Revise", id: "a", acceptance: { b: [1, 2], a: 1 } })
      .thenNothing()
  })

  it.each([
    { a: 1, b: [2, 1] },
    { a: 1, b: [1, 2, 3] },
    { a: 1 },
    { a: 1, b: [1, 2], c: null },
    { a: 1, c: [1, 2] },
    { a: 1, b: { 0: 1, 1: 2 } },
    { a: "1", b: [1, 2] },
    { a: null, b: [1, 2] },
    JSON.parse('{"a":1,"__proto__":{}}') as { readonly a: number },
    [],
    "text",
    0,
    false
  ])("detects that the acceptance %j differs", (acceptance) => {
    given(card)
      .when({ _tag: "Revise", id: "a", acceptance })
      .thenEvents(on("a", { _tag: "CardRevised", acceptance }))
  })
})

describe("Claim", () => {
  const claim = (cardId: string, ttlSeconds = 900) =>
    on(cardId, { _tag: "CardClaimed", owner: "w", ttlSeconds, expiresAt: at(10 + ttlSeconds / 60), generation: 0 })

  it("claims the card of the greatest priority regardless of age and id", () => {
    given(
      created("a", { priority: 1 }, at(0)),
      created("b", { priority: -2_147_483_648 }, at(-9)),
      created("c", { priority: 2_147_483_647 }, at(5))
    )
      .when({ _tag: "Claim", owner: "w" })
      .thenEvents(claim("c"))
  })

  it("claims the oldest card of equal priority", () => {
    given(created("a", {}, at(3)), created("b", {}, at(1)), created("c", {}, at(2)))
      .when({ _tag: "Claim", owner: "w" })
      .thenEvents(claim("b"))
  })

  it("claims the first id by code point among cards created at the same time", () => {
    given(created("𝒜"), created("ﬀ"), created("b")).when({ _tag: "Claim", owner: "w" }).thenEvents(claim("b"))
    given(created("𝒜"), created("ﬀ")).when({ _tag: "Claim", owner: "w" }).thenEvents(claim("ﬀ"))
  })

  it("skips cards that are not claimable", () => {
    given(
      created("blocked", { priority: 9, status: "blocked" }),
      created("done", { priority: 8, status: "done" }),
      created("waiting", { priority: 7, dependsOn: [id("blocked")] }),
      created("orphan", { priority: 6, dependsOn: [id("never")] }),
      created("freed", { priority: 5, dependsOn: [id("done")] }),
      created("plain", { priority: 4 })
    )
      .when({ _tag: "Claim", owner: "w" })
      .thenEvents(claim("freed"))
  })

  it("reclaims all expired claims first, by id, and then claims the best card of all", () => {
    const expired = (cardId: string) =>
      on(cardId, { _tag: "CardClaimed", owner: "gone", ttlSeconds: 60, expiresAt: at(3), generation: 0 }, at(2))
    const reclaimedCard = (cardId: string) =>
      on(cardId, { _tag: "CardReclaimed", owner: "gone", token: 2, expiresAt: at(3), why: "expired" })
    given(
      created("low", { priority: 1 }),
      created("high", { priority: 3 }),
      created("free", { priority: 2 }),
      expired("low"),
      expired("high")
    )
      .when({ _tag: "Claim", owner: "w" })
      .thenEvents(reclaimedCard("high"), reclaimedCard("low"), claim("high"))
    given(created("low", { priority: 1 }), created("free", { priority: 2 }), expired("low"))
      .when({ _tag: "Claim", owner: "w" })
      .thenEvents(reclaimedCard("low"), claim("free"))
  })

  it("reclaims an expired claim of a card that now waits for a dependency", () => {
    const history = [
      created("dep", { status: "blocked" }),
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "gone", ttlSeconds: 60, expiresAt: at(3), generation: 0 }, at(2)),
      on("a", { _tag: "CardLinked", dependsOn: id("dep") }, at(2))
    ]
    const reclaimedCard = on("a", { _tag: "CardReclaimed", owner: "gone", token: 2, expiresAt: at(3), why: "expired" })
    given(...history)
      .when({ _tag: "Claim", owner: "w", id: "a" })
      .thenEvents(reclaimedCard)
    given(...history)
      .when({ _tag: "Claim", owner: "w" })
      .thenEvents(reclaimedCard)
  })

  it("has the requested lease", () => {
    given(created("a")).when({ _tag: "Claim", owner: "w", ttlSeconds: 30 }).thenEvents(claim("a", 30))
    given(created("a"))
      .when({ _tag: "Claim", owner: "w", id: "a", ttlSeconds: 2_592_000 })
      .thenEvents(claim("a", 2_592_000))
  })

  const millisecond = 1 / 60_000

  it("claims a deferred card from its retry time on, not before", () => {
    const history = [
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "w0", ttlSeconds: 60, expiresAt: at(1), generation: 0 }),
      on("a", { _tag: "CardReleased", owner: "w0", token: 2, reason: null, notBefore: at(10) })
    ]
    given(...history)
      .when({ _tag: "Claim", owner: "w" }, at(10 - millisecond))
      .thenNothing()
    given(...history)
      .when({ _tag: "Claim", owner: "w" }, at(10))
      .thenEvents(claim("a"))
  })

  it("reclaims a card from the time its claim expires, not before", () => {
    const history = [
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "w0", ttlSeconds: 600, expiresAt: at(10), generation: 0 }, at(0))
    ]
    given(...history)
      .when({ _tag: "Claim", owner: "w", id: "a" }, at(10 - millisecond))
      .thenNothing()
    given(...history)
      .when({ _tag: "Claim", owner: "w", id: "a" }, at(10))
      .thenEvents(
        on("a", { _tag: "CardReclaimed", owner: "w0", token: 2, expiresAt: at(10), why: "expired" }),
        claim("a")
      )
  })

  it("a claimed card is not claimed again, even by the same worker", () => {
    given(created("a"), on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 900, expiresAt: at(15), generation: 0 }))
      .when({ _tag: "Claim", owner: "w", id: "a" })
      .thenNothing()
  })
})

describe("maxAttempts", () => {
  const claimedBy = (owner: string, minute: number, card = "a") =>
    on(card, { _tag: "CardClaimed", owner, ttlSeconds: 60, expiresAt: at(minute + 1), generation: 0 }, at(minute))
  const releasedAt = (
    owner: string,
    token: number,
    minute: number,
    reason: string | null,
    retryMinute: number | null
  ) =>
    on(
      "a",
      {
        _tag: "CardReleased",
        owner,
        token,
        reason,
        notBefore: retryMinute === null ? null : at(retryMinute)
      },
      at(minute)
    )
  const reclaimed = (owner: string, token: number, minute: number, why: "expired" | "requested" | "restored") =>
    on("a", { _tag: "CardReclaimed", owner, token, expiresAt: at(minute), why }, at(minute))
  const blocked = (...lines: ReadonlyArray<string>) =>
    on("a", { _tag: "CardBlocked", reason: lines.join("\n"), endedClaim: null })
  const claimedNow = (card: string) =>
    on(card, { _tag: "CardClaimed", owner: "w", ttlSeconds: 900, expiresAt: at(25), generation: 0 })

  const twoFailures = [
    created("a", { priority: 1 }),
    claimedBy("w1", 1),
    releasedAt("w1", 2, 1.5, "no paper", 2),
    claimedBy("w2", 2),
    reclaimed("w2", 4, 3, "expired")
  ]
  const twoLines = [
    "2026-01-05T09:01:30.000Z w1: no paper",
    "2026-01-05T09:03:00.000Z w2: Attempt 2 ended without a result: its lease expired."
  ]

  it("blocks a card at which so many attempts failed, and claims the next one in its place", () => {
    const backlog = given(...twoFailures, created("b"))
    const block = blocked("2 of 2 attempts failed.", ...twoLines)
    for (const order of [
      { _tag: "Claim", owner: "w", maxAttempts: 2 },
      { _tag: "ClaimMany", owner: "w", limit: 1, maxAttempts: 2 }
    ] as const) {
      backlog.when(order).thenEvents(block, claimedNow("b"))
    }
    backlog.when({ _tag: "Claim", owner: "w", id: "a", maxAttempts: 2 }).thenEvents(block)
    backlog
      .when({ _tag: "Complete", id: "b", claimNext: { owner: "w", maxAttempts: 2 } })
      .thenEvents(on("b", { _tag: "CardCompleted", result: null, overrode: [], forced: false, claim: null }), block)
    backlog.when({ _tag: "Claim", owner: "w", maxAttempts: 3 }).thenEvents(claimedNow("a"))
    backlog.when({ _tag: "Claim", owner: "w" }).thenEvents(claimedNow("a"))
  })

  it("counts the attempt whose expired lease the claim itself reclaims", () => {
    const expired = on("a", { _tag: "CardReclaimed", owner: "w3", token: 6, expiresAt: at(5), why: "expired" })
    const backlog = given(...twoFailures, claimedBy("w3", 4))
    const block = blocked(
      "3 of 3 attempts failed.",
      ...twoLines,
      "2026-01-05T09:10:00.000Z w3: Attempt 3 ended without a result: its lease expired."
    )
    backlog.when({ _tag: "Claim", owner: "w", maxAttempts: 3 }).thenEvents(expired, block)
    backlog.when({ _tag: "Claim", owner: "w", id: "a", maxAttempts: 3 }).thenEvents(expired, block)
    backlog.when({ _tag: "Claim", owner: "w", maxAttempts: 4 }).thenEvents(expired, claimedNow("a"))
  })

  it("does not count releases without a retry time, early reclaims, restores, and attempts before an unblock or a reopening", () => {
    const orderly = [
      created("a"),
      claimedBy("w1", 1),
      releasedAt("w1", 2, 1.5, "stopped", null),
      claimedBy("w1", 2),
      reclaimed("w1", 4, 2.5, "requested"),
      claimedBy("w1", 3),
      reclaimed("w1", 6, 3.5, "restored")
    ]
    const claim = { _tag: "Claim", owner: "w", maxAttempts: 1 } as const
    given(...orderly)
      .when(claim)
      .thenEvents(claimedNow("a"))
    const unblocked = [
      on("a", { _tag: "CardBlocked", reason: "x", endedClaim: null }, at(4)),
      on("a", { _tag: "CardUnblocked", reason: null }, at(4))
    ]
    given(...twoFailures, ...unblocked)
      .when(claim)
      .thenEvents(claimedNow("a"))
    const reopened = [
      on("a", { _tag: "CardCompleted", result: 1, overrode: [], forced: false, claim: null }, at(4)),
      on("a", { _tag: "CardReopened", reason: null }, at(4))
    ]
    given(...twoFailures, ...reopened)
      .when(claim)
      .thenEvents(claimedNow("a"))
  })

  it("blocks the card of a release that ends the last attempt, if the release has a retry time", () => {
    const backlog = given(...twoFailures, claimedBy("w3", 9.5))
    const release = { _tag: "Release", id: "a", token: 6, reason: "torn" } as const
    const ended = (notBefore: number | null) =>
      on("a", {
        _tag: "CardReleased",
        owner: "w3",
        token: 6,
        reason: "torn",
        notBefore: notBefore === null ? null : at(notBefore)
      })
    backlog.when({ ...release, retryAfterSeconds: 60, maxAttempts: 3 }).thenEvents(
      on("a", {
        _tag: "CardBlocked",
        reason: ["3 of 3 attempts failed.", ...twoLines, "2026-01-05T09:10:00.000Z w3: torn"].join("\n"),
        endedClaim: { owner: "w3", token: 6 }
      })
    )
    backlog.when({ ...release, retryAfterSeconds: 60, maxAttempts: 4 }).thenEvents(ended(11))
    backlog.when({ ...release, retryAfterSeconds: 60 }).thenEvents(ended(11))
    backlog.when({ ...release, maxAttempts: 3 }).thenEvents(ended(null))
  })

  it("lists the last 10 attempts, with the first 300 characters of each reason, also of the longest names and texts", () => {
    const owner = "語".repeat(200)
    const failures = Array.from({ length: 25 }, (_, index) => [
      claimedBy(owner, index / 100),
      releasedAt(owner, 2 * index + 2, index / 100, "語".repeat(1_000), index / 100)
    ]).flat()
    const time = (index: number) => new Date(at(index / 100).epochMilliseconds).toISOString()
    given(created("a"), ...failures)
      .when({ _tag: "Claim", owner: "w", maxAttempts: 25 })
      .thenEvents(
        blocked(
          "25 of 25 attempts failed.",
          "The first 15 are in the card's history.",
          ...Array.from({ length: 10 }, (_, index) => `${time(index + 15)} ${owner}: ${"語".repeat(300)}…`)
        )
      )
  })
})

describe("Renew", () => {
  it("has no event at the time of the claim with the same lease", () => {
    given(
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(11), generation: 0 }, at(10))
    )
      .when({ _tag: "Renew", id: "a", token: 2 }, at(10))
      .thenNothing()
  })

  it("keeps the lease of the last renewal", () => {
    given(
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(6), generation: 0 }, at(5)),
      on("a", { _tag: "ClaimRenewed", owner: "w", token: 2, ttlSeconds: 600, expiresAt: at(15) }, at(5))
    )
      .when({ _tag: "Renew", id: "a", token: 2 }, at(10))
      .thenEvents(on("a", { _tag: "ClaimRenewed", owner: "w", token: 2, ttlSeconds: 600, expiresAt: at(20) }))
  })

  it("has an event for another lease, even with the same expiry", () => {
    given(
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 900, expiresAt: at(20), generation: 0 }, at(5))
    )
      .when({ _tag: "Renew", id: "a", token: 2, ttlSeconds: 600 }, at(10))
      .thenEvents(on("a", { _tag: "ClaimRenewed", owner: "w", token: 2, ttlSeconds: 600, expiresAt: at(20) }))
  })

  it("can shorten a claim", () => {
    given(
      created("a"),
      on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 900, expiresAt: at(20), generation: 0 }, at(5))
    )
      .when({ _tag: "Renew", id: "a", token: 2, ttlSeconds: 60 }, at(10))
      .thenEvents(on("a", { _tag: "ClaimRenewed", owner: "w", token: 2, ttlSeconds: 60, expiresAt: at(11) }))
  })
})

describe("Reclaim", () => {
  it("reclaims all expired claims and no others", () => {
    const claimed = (cardId: string, until: number) =>
      on(cardId, { _tag: "CardClaimed", owner: cardId, ttlSeconds: 60, expiresAt: at(until), generation: 0 })
    given(created("a"), created("b"), created("c"), claimed("a", 9), claimed("b", 11), claimed("c", 10))
      .when({ _tag: "Reclaim" }, at(10))
      .thenEvents(
        on("a", { _tag: "CardReclaimed", owner: "a", token: 2, expiresAt: at(9), why: "expired" }),
        on("c", { _tag: "CardReclaimed", owner: "c", token: 2, expiresAt: at(10), why: "expired" })
      )
  })
})

describe("Link", () => {
  /** c0 → c1 → … → c(length - 1): each card depends on the next. */
  const chain = (length: number): ReadonlyArray<TimedEvent> =>
    Array.from({ length }, (_, index) =>
      created(`c${index}`, { dependsOn: index + 1 < length ? [id(`c${index + 1}`)] : [] })
    )

  it.each([2, 3, 100])("is refused when it closes a cycle of %i cards, with its path", (length) => {
    const last = `c${length - 1}`
    const cards = Array.from({ length }, (_, index) => id(`c${index}`))
    given(...chain(length))
      .when({ _tag: "Link", from: last, to: "c0" })
      .thenRejected(new DependencyCycle({ id: id(last), dependsOn: id("c0"), path: [id(last), ...cards] }))
  })

  it("is accepted in the direction of the chain", () => {
    given(...chain(3))
      .when({ _tag: "Link", from: "c0", to: "c2" })
      .thenEvents(on("c0", { _tag: "CardLinked", dependsOn: id("c2") }))
  })

  it("finds a cycle through a later link, and none through a removed one", () => {
    const linked = [created("a"), created("b"), on("a", { _tag: "CardLinked", dependsOn: id("b") })]
    given(...linked)
      .when({ _tag: "Link", from: "b", to: "a" })
      .thenRejected(new DependencyCycle({ id: id("b"), dependsOn: id("a"), path: [id("b"), id("a"), id("b")] }))
    given(...linked, on("a", { _tag: "CardUnlinked", dependsOn: id("b") }))
      .when({ _tag: "Link", from: "b", to: "a" })
      .thenEvents(on("b", { _tag: "CardLinked", dependsOn: id("a") }))
  })

  it("has no event for a missing card that is already a dependency", () => {
    given(created("a", { dependsOn: [id("later")] }))
      .when({ _tag: "Link", from: "a", to: "later" })
      .thenNothing()
  })
})

describe("Unlink", () => {
  it("removes a dependency on a card that does not exist", () => {
    given(created("a", { dependsOn: [id("later")] }))
      .when({ _tag: "Unlink", from: "a", to: "later" })
      .thenEvents(on("a", { _tag: "CardUnlinked", dependsOn: id("later") }))
  })
})

describe("Complete", () => {
  it("lists the overridden dependencies: those that are not done and those that do not exist", () => {
    given(
      created("done", { status: "done" }),
      created("open"),
      created("a", { dependsOn: [id("done"), id("never"), id("open")] })
    )
      .when({ _tag: "Complete", id: "a" })
      .thenEvents(
        on("a", {
          _tag: "CardCompleted",
          result: null,
          overrode: [id("never"), id("open")],
          forced: false,
          claim: null
        })
      )
  })
})

describe("the caller's JSON", () => {
  /** A value that the caller changes after the command. JSON has no negative zero, so the stored value has zero. */
  const mutableValue = () => {
    const list = [1]
    return { value: { zero: -0, list }, change: () => list.push(2) }
  }
  const kept = { zero: 0, list: [1] }

  it("is copied by Create", () => {
    const { change, value } = mutableValue()
    const outcome = given().when({ _tag: "Create", id: "a", title: "A", acceptance: value })
    change()
    outcome.thenEvents(created("a", { acceptance: kept }))
  })

  it("is copied by Revise", () => {
    const { change, value } = mutableValue()
    const outcome = given(created("a")).when({ _tag: "Revise", id: "a", acceptance: value })
    change()
    outcome.thenEvents(on("a", { _tag: "CardRevised", acceptance: kept }))
  })

  it("is copied by Complete", () => {
    const { change, value } = mutableValue()
    const outcome = given(created("a")).when({ _tag: "Complete", id: "a", result: value })
    change()
    outcome.thenEvents(on("a", { _tag: "CardCompleted", result: kept, overrode: [], forced: false, claim: null }))
  })

  it("keeps an own key that all objects inherit", () => {
    const acceptance = JSON.parse('{"__proto__":{"a":1},"toJSON":1}') as { readonly toJSON: number }
    given().when({ _tag: "Create", id: "a", title: "A", acceptance }).thenEvents(created("a", { acceptance }))
  })
})
