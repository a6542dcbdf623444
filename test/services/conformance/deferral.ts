import { Effect, Option } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { plain } from "../../support/backlogs.ts"
import { after, ids, input, invalid, isClaimable, refusal, type Test, utc } from "./harness.ts"

/** Cards that cannot be claimed before a time. */
export const deferral = (test: Test): void => {
  test(
    "a card with notBefore is deferred until that time",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      const card = plain(yield* backlog.create(input("a", { notBefore: utc(after(60)) })))
      expect(card).toMatchObject({ status: "ready", notBefore: after(60) })
      expect(yield* isClaimable("a")).toBe(false)
      expect((yield* backlog.explain("a")).obstacles).toMatchObject([{ _tag: "NotYet" }])
      expect(yield* backlog.whyNothingClaimable()).toMatchObject({
        reason: "Deferred",
        counts: { deferred: 1 },
        soonestRetry: { id: "a" }
      })
      expect(ids(yield* backlog.list({ claimability: "deferred" }))).toEqual(["a"])
      expect(yield* backlog.awaitClaimable({ waitSeconds: 0 })).toBe(false)
      expect(yield* backlog.claim({ owner: "w", actor: "w" })).toEqual(Option.none())
      yield* clock.advance("60 seconds")
      expect(yield* isClaimable("a")).toBe(true)
      expect(yield* backlog.awaitClaimable({ waitSeconds: 0 })).toBe(true)
      const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
      expect(claimed).toMatchObject({ id: "a", notBefore: null })
    })
  )

  test(
    "a revision sets, moves and removes notBefore",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const later = { id: "a", notBefore: utc(after(60)), actor: "ann" }
      expect(plain(yield* backlog.revise(later))).toMatchObject({ notBefore: after(60), version: 2 })
      expect((yield* backlog.revise(later)).version).toBe(2)
      expect(yield* isClaimable("a")).toBe(false)
      expect(plain(yield* backlog.revise({ ...later, notBefore: utc(after(-60)) })).notBefore).toBe(after(-60))
      expect(yield* isClaimable("a")).toBe(true)
      yield* backlog.revise(later)
      expect((yield* backlog.revise({ ...later, notBefore: null })).notBefore).toBe(null)
      expect(yield* isClaimable("a")).toBe(true)
      expect(Option.isSome(yield* backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
    })
  )

  test(
    "a claimed card cannot be deferred, and a blocked or done card is deferred from when it is ready",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const notBefore = utc(after(60))
      yield* backlog.createMany({ actor: "ann", cards: ["a", "b", "c"].map((id) => ({ id, title: id })) })
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ id: "a", owner: "w", actor: "w" }))
      const refused = yield* refusal(backlog.revise({ id: "a", notBefore, actor: "ann" }))
      expect(refused).toMatchObject({ _tag: "CardIsClaimed", id: "a", holder: "w" })
      expect((yield* backlog.revise({ id: "a", notBefore: null, actor: "ann" })).claimToken).toBe(claimToken)
      yield* backlog.block({ id: "b", actor: "ann" })
      yield* backlog.complete({ id: "c", actor: "ann" })
      for (const id of ["b", "c"]) yield* backlog.revise({ id, notBefore, actor: "ann" })
      yield* backlog.unblock({ id: "b", actor: "ann" })
      yield* backlog.reopen({ id: "c", actor: "ann" })
      expect(ids(yield* backlog.list({ claimability: "deferred" }))).toEqual(["b", "c"])
    })
  )

  test(
    "only a ready card can be created with notBefore",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const notBefore = utc(after(60))
      for (const status of ["blocked", "done"] as const) {
        expect(yield* invalid(backlog.create(input("a", { status, notBefore })))).toContain(
          'is only allowed when the status is ready\n  at ["notBefore"]'
        )
      }
      expect((yield* backlog.create(input("a", { status: "ready" as const, notBefore }))).status).toBe("ready")
    })
  )
}
