import { Effect, Option } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { eventsOf, plain } from "../../support/backlogs.ts"
import { after, input, invalid, refusal, start, type Test } from "./harness.ts"

const claimed = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create(input("a"))
  const { claimToken } = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
  return { backlog, token: claimToken }
})

/** Notes on cards. */
export const notes = (test: Test): void => {
  test(
    "a note is the last note of its card, and notes are counted",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.note({ id: "a", text: "first", actor: "ann" })
      yield* clock.advance("1 minute")
      const card = plain(yield* backlog.note({ id: "a", text: 'second\nline "x" \\', actor: "bob" }))
      expect(card).toMatchObject({
        noteCount: 2,
        lastNote: { text: 'second\nline "x" \\', actor: "bob", at: after(60) },
        version: 3,
        status: "ready"
      })
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(card))
      const found = yield* backlog.notes({ id: "a" })
      expect(found.map(({ actor, text, version }) => [version, actor, text])).toEqual([
        [3, "bob", 'second\nline "x" \\'],
        [2, "ann", "first"]
      ])
      expect(found[1]?.at.toJSON()).toBe(start)
      expect(yield* eventsOf("a")).toMatchObject([
        { type: "CardCreated" },
        { type: "CardNoted", text: "first", claim: null },
        { type: "CardNoted", text: 'second\nline "x" \\', claim: null }
      ])
    })
  )

  test(
    "notes are read page by page, the last one first",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      for (const text of ["1", "2", "3", "4", "5"]) yield* backlog.note({ id: "a", text, actor: "ann" })
      const first = yield* backlog.notes({ id: "a", limit: 2 })
      expect(first.map(({ text }) => text)).toEqual(["5", "4"])
      const rest = yield* backlog.notes({ id: "a", before: first[1]?.version ?? 0 })
      expect(rest.map(({ text }) => text)).toEqual(["3", "2", "1"])
      expect(yield* backlog.notes({ id: "a", before: 1 })).toEqual([])
      expect(yield* refusal(backlog.notes({ id: "b" }))).toEqual({ _tag: "CardNotFound", id: "b" })
      expect(yield* invalid(backlog.notes({ id: "a", limit: 0 }))).toContain("limit")
    })
  )

  test(
    "a done card can have notes",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { status: "done" as const }))
      expect((yield* backlog.note({ id: "a", text: "shipped", actor: "ann" })).status).toBe("done")
    })
  )

  test(
    "a note with a token is refused unless the token is current",
    Effect.gen(function* () {
      const { backlog, token } = yield* claimed
      const noted = yield* backlog.note({ id: "a", text: "on it", token, actor: "w" })
      expect(noted).toMatchObject({ status: "claimed", claimToken: token, noteCount: 1 })
      expect((yield* backlog.notes({ id: "a" }))[0]?.claim).toEqual({ owner: "w", token })
      yield* backlog.release({ id: "a", token, actor: "w" })
      const refused = yield* refusal(backlog.note({ id: "a", text: "still on it", token, actor: "w" }))
      expect(refused).toMatchObject({ _tag: "ClaimLost", id: "a", token, status: "ready", holder: null })
      expect((yield* backlog.note({ id: "a", text: "afterwards", actor: "w" })).noteCount).toBe(2)
      const again = Option.getOrThrow(yield* backlog.claim({ owner: "v", actor: "v" }))
      const late = yield* refusal(backlog.note({ id: "a", text: "still on it", token, actor: "w" }))
      expect(late).toMatchObject({ _tag: "ClaimLost", id: "a", token, status: "claimed", holder: "v" })
      expect((yield* backlog.note({ id: "a", text: "mine", token: again.claimToken, actor: "v" })).noteCount).toBe(3)
      expect(yield* refusal(backlog.note({ id: "b", text: "nothing", actor: "w" }))).toEqual({
        _tag: "CardNotFound",
        id: "b"
      })
    })
  )

  test(
    "a renewal can carry a note, also one that changes nothing else",
    Effect.gen(function* () {
      const { backlog, token } = yield* claimed
      const clock = yield* BacklogTestClock
      const unchanged = yield* backlog.renew({ id: "a", token, note: "reading", actor: "w" })
      expect(unchanged).toMatchObject({ noteCount: 1, version: 3 })
      yield* clock.advance("5 minutes")
      const renewed = plain(yield* backlog.renew({ id: "a", token, note: "half done", actor: "w" }))
      expect(renewed).toMatchObject({ noteCount: 2, claimExpiresAt: after(300 + 900), version: 5 })
      expect((yield* eventsOf("a")).slice(2)).toMatchObject([
        { type: "CardNoted", text: "reading", claim: { owner: "w", token } },
        { type: "ClaimRenewed" },
        { type: "CardNoted", text: "half done", claim: { owner: "w", token } }
      ])
      expect((yield* refusal(backlog.renew({ id: "a", token: token + 1, note: "x", actor: "w" })))._tag).toBe(
        "ClaimLost"
      )
    })
  )

  test(
    "a note with a command id is written once",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const command = { id: "a", text: "once", actor: "ann", commandId: "n1" }
      const first = yield* backlog.note(command)
      expect(plain(yield* backlog.note(command))).toEqual(plain(first))
      expect((yield* refusal(backlog.note({ ...command, text: "twice" })))._tag).toBe("CommandIdConflict")
    })
  )

  test(
    "a note has 1 character to 64 KiB",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const longest = "é".repeat(32 * 1024)
      expect((yield* backlog.note({ id: "a", text: longest, actor: "ann" })).lastNote?.text).toBe(longest)
      expect(yield* invalid(backlog.note({ id: "a", text: `${longest}x`, actor: "ann" }))).toContain("65536 bytes")
      expect(yield* invalid(backlog.note({ id: "a", text: "", actor: "ann" }))).toContain("must not be empty")
    })
  )

  test(
    "an earlier state has the note that was the last one then",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a"))
      for (const text of ["1", "2"]) yield* backlog.note({ id: "a", text, actor: "ann" })
      const then = Option.getOrThrow(yield* audit.cardAt("a", { version: 2 }))
      expect(then).toMatchObject({ noteCount: 1, lastNote: { text: "1" } })
      const past = yield* audit.backlogAt({ position: 1 })
      expect(Option.getOrThrow(yield* past.get("a"))).toMatchObject({ noteCount: 0, lastNote: null })
    })
  )
}
