import { Effect, Option, Result } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { eventsOf, plain, tables, writesNothing } from "../../support/backlogs.ts"
import { readLog } from "../../support/verifyBacklog.ts"
import { after, created, ids, input, isClaimable, refusal, type Test } from "./harness.ts"

const sorted = (values: ReadonlyArray<string>): ReadonlyArray<string> => [...values].sort()

/** Completing, blocking and reopening cards. */
export const completion = (test: Test): void => {
  test(
    "completes a claimed card with its token",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", actor: "w" })
      yield* clock.advance("5 seconds")
      const completed = yield* backlog.complete({ id: "a", token: 2, result: { ok: true }, actor: "w" })
      expect(completed.madeClaimable).toEqual([])
      const expected = created("a", {
        status: "done",
        attempts: 1,
        result: { ok: true },
        completedAt: after(5),
        updatedAt: after(5),
        version: 3
      })
      expect(plain(completed)).toEqual(expected)
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(expected))
      expect((yield* eventsOf("a"))[2]).toEqual({
        type: "CardCompleted",
        version: 3,
        result: { ok: true },
        overrode: [],
        forced: false,
        claim: { owner: "w", token: 2 }
      })
    })
  )

  test(
    "completes with an expired claim's token until the claim is reclaimed",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", ttlSeconds: 1, actor: "w" })
      yield* clock.advance("1 hour")
      expect((yield* backlog.complete({ id: "a", token: 2, actor: "w" })).status).toBe("done")
    })
  )

  test(
    "refuses to complete a claimed card without its token unless force is given",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", ttlSeconds: 60, actor: "w" })
      expect(yield* refusal(backlog.complete({ id: "a", actor: "ann" }))).toEqual({
        _tag: "CardIsClaimed",
        id: "a",
        holder: "w",
        expiresAt: after(60)
      })
      expect(yield* refusal(backlog.complete({ id: "a", force: false, actor: "ann" }))).toMatchObject({
        _tag: "CardIsClaimed"
      })
      expect(yield* refusal(backlog.complete({ id: "a", token: 1, actor: "ann" }))).toEqual({
        _tag: "ClaimLost",
        id: "a",
        token: 1,
        status: "claimed",
        holder: "w",
        expiresAt: after(60)
      })
      const completed = yield* backlog.complete({ id: "a", force: true, token: 1, actor: "ann" })
      expect(completed.status).toBe("done")
      expect((yield* eventsOf("a"))[2]).toMatchObject({ forced: true, claim: { owner: "w", token: 2 } })
    })
  )

  test(
    "completes unclaimed cards without a token and records exactly the overridden dependencies",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("done", { status: "done" as const }))
      yield* backlog.create(input("open"))
      yield* backlog.create(input("met", { dependsOn: ["done"] }))
      yield* backlog.create(input("waiting", { dependsOn: ["open", "done", "nowhere"] }))
      yield* backlog.create(input("blocked", { status: "blocked" as const, blockedReason: "why" }))
      for (const id of ["met", "waiting", "blocked"]) yield* backlog.complete({ id, actor: "ann" })
      const overrode = { met: [], waiting: ["nowhere", "open"], blocked: [] }
      for (const [id, expected] of Object.entries(overrode)) {
        expect((yield* eventsOf(id))[1]).toEqual({
          type: "CardCompleted",
          version: 2,
          result: null,
          overrode: expected,
          forced: false,
          claim: null
        })
        expect(Option.map(yield* backlog.get(id), plain)).toMatchObject({
          value: { status: "done", blockedReason: null }
        })
      }
    })
  )

  test(
    "keeps the first result when a card is completed again with any token",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* backlog.create(input("b", { dependsOn: ["a"] }))
      const first = yield* backlog.complete({ id: "a", result: 1, actor: "ann" })
      expect(first.madeClaimable).toEqual(["b"])
      for (const more of [{ result: 2 }, { token: 9 }, { force: true, result: null }]) {
        const again = yield* writesNothing(backlog.complete({ id: "a", actor: "ann", ...more }))
        expect(plain(again)).toEqual(plain(first))
        expect(again.madeClaimable).toEqual([])
      }
    })
  )

  test(
    "refuses commands on a missing card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const notFound = { _tag: "CardNotFound", id: "x" }
      for (const attempt of [
        backlog.complete({ id: "x", actor: "ann" }),
        backlog.reopen({ id: "x", actor: "ann" }),
        backlog.block({ id: "x", actor: "ann" }),
        backlog.unblock({ id: "x", actor: "ann" })
      ]) {
        expect(yield* refusal<unknown, never>(attempt)).toEqual(notFound)
      }
    })
  )

  test(
    "the completion of their last dependency makes dependents claimable and returns their ids",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("first"))
      yield* backlog.create(input("second"))
      const both = { dependsOn: ["first", "second"] }
      yield* backlog.create(input("both", both))
      yield* backlog.create(input("both too", both))
      yield* backlog.create(input("only first", { dependsOn: ["first"] }))
      yield* backlog.create(input("blocked", { ...both, status: "blocked" as const }))
      yield* backlog.create(input("done", { ...both, status: "done" as const }))
      yield* backlog.create(input("waits for more", { dependsOn: ["first", "second", "nowhere"] }))
      yield* backlog.create(input("held"))
      yield* backlog.claim({ id: "held", owner: "w", actor: "w" })
      yield* backlog.link({ from: "held", to: "second", actor: "ann" })
      yield* backlog.create(input("later"))
      yield* backlog.claim({ id: "later", owner: "w", actor: "w" })
      yield* backlog.release({ id: "later", token: 2, retryAfterSeconds: 60, actor: "w" })
      yield* backlog.link({ from: "later", to: "second", actor: "ann" })

      expect((yield* backlog.complete({ id: "first", actor: "ann" })).madeClaimable).toEqual(["only first"])
      expect(yield* isClaimable("both")).toBe(false)
      expect(sorted((yield* backlog.complete({ id: "second", actor: "ann" })).madeClaimable)).toEqual([
        "both",
        "both too"
      ])
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["both", "both too", "only first"])
      yield* clock.advance("60 seconds")
      expect(yield* isClaimable("later")).toBe(true)
    })
  )

  test(
    "a completion or reopening changes its dependents in its transaction",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { cards, events, sql } = yield* tables
      yield* backlog.create(input("a"))
      yield* backlog.createMany({
        actor: "ann",
        cards: ["b", "c", "d"].map((id) => ({ id, title: "T", dependsOn: ["a"] }))
      })
      const transactions = sql<{ readonly id: string; readonly transaction: string }>`
        SELECT id, xmin::text AS transaction FROM ${cards} WHERE id <> 'a'
        UNION ALL (SELECT 'event', xmin::text FROM ${events} ORDER BY position DESC LIMIT 1)`
      const before = (yield* transactions)[0]?.transaction
      yield* backlog.complete({ id: "a", actor: "ann" })
      const completed = yield* transactions
      expect(completed.length).toBe(4)
      expect(new Set(completed.map((row) => row.transaction)).size).toBe(1)
      expect(completed[0]?.transaction).not.toBe(before)
      yield* backlog.reopen({ id: "a", actor: "ann" })
      const reopened = yield* transactions
      expect(new Set(reopened.map((row) => row.transaction)).size).toBe(1)
      expect(reopened[0]?.transaction).not.toBe(completed[0]?.transaction)
    })
  )

  test(
    "after a done card is reopened, its open dependents wait again",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.create(input("ready", { dependsOn: ["a"] }))
      yield* backlog.create(input("done", { dependsOn: ["a"] }))
      yield* backlog.create(input("held", { dependsOn: ["a"] }))
      yield* backlog.claim({ id: "a", owner: "w", actor: "w" })
      yield* backlog.complete({ id: "a", token: 2, result: "first", actor: "w" })
      yield* backlog.complete({ id: "done", actor: "ann" })
      yield* backlog.claim({ id: "held", owner: "v", actor: "v" })
      yield* clock.advance("1 second")
      const reopened = yield* backlog.reopen({ id: "a", reason: "wrong", actor: "bob" })
      expect(plain(reopened)).toEqual(created("a", { attempts: 1, updatedAt: after(1), version: 4 }))
      expect((yield* eventsOf("a"))[3]).toEqual({ type: "CardReopened", version: 4, reason: "wrong" })
      expect(yield* isClaimable("a")).toBe(true)
      expect(yield* isClaimable("ready")).toBe(false)
      expect(Option.map(yield* backlog.get("done"), ({ status }) => status)).toEqual(Option.some("done"))
      expect(Option.map(yield* backlog.get("held"), ({ claimOwner }) => claimOwner)).toEqual(Option.some("v"))
      expect((yield* backlog.complete({ id: "held", token: 2, actor: "v" })).status).toBe("done")
      expect((yield* eventsOf("held")).at(-1)).toMatchObject({ overrode: ["a"] })
      expect((yield* backlog.complete({ id: "a", actor: "ann" })).madeClaimable).toEqual(["ready"])
    })
  )

  test(
    "reopening a card that is not done writes nothing",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("ready"))
      yield* backlog.create(input("blocked", { status: "blocked" as const, blockedReason: "why" }))
      yield* backlog.create(input("held"))
      yield* backlog.claim({ id: "held", owner: "w", actor: "w" })
      for (const id of ["ready", "blocked", "held"]) {
        const before = Option.getOrThrow(yield* backlog.get(id))
        expect(plain(yield* writesNothing(backlog.reopen({ id, actor: "ann" })))).toEqual(plain(before))
      }
    })
  )

  test(
    "blocking a claimed card ends its claim",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", actor: "w" })
      const blocked = yield* backlog.block({ id: "a", reason: "stop", actor: "boss" })
      expect(plain(blocked)).toEqual(
        created("a", { status: "blocked", blockedReason: "stop", attempts: 1, version: 3 })
      )
      expect((yield* eventsOf("a"))[2]).toEqual({
        type: "CardBlocked",
        version: 3,
        reason: "stop",
        endedClaim: { owner: "w", token: 2 }
      })
      expect(yield* refusal(backlog.complete({ id: "a", token: 2, actor: "w" }))).toEqual({
        _tag: "ClaimLost",
        id: "a",
        token: 2,
        status: "blocked",
        holder: null,
        expiresAt: null
      })
      expect(yield* isClaimable("a")).toBe(false)
      expect((yield* backlog.explain("a")).obstacles).toEqual([{ _tag: "Blocked", reason: "stop" }])
    })
  )

  test(
    "the holder of a claim blocks its card with the token, and a lost token blocks nothing",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", actor: "w" })
      yield* backlog.release({ id: "a", token: 2, actor: "w" })
      yield* backlog.claim({ owner: "v", actor: "v" })
      expect(
        yield* refusal(writesNothing(backlog.block({ id: "a", token: 2, reason: "stop", actor: "w" })))
      ).toMatchObject({
        _tag: "ClaimLost",
        token: 2,
        status: "claimed",
        holder: "v"
      })
      const blocking = { id: "a", token: 4, reason: "stop", actor: "v", commandId: "block-a" }
      const blocked = yield* backlog.block(blocking)
      expect(plain(blocked)).toMatchObject({ status: "blocked", blockedReason: "stop", claimToken: null, version: 5 })
      expect(plain(yield* writesNothing(backlog.block(blocking)))).toEqual(plain(blocked))
      expect(yield* refusal(backlog.block({ id: "a", token: 4, actor: "v" }))).toMatchObject({ _tag: "ClaimLost" })
    })
  )

  test(
    "block and unblock write nothing when the card is already in that state",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* writesNothing(backlog.unblock({ id: "a", actor: "ann" }))
      yield* backlog.block({ id: "a", actor: "ann" })
      yield* writesNothing(backlog.block({ id: "a", actor: "ann" }))
      yield* backlog.block({ id: "a", reason: "now there is one", actor: "ann" })
      yield* writesNothing(backlog.block({ id: "a", reason: "now there is one", actor: "ann" }))
      const unblocked = yield* backlog.unblock({ id: "a", reason: "fine", actor: "ann" })
      expect(plain(unblocked)).toEqual(created("a", { version: 4 }))
      yield* writesNothing(backlog.unblock({ id: "a", actor: "ann" }))
      expect((yield* eventsOf("a")).slice(1)).toEqual([
        { type: "CardBlocked", version: 2, reason: null, endedClaim: null },
        { type: "CardBlocked", version: 3, reason: "now there is one", endedClaim: null },
        { type: "CardUnblocked", version: 4, reason: "fine" }
      ])
      expect(yield* isClaimable("a")).toBe(true)
    })
  )

  test(
    "blocking or completing a card clears its retry time",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (const id of ["blocked", "done"]) {
        yield* backlog.create(input(id))
        yield* backlog.claim({ id, owner: "w", actor: "w" })
        yield* backlog.release({ id, token: 2, retryAfterSeconds: 3600, actor: "w" })
      }
      yield* backlog.block({ id: "blocked", actor: "ann" })
      yield* backlog.complete({ id: "done", actor: "ann" })
      yield* backlog.unblock({ id: "blocked", actor: "ann" })
      yield* backlog.reopen({ id: "done", actor: "ann" })
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["blocked", "done"])
      for (const _ of [1, 2]) expect(Option.isSome(yield* backlog.claim({ owner: "v", actor: "v" }))).toBe(true)
    })
  )

  test(
    "refuses to block or unblock a done card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { status: "done" as const }))
      const done = { _tag: "CardIsDone", id: "a" }
      expect(yield* refusal(backlog.block({ id: "a", actor: "ann" }))).toEqual(done)
      expect(yield* refusal(backlog.unblock({ id: "a", actor: "ann" }))).toEqual(done)
    })
  )

  test(
    "claimNext claims the best card in the same transaction, including cards that the completion makes claimable",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({
        cards: [
          { id: "a", title: "A", priority: 9 },
          { id: "b", title: "B", priority: 5, dependsOn: ["a"] },
          { id: "c", title: "C", phase: "p" },
          { id: "d", title: "D", phase: "p", priority: -1 }
        ],
        actor: "ann"
      })
      const claimNext = { owner: "w", ttlSeconds: 60 }
      yield* backlog.claim({ owner: "w", actor: "w" })
      const refused = yield* Effect.flip(writesNothing(backlog.complete({ id: "a", token: 9, claimNext, actor: "w" })))
      expect(refused._tag).toBe("ClaimLost")
      const first = yield* backlog.complete({ id: "a", token: 2, claimNext, commandId: "x1", actor: "w" })
      expect(first).toMatchObject({ id: "a", status: "done", madeClaimable: ["b"] })
      expect(first.next).toMatchObject({ id: "b", status: "claimed", claimToken: 2, claimTtlSeconds: 60 })
      expect(
        yield* writesNothing(backlog.complete({ id: "a", token: 2, claimNext, commandId: "x1", actor: "w" }))
      ).toEqual(first)
      const second = yield* backlog.complete({
        id: "b",
        token: 2,
        claimNext: { owner: "w", phase: "p", minPriority: 0 },
        actor: "w"
      })
      expect(second.next?.id).toBe("c")
      expect((yield* backlog.complete({ id: "c", token: 2, claimNext, actor: "w" })).next?.id).toBe("d")
      expect((yield* backlog.complete({ id: "d", token: 2, claimNext, actor: "w" })).next).toBeNull()
      // No card is left. A card that is already done can be completed again.
      yield* backlog.create(input("e"))
      expect((yield* backlog.complete({ id: "a", claimNext, actor: "w" })).next?.id).toBe("e")
    })
  )

  test(
    "claimNext never claims the completed card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { priority: 1 }))
      yield* backlog.create(input("b"))
      const { next } = yield* backlog.complete({ id: "a", claimNext: { owner: "w" }, actor: "w" })
      expect(next?.id).toBe("b")
    })
  )

  test(
    "completeMany returns a separate outcome for each card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      expect(yield* backlog.completeMany({ completions: [], actor: "w" })).toEqual([])
      yield* backlog.createMany({
        cards: ["a", "b", "c"].map((id) => ({ id, title: id })),
        actor: "ann"
      })
      yield* backlog.create(input("d", { dependsOn: ["a", "c"] }))
      const claimed = yield* backlog.claimMany({ owner: "w", limit: 3, actor: "w" })
      expect(claimed.map(({ claimToken, id }) => [id, claimToken])).toEqual([
        ["a", 2],
        ["b", 2],
        ["c", 2]
      ])
      const before = (yield* readLog).length
      const outcomes = yield* backlog.completeMany({
        completions: [
          { id: "a", token: 2, result: 1, commandId: "x1" },
          { id: "b", token: 7 },
          { id: "none" },
          { id: "c", token: 2 },
          { id: "a", token: 2, result: 1, commandId: "x1" }
        ],
        actor: "w",
        correlationId: "run"
      })
      expect(
        outcomes.map((outcome) => (Result.isSuccess(outcome) ? outcome.success.id : outcome.failure._tag))
      ).toEqual(["a", "ClaimLost", "CardNotFound", "c", "a"])
      expect(outcomes.map((outcome) => (Result.isSuccess(outcome) ? outcome.success.madeClaimable : []))).toEqual([
        [],
        [],
        [],
        ["d"],
        []
      ])
      expect((yield* readLog).slice(before)).toMatchObject([
        { cardId: "a", type: "CardCompleted", actor: "w", correlationId: "run", commandId: "x1" },
        { cardId: "c", type: "CardCompleted", actor: "w", correlationId: "run", commandId: null }
      ])
    })
  )
}
