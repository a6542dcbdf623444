import { Effect, Option, Schema } from "effect"
import { expect, expectTypeOf } from "vitest"
import { ClaimedCard } from "../../../src/domain/Card.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { eventsOf, plain, writesNothing } from "../../support/backlogs.ts"
import { readLog } from "../../support/verifyBacklog.ts"
import { after, created, ids, input, isClaimable, refusal, type Test, utc } from "./harness.ts"

/** Compares by code point: UTF-8 bytes sort like Unicode code points. */
const byCodePoint = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

/** Claims: claiming, renewing, releasing, expiry and reclaiming. */
export const claims = (test: Test): void => {
  test(
    "a claim sets the owner, the lease, the token and the attempts",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* clock.advance("10 seconds")
      const claimed = Option.getOrThrow(
        yield* backlog.claim({
          owner: "w1",
          ttlSeconds: 60,
          actor: "scheduler",
          correlationId: "run",
          causationId: "tick",
          commandId: "claim-1"
        })
      )
      const expected = created("a", {
        status: "claimed",
        claimOwner: "w1",
        claimTtlSeconds: 60,
        claimedAt: after(10),
        claimExpiresAt: after(70),
        claimToken: 2,
        attempts: 1,
        updatedAt: after(10),
        version: 2
      })
      expect(plain(claimed)).toEqual(expected)
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(expected))
      expect((yield* readLog)[1]).toMatchObject({
        position: 2,
        version: 2,
        type: "CardClaimed",
        schemaVersion: 2,
        data: { owner: "w1", ttlSeconds: 60, expiresAt: after(70), generation: 0 },
        actor: "scheduler",
        correlationId: "run",
        causationId: "tick",
        commandId: "claim-1",
        occurredAt: new Date(after(10))
      })
    })
  )

  test(
    "every command that claims or renews returns the card with its claim, also when it is repeated",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({ cards: ["a", "b", "c"].map((id) => ({ id, title: id })), actor: "ann" })
      const origin = (commandId: string) => ({ actor: "w", commandId })
      const claimEach = Effect.gen(function* () {
        const first = Option.getOrThrow(yield* backlog.claim({ owner: "w", ...origin("claim") }))
        const [second] = yield* backlog.claimMany({ owner: "w", limit: 1, ...origin("claimMany") })
        const renewed = yield* backlog.renew({ id: first.id, token: first.claimToken, ...origin("renew") })
        const { next } = yield* backlog.complete({
          id: first.id,
          token: renewed.claimToken,
          claimNext: { owner: "w" },
          ...origin("complete")
        })
        expectTypeOf(first).toEqualTypeOf<ClaimedCard>()
        expectTypeOf(second).toEqualTypeOf<ClaimedCard | undefined>()
        expectTypeOf(renewed).toEqualTypeOf<ClaimedCard>()
        expectTypeOf(next).toEqualTypeOf<ClaimedCard | null>()
        return [first, second, renewed, next]
      })
      const claimed = yield* claimEach
      expect(claimed.map((card) => card?.id)).toEqual(["a", "b", "a", "c"])
      expect(claimed.every(Schema.is(ClaimedCard))).toBe(true)
      yield* backlog.release({ id: "c", token: claimed[3]?.claimToken ?? 0, actor: "w" })
      expect(yield* claimEach).toEqual(claimed)
    })
  )

  test(
    "claims for 900 seconds by default",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
      expect(claimed.claimTtlSeconds).toBe(900)
      expect(plain(claimed).claimExpiresAt).toBe(after(900))
    })
  )

  test(
    "a claim returns none and writes nothing when no card is claimable",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const claim = writesNothing(backlog.claim({ owner: "w", actor: "w" }))
      expect(yield* claim).toEqual(Option.none())
      yield* backlog.create(input("blocked", { status: "blocked" as const }))
      yield* backlog.create(input("done", { status: "done" as const }))
      yield* backlog.create(input("waiting", { dependsOn: ["blocked"] }))
      yield* backlog.create(input("dangling", { dependsOn: ["nowhere"] }))
      yield* backlog.create(input("held"))
      expect(Option.isSome(yield* backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
      expect(yield* claim).toEqual(Option.none())
      for (const id of ["blocked", "done", "waiting", "dangling", "held", "nowhere"]) {
        expect(yield* writesNothing(backlog.claim({ id, owner: "w", actor: "w" }))).toEqual(Option.none())
      }
    })
  )

  test(
    "a claim with maxAttempts blocks the cards at which so many attempts failed, and a release with it the last attempt",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      // More cards than a claim locks at first, all better than the one that it takes.
      const exhausted = ["e1", "e2", "e3", "e4"]
      for (const id of exhausted) yield* backlog.create(input(id, { priority: 1 }))
      yield* backlog.create(input("fresh"))
      for (const owner of ["w1", "w2"]) {
        yield* backlog.claimMany({ owner, limit: 4, ttlSeconds: 60, actor: owner })
        yield* clock.advance("60 seconds")
      }
      const claim = { owner: "w3", maxAttempts: 2, actor: "w3" }
      expect(Option.map(yield* backlog.claim({ ...claim, id: "e4" }), plain)).toEqual(Option.none())
      const claimed = Option.getOrThrow(yield* backlog.claim({ ...claim, commandId: "once" }))
      expect([claimed.id, claimed.attempts]).toEqual(["fresh", 1])
      expect(Option.map(yield* backlog.claim({ ...claim, commandId: "once" }), plain)).toEqual(
        Option.some(plain(claimed))
      )
      const reason =
        `2 of 2 attempts failed.\n${after(60)} w1: Attempt 1 ended without a result: its lease expired.\n` +
        `${after(120)} w2: Attempt 2 ended without a result: its lease expired.`
      for (const id of exhausted) {
        const card = Option.getOrThrow(yield* backlog.get(id))
        expect([id, card.status, card.attempts, card.blockedReason]).toEqual([id, "blocked", 2, reason])
      }
      expect(yield* writesNothing(backlog.claim(claim))).toEqual(Option.none())

      const release = { id: "fresh", retryAfterSeconds: 5, maxAttempts: 2, actor: "w3" }
      const deferred = yield* backlog.release({ ...release, token: claimed.claimToken ?? 0 })
      expect([deferred.status, plain(deferred).notBefore]).toEqual(["ready", after(125)])
      yield* clock.advance("5 seconds")
      const again = Option.getOrThrow(yield* backlog.claim(claim))
      const blocked = yield* backlog.release({ ...release, token: again.claimToken ?? 0, reason: "torn" })
      expect([blocked.status, blocked.blockedReason]).toEqual([
        "blocked",
        `2 of 2 attempts failed.\n${after(120)} w3: Attempt 1 failed.\n${after(125)} w3: torn`
      ])

      yield* backlog.unblock({ id: "e1", actor: "ann" })
      expect(Option.getOrThrow(yield* backlog.claim(claim)).id).toBe("e1")
    })
  )

  test(
    "a release with maxAttempts in the batch of the claim that it ends blocks the card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      // The first command starts a batch, and the others wait together for the next.
      const [, claimed, released] = yield* Effect.all(
        [
          backlog.reclaim({ actor: "w" }),
          Effect.result(backlog.claim({ id: "a", owner: "w", actor: "w" })),
          Effect.result(backlog.release({ id: "a", token: 2, retryAfterSeconds: 60, maxAttempts: 1, actor: "w" }))
        ],
        { concurrency: "unbounded" }
      )
      expect(claimed._tag).toBe("Success")
      const card = Option.getOrThrow(yield* backlog.get("a"))
      // Over HTTP the release may arrive before the claim, and is refused then.
      expect(card.status).toBe(released._tag === "Success" ? "blocked" : "claimed")
    })
  )

  test(
    "claims by priority, then age, then id, as list orders them",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const names = [
        "b",
        "B",
        "a",
        "é",
        "É",
        "z",
        "ﬀ",
        "～",
        "😀",
        "𐀀",
        "ä",
        "-",
        "_",
        "10",
        "9",
        "aa",
        "a b",
        "ß",
        "Я"
      ]
      const older = utc("2025-12-31T23:59:59.999Z")
      yield* backlog.createMany({
        actor: "ann",
        cards: [
          ...names.map((id) => ({ id, title: "T" })),
          { id: "older", title: "T", occurredAt: older },
          { id: "oldest", title: "T", occurredAt: utc("2020-01-01T00:00:00Z") },
          { id: "least", title: "T", priority: -(2 ** 31), occurredAt: older },
          { id: "most", title: "T", priority: 2 ** 31 - 1 },
          { id: "more", title: "T", priority: 1 }
        ]
      })
      const expected = ["most", "more", "oldest", "older", ...names.sort(byCodePoint), "least"]
      expect(ids(yield* backlog.list())).toEqual(expected)
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(expected)
      const claimed: Array<string> = []
      for (const _ of expected) {
        claimed.push(Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" })).id)
      }
      expect(claimed).toEqual(expected)
      expect(Option.isNone(yield* backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
    })
  )

  test(
    "claims a card by id, whatever its place in claim order",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("best", { priority: 9 }))
      yield* backlog.create(input("other"))
      expect(Option.map(yield* backlog.claim({ id: "other", owner: "w", actor: "w" }), ({ id }) => id)).toEqual(
        Option.some("other")
      )
      expect(Option.isNone(yield* backlog.claim({ id: "other", owner: "v", actor: "v" }))).toBe(true)
    })
  )

  test(
    "gives every claimer a card when claims by id and for the best card arrive together",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const count = 12
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: count }, (_, index) => ({ id: `c${index}`, title: "T", priority: index }))
      })
      const claimed = yield* Effect.all(
        Array.from({ length: count }, (_, index) =>
          // The best cards are claimed by id. The other claims must still find a card.
          index < 6
            ? backlog.claim({ owner: "w", actor: "w" })
            : backlog.claim({ id: `c${index}`, owner: "w", actor: "w" })
        ),
        { concurrency: "unbounded" }
      )
      // A claim for the best card may have claimed a card that another claim names.
      const got = claimed.flatMap(Option.toArray)
      expect(new Set(ids(got)).size).toBe(got.length)
      expect(claimed.slice(0, 6).every(Option.isSome)).toBe(true)
      expect((yield* backlog.stats).claimable).toBe(count - got.length)
    })
  )

  test(
    "gives every claimer a card when the best cards are blocked concurrently",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: 12 }, (_, index) => ({ id: `c${index}`, title: "T", priority: index }))
      })
      const claimed = yield* Effect.all(
        Array.from({ length: 12 }, (_, index) =>
          index < 6
            ? Effect.as(backlog.block({ id: `c${index + 6}`, actor: "boss" }), Option.none())
            : backlog.claim({ owner: "w", actor: "w" })
        ),
        { concurrency: "unbounded" }
      )
      expect(claimed.filter(Option.isSome).length).toBe(6)
      expect((yield* backlog.stats).counts.blocked).toBe(6)
    })
  )

  test(
    "concurrent claims get different cards, the best ones",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: 30 }, (_, index) => ({ id: `c${index}`, title: "T", priority: index }))
      })
      const claimed = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => backlog.claim({ owner: `w${index}`, actor: "w" })),
        { concurrency: "unbounded" }
      )
      const got = claimed.flatMap(Option.toArray)
      expect(got.map((card) => card.priority).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 10)
      )
    })
  )

  test(
    "a claim ends at its expiry, and the next claim gets the card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "one", ttlSeconds: 60, actor: "one" })
      yield* clock.advance("59999 millis")
      expect(yield* writesNothing(backlog.claim({ owner: "two", actor: "two" }))).toEqual(Option.none())
      expect(yield* writesNothing(backlog.claim({ id: "a", owner: "two", actor: "two" }))).toEqual(Option.none())
      expect((yield* backlog.stats).expiredClaimCount).toBe(0)
      expect((yield* backlog.explain("a")).obstacles).toEqual([
        { _tag: "Claimed", holder: "one", expiresAt: utc(after(60)), expired: false }
      ])
      yield* clock.advance("1 millis")
      expect((yield* backlog.stats).expiredClaimCount).toBe(1)
      expect((yield* backlog.explain("a")).obstacles).toEqual([
        { _tag: "Claimed", holder: "one", expiresAt: utc(after(60)), expired: true }
      ])
      const taken = Option.getOrThrow(
        yield* backlog.claim({ owner: "two", ttlSeconds: 30, actor: "two", commandId: "take-over" })
      )
      expect(plain(taken)).toMatchObject({ claimOwner: "two", claimToken: 4, attempts: 2, claimExpiresAt: after(90) })
      expect((yield* eventsOf("a")).slice(1)).toEqual([
        { type: "CardClaimed", version: 2, owner: "one", ttlSeconds: 60, expiresAt: after(60), generation: 0 },
        { type: "CardReclaimed", version: 3, owner: "one", token: 2, expiresAt: after(60), why: "expired" },
        { type: "CardClaimed", version: 4, owner: "two", ttlSeconds: 30, expiresAt: after(90), generation: 0 }
      ])
      expect((yield* readLog).slice(2).map((event) => [event.actor, event.commandId])).toEqual([
        ["two", "take-over"],
        ["two", "take-over"]
      ])
      const lost = {
        _tag: "ClaimLost",
        id: "a",
        token: 2,
        status: "claimed",
        holder: "two",
        expiresAt: after(90)
      }
      expect(yield* refusal(backlog.complete({ id: "a", token: 2, actor: "one" }))).toEqual(lost)
      expect(yield* refusal(backlog.renew({ id: "a", token: 2, actor: "one" }))).toEqual(lost)
      expect(yield* refusal(backlog.release({ id: "a", token: 2, actor: "one" }))).toEqual(lost)
    })
  )

  test(
    "claims an expired card by id",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "one", ttlSeconds: 1, actor: "one" })
      yield* clock.advance("1 second")
      const taken = Option.getOrThrow(yield* backlog.claim({ id: "a", owner: "two", actor: "two" }))
      expect([taken.claimOwner, taken.claimToken, taken.attempts]).toEqual(["two", 4, 2])
    })
  )

  test(
    "chooses the best of the expired and the unclaimed cards",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("low", { priority: 1 }))
      yield* backlog.create(input("high", { priority: 9 }))
      for (const _ of [1, 2]) yield* backlog.claim({ owner: "one", ttlSeconds: 1, actor: "one" })
      yield* backlog.create(input("middle", { priority: 5 }))
      yield* clock.advance("2 seconds")
      const claimed: Array<string> = []
      for (const _ of [1, 2, 3]) {
        claimed.push(Option.getOrThrow(yield* backlog.claim({ owner: "two", actor: "two" })).id)
      }
      expect(claimed).toEqual(["high", "middle", "low"])
      expect((yield* backlog.stats).expiredClaimCount).toBe(0)
    })
  )

  test(
    "an expired claim of a card with an unmet dependency is reclaimed, and the card is not claimed",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "one", ttlSeconds: 1, actor: "one" })
      yield* backlog.create(input("b", { status: "blocked" as const }))
      yield* backlog.link({ from: "a", to: "b", actor: "ann" })
      yield* clock.advance("1 second")
      expect(Option.isNone(yield* backlog.claim({ owner: "two", actor: "two" }))).toBe(true)
      expect(Option.map(yield* backlog.get("a"), ({ status }) => status)).toEqual(Option.some("ready"))
      expect((yield* eventsOf("a")).at(-1)).toMatchObject({ type: "CardReclaimed", owner: "one" })
    })
  )

  test(
    "a renewal sets the expiry from the current time, with the claim's ttl or another one",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      const claimed = plain(Option.getOrThrow(yield* backlog.claim({ owner: "w", ttlSeconds: 60, actor: "w" })))
      expect(plain(yield* writesNothing(backlog.renew({ id: "a", token: 2, actor: "w" })))).toEqual(claimed)
      yield* clock.advance("40 seconds")
      expect(plain(yield* backlog.renew({ id: "a", token: 2, actor: "w" }))).toEqual({
        ...claimed,
        claimExpiresAt: after(100),
        updatedAt: after(40),
        version: 3
      })
      expect(plain(yield* backlog.renew({ id: "a", token: 2, ttlSeconds: 10, actor: "w" }))).toMatchObject({
        claimExpiresAt: after(50),
        claimTtlSeconds: 10,
        claimToken: 2,
        attempts: 1
      })
      expect((yield* eventsOf("a")).slice(2)).toEqual([
        { type: "ClaimRenewed", version: 3, owner: "w", token: 2, ttlSeconds: 60, expiresAt: after(100) },
        { type: "ClaimRenewed", version: 4, owner: "w", token: 2, ttlSeconds: 10, expiresAt: after(50) }
      ])
    })
  )

  test(
    "renews an expired claim that was not reclaimed",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", ttlSeconds: 60, actor: "w" })
      yield* clock.advance("1 hour")
      expect(plain(yield* backlog.renew({ id: "a", token: 2, actor: "w" })).claimExpiresAt).toBe(after(3660))
      expect(Option.isNone(yield* backlog.claim({ owner: "v", actor: "v" }))).toBe(true)
    })
  )

  test(
    "refuses a token that was never issued and a renewal of a missing card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const lost = (token: number, more: object) => ({ _tag: "ClaimLost", id: "a", token, ...more })
      const free = { status: "ready", holder: null, expiresAt: null }
      expect(yield* refusal(backlog.renew({ id: "a", token: 1, actor: "w" }))).toEqual(lost(1, free))
      expect(yield* refusal(backlog.release({ id: "a", token: 1, actor: "w" }))).toEqual(lost(1, free))
      expect(yield* refusal(backlog.complete({ id: "a", token: 1, actor: "w" }))).toEqual(lost(1, free))
      yield* backlog.claim({ owner: "w", actor: "w" })
      const held = { status: "claimed", holder: "w", expiresAt: after(900) }
      expect(yield* refusal(backlog.release({ id: "a", token: 3, actor: "w" }))).toEqual(lost(3, held))
      for (const attempt of [
        backlog.renew({ id: "x", token: 1, actor: "w" }),
        backlog.release({ id: "x", token: 1, actor: "w" }),
        backlog.complete({ id: "x", token: 1, actor: "w" })
      ]) {
        expect(yield* refusal<unknown, never>(attempt)).toEqual({ _tag: "CardNotFound", id: "x" })
      }
    })
  )

  test(
    "a released card is claimable at once",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", actor: "w" })
      const released = yield* backlog.release({ id: "a", token: 2, reason: "too hard", actor: "w" })
      expect(plain(released)).toEqual(created("a", { attempts: 1, version: 3 }))
      expect((yield* eventsOf("a"))[2]).toEqual({
        type: "CardReleased",
        version: 3,
        owner: "w",
        token: 2,
        reason: "too hard",
        notBefore: null
      })
      expect(yield* isClaimable("a")).toBe(true)
      const again = Option.getOrThrow(yield* backlog.claim({ owner: "v", actor: "v" }))
      expect([again.claimToken, again.attempts]).toEqual([4, 2])
      const now = yield* backlog.release({ id: "a", token: 4, retryAfterSeconds: 0, actor: "v" })
      expect(now.notBefore).toBe(null)
    })
  )

  test(
    "a card released with a retry time is claimable in every query from that time on and not before",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a", { priority: 9 }))
      yield* backlog.claim({ owner: "w", actor: "w" })
      const released = yield* backlog.release({ id: "a", token: 2, retryAfterSeconds: 60, actor: "w" })
      expect(plain(released)).toMatchObject({ status: "ready", notBefore: after(60) })
      const refuses = Effect.gen(function* () {
        expect(yield* isClaimable("a")).toBe(false)
        expect((yield* backlog.explain("a")).obstacles).toEqual([{ _tag: "NotYet", notBefore: utc(after(60)) }])
        expect(yield* writesNothing(backlog.claim({ owner: "v", actor: "v" }))).toEqual(Option.none())
        expect(yield* writesNothing(backlog.claim({ id: "a", owner: "v", actor: "v" }))).toEqual(Option.none())
      })
      yield* refuses
      yield* clock.advance("59999 millis")
      yield* refuses
      // Other changes do not make it claimable.
      yield* backlog.revise({ id: "a", title: "New", actor: "bob" })
      yield* refuses
      yield* clock.advance("1 millis")
      expect(yield* isClaimable("a")).toBe(true)
      const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "v", actor: "v" }))
      expect(plain(claimed)).toMatchObject({ claimOwner: "v", notBefore: null, attempts: 2 })
    })
  )

  test(
    "claims a card by id when its retry time has passed",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", actor: "w" })
      yield* backlog.release({ id: "a", token: 2, retryAfterSeconds: 60, actor: "w" })
      yield* clock.advance("60 seconds")
      expect(Option.isSome(yield* backlog.claim({ id: "a", owner: "v", actor: "v" }))).toBe(true)
    })
  )

  test(
    "claims cards whose retry time has passed in claim order with all others",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      for (const [id, priority] of [
        ["one", 1],
        ["two", 2],
        ["three", 3]
      ] as const) {
        yield* backlog.create(input(id, { priority }))
        yield* backlog.claim({ id, owner: "w", actor: "w" })
        yield* backlog.release({ id, token: 2, retryAfterSeconds: priority * 10, actor: "w" })
      }
      yield* backlog.create(input("yard", { priority: 2 }))
      yield* clock.advance("20 seconds")
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["two", "yard", "one"])
      const claimed: Array<string> = []
      for (const _ of [1, 2, 3]) {
        claimed.push(Option.getOrThrow(yield* backlog.claim({ owner: "v", actor: "v" })).id)
      }
      expect(claimed).toEqual(["two", "yard", "one"])
      expect(Option.isNone(yield* backlog.claim({ owner: "v", actor: "v" }))).toBe(true)
      expect(yield* isClaimable("three")).toBe(false)
    })
  )

  test(
    "reclaim without an id reclaims every expired claim and no other",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      for (const [id, ttlSeconds] of [
        ["a", 10],
        ["b", 20],
        ["c", 30]
      ] as const) {
        yield* backlog.create(input(id))
        yield* backlog.claim({ id, owner: `w-${id}`, ttlSeconds, actor: "w" })
      }
      expect(yield* writesNothing(backlog.reclaim({ actor: "sweeper" }))).toEqual([])
      yield* clock.advance("20 seconds")
      expect([...(yield* backlog.reclaim({ actor: "sweeper" }))].sort()).toEqual(["a", "b"])
      expect((yield* eventsOf("b"))[2]).toEqual({
        type: "CardReclaimed",
        version: 3,
        owner: "w-b",
        token: 2,
        expiresAt: after(20),
        why: "expired"
      })
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["a", "b"])
      expect(Option.map(yield* backlog.get("c"), ({ claimOwner }) => claimOwner)).toEqual(Option.some("w-c"))
      expect(yield* writesNothing(backlog.reclaim({ actor: "sweeper" }))).toEqual([])
    })
  )

  test(
    "reclaim with an id reclaims that claim, expired or not",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", ttlSeconds: 60, actor: "w" })
      expect(yield* backlog.reclaim({ id: "a", actor: "boss" })).toEqual(["a"])
      expect((yield* eventsOf("a"))[2]).toMatchObject({ type: "CardReclaimed", owner: "w", token: 2, why: "requested" })
      expect(yield* refusal(backlog.complete({ id: "a", token: 2, actor: "w" }))).toMatchObject({
        _tag: "ClaimLost",
        status: "ready"
      })
      yield* backlog.claim({ owner: "v", ttlSeconds: 60, actor: "v" })
      yield* clock.advance("60 seconds")
      expect(yield* backlog.reclaim({ id: "a", actor: "boss" })).toEqual(["a"])
      expect((yield* eventsOf("a")).at(-1)).toMatchObject({ type: "CardReclaimed", token: 4, why: "expired" })
      expect(yield* writesNothing(backlog.reclaim({ id: "a", actor: "boss" }))).toEqual([])
      expect(yield* writesNothing(backlog.reclaim({ id: "nowhere", actor: "boss" }))).toEqual([])
    })
  )

  test(
    "claims within a phase and with a minimum priority",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({
        cards: [
          { id: "a", title: "A", priority: 3 },
          { id: "b", title: "B", priority: 2, phase: "p" },
          { id: "c", title: "C", priority: 1, phase: "p" },
          { id: "d", title: "D", priority: 0, phase: "q" }
        ],
        actor: "ann"
      })
      const claim = (choice: { readonly phase?: string; readonly minPriority?: number }) =>
        Effect.map(
          backlog.claim({ owner: "w", actor: "w", ...choice }),
          Option.match({ onNone: () => null, onSome: ({ id }) => id })
        )
      expect(yield* claim({ minPriority: 4 })).toBeNull()
      expect(yield* claim({ phase: "none" })).toBeNull()
      expect(yield* claim({ phase: "q", minPriority: 1 })).toBeNull()
      expect(yield* claim({ phase: "p" })).toBe("b")
      expect(yield* claim({ phase: "p", minPriority: 1 })).toBe("c")
      expect(yield* claim({ minPriority: 1 })).toBe("a")
      expect(yield* claim({})).toBe("d")
      const both = yield* Effect.flip(backlog.claim({ owner: "w", id: "a", phase: "p", actor: "w" }))
      expect(both.message).toContain("is not allowed in a claim by id")
    })
  )

  test(
    "claimMany claims the best cards first, up to the limit",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.createMany({
        cards: [1, 2, 3, 4, 5].map((priority) => ({ id: `c${priority}`, title: "T", priority, phase: "p" })),
        actor: "ann"
      })
      const many = (limit: number, more: object = {}) =>
        backlog.claimMany({ owner: "w", ttlSeconds: 60, limit, actor: "w", ...more })
      const first = yield* many(2, { commandId: "x1" })
      expect(first.map(({ attempts, claimToken, id }) => [id, claimToken, attempts])).toEqual([
        ["c5", 2, 1],
        ["c4", 2, 1]
      ])
      expect(yield* writesNothing(many(2, { commandId: "x1" }))).toEqual(first)
      expect(ids(yield* many(10, { minPriority: 2 }))).toEqual(["c3", "c2"])
      expect(yield* writesNothing(many(10, { minPriority: 2 }))).toEqual([])
      // Expired claims are reclaimed first, and their cards are among the best.
      yield* clock.advance("61 seconds")
      expect(ids(yield* many(1000))).toEqual(["c5", "c4", "c3", "c2", "c1"])
      for (const limit of [0, 1001, 1.5]) expect((yield* Effect.flip(many(limit)))._tag).toBe("InvalidInput")
    })
  )

  test(
    "claimMany returns the bodies of many large cards",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      // Together more than the 16 MiB that clients of Postgres accept by default.
      const body = "é".repeat(512 * 1024)
      for (let number = 0; number < 17; number++) {
        yield* backlog.create({ id: `large-${number}`, title: "T", body, actor: "ann" })
      }
      const claimed = yield* backlog.claimMany({ owner: "w", limit: 17, actor: "w" })
      expect(claimed.filter((card) => card.body === body).length).toBe(17)
    })
  )

  test(
    "concurrent claims of every kind get as many cards as sequential ones",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({
        cards: [
          ...[1, 2, 3].map((n) => ({ id: `p${n}`, title: "T", phase: "p", priority: 10 - n })),
          ...[1, 2, 3].map((n) => ({ id: `q${n}`, title: "T", phase: "q", priority: 10 - n }))
        ],
        actor: "ann"
      })
      const claim = (choice: object) => Effect.map(backlog.claim({ owner: "w", actor: "w", ...choice }), Option.toArray)
      const claimed = yield* Effect.all(
        [
          claim({ phase: "p" }),
          claim({ minPriority: 8 }),
          claim({ phase: "p" }),
          backlog.claimMany({ owner: "w", limit: 2, phase: "q", actor: "w" }),
          claim({})
        ],
        { concurrency: "unbounded" }
      )
      expect(claimed.map((cards) => cards.length)).toEqual([1, 1, 1, 2, 1])
      expect(new Set(ids(claimed.flat())).size).toBe(6)
    })
  )
}
