import { Effect, Exit, Option } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { headPosition, tables, writesNothing } from "../../support/backlogs.ts"
import { ids, input, refusalJson, type Test } from "./harness.ts"

const actor = "ann"

const receiptIds = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  const rows = yield* sql<{ readonly id: string }>`SELECT command_id AS id FROM ${sql(`${schema}.receipts`)} ORDER BY 1`
  return ids(rows)
})

/** A result as plain JSON. */
const plain = (answer: unknown): unknown => JSON.parse(JSON.stringify(answer))

/** The outcome of a command as plain JSON. */
const outcomeOf = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(command), (result) =>
    result._tag === "Success" ? { answer: plain(result.success) } : { refused: refusalJson(result.failure) }
  )

/** Executes a command before and after another effect and returns both outcomes. Checks that the retry writes nothing. */
const retryAfter = <A, E, E2, R, R2>(command: Effect.Effect<A, E, R>, between: Effect.Effect<unknown, E2, R2>) =>
  Effect.gen(function* () {
    const first = yield* outcomeOf(command)
    yield* between
    const second = yield* writesNothing(outcomeOf(command))
    return [first, second] as const
  })

/** A command with a commandId is executed once. */
export const receipts = (test: Test): void => {
  test(
    "a retried claim returns the same card and token, whatever happened since",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.createMany({
        cards: [
          { id: "a", title: "A", priority: 1 },
          { id: "b", title: "B" }
        ],
        actor
      })
      const claim = backlog.claim({ owner: "w", ttlSeconds: 10, actor, commandId: "claim" })
      const [first, second] = yield* retryAfter(
        claim,
        Effect.gen(function* () {
          yield* clock.advance("11 seconds")
          yield* backlog.claim({ owner: "other", ttlSeconds: 60, actor })
          yield* backlog.revise({ id: "a", title: "Another", actor })
        })
      )
      expect(second).toEqual(first)
      expect(Option.getOrThrow(yield* claim)).toMatchObject({ id: "a", title: "A", claimOwner: "w", claimToken: 2 })
      expect(ids(yield* backlog.list({ status: "claimed" }))).toEqual(["a"])
    })
  )

  test(
    "every retried command returns the first answer and writes nothing",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const tokenOf = (id: string) =>
        Effect.map(backlog.get(id), (card) => Option.getOrThrow(card).claimToken ?? expect.fail("not claimed"))
      let count = 0
      const check = <A, E, R>(command: (commandId: string) => Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const id = `command ${++count}`
          const revised = Effect.forEach(["a", "b"], (card) =>
            Effect.ignore(backlog.revise({ id: card, priority: count, actor }))
          )
          const [first, second] = yield* retryAfter(command(id), revised)
          expect([id, second]).toEqual([id, first])
          return first
        })
      yield* check((commandId) => backlog.create(input("a", { body: "text", commandId })))
      yield* check((commandId) =>
        backlog.createMany({
          cards: [
            { id: "b", title: "B" },
            { id: "c", title: "C" }
          ],
          actor,
          commandId
        })
      )
      yield* check((commandId) => backlog.revise({ id: "a", title: "new", actor, commandId }))
      yield* check((commandId) => backlog.link({ from: "b", to: "a", actor, commandId }))
      yield* check((commandId) => backlog.claim({ owner: "w", id: "a", actor, commandId }))
      const token = yield* tokenOf("a")
      yield* check((commandId) => backlog.renew({ id: "a", token, ttlSeconds: 50, actor, commandId }))
      yield* check((commandId) => backlog.release({ id: "a", token, reason: "tired", actor, commandId }))
      yield* check((commandId) => backlog.renew({ id: "a", token, actor, commandId }))
      yield* backlog.claim({ owner: "w", id: "a", actor })
      expect(yield* check((commandId) => backlog.reclaim({ id: "a", actor, commandId }))).toEqual({ answer: ["a"] })
      yield* check((commandId) => backlog.block({ id: "a", reason: "no", actor, commandId }))
      yield* check((commandId) => backlog.unblock({ id: "a", actor, commandId }))
      const completed = yield* check((commandId) => backlog.complete({ id: "a", result: [1], actor, commandId }))
      expect(completed).toMatchObject({ answer: { id: "a", madeClaimable: ["b"], result: [1] } })
      yield* check((commandId) => backlog.reopen({ id: "a", reason: "again", actor, commandId }))
      yield* check((commandId) => backlog.unlink({ from: "b", to: "a", actor, commandId }))
      const redacted = yield* check((commandId) =>
        audit.redact({ id: "a", parts: ["body"], reason: "secret", actor, commandId })
      )
      expect(redacted).toMatchObject({ answer: { erased: [{ parts: ["body"] }] } })
      for (const refusedId of ["nobody", "a"]) {
        yield* check((commandId) => backlog.link({ from: refusedId, to: refusedId, actor, commandId }))
      }
      yield* check((commandId) => audit.redact({ id: "nobody", parts: ["body"], reason: "secret", actor, commandId }))
      expect(yield* receiptIds).toHaveLength(count)
    })
  )

  test(
    "a retry repeats an empty claim or a refusal even if a new command would have another outcome",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const claim = backlog.claim({ owner: "w", actor, commandId: "nothing" })
      const link = backlog.link({ from: "a", to: "b", actor, commandId: "refused" })
      expect(yield* claim).toEqual(Option.none())
      const first = yield* outcomeOf(link)
      expect(first).toEqual({ refused: { _tag: "CardNotFound", id: "a" } })
      yield* backlog.createMany({
        cards: [
          { id: "a", title: "A" },
          { id: "b", title: "B" }
        ],
        actor
      })
      expect(yield* writesNothing(claim)).toEqual(Option.none())
      expect(yield* writesNothing(outcomeOf(link))).toEqual(first)
    })
  )

  test(
    "the same id with other content is refused, and the first outcome is kept",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a", { commandId: "id" }))
      const conflict = { refused: { _tag: "CommandIdConflict", commandId: "id" } }
      for (const other of [
        backlog.create(input("a", { commandId: "id", priority: 1 })),
        backlog.create(input("b", { commandId: "id" })),
        backlog.complete({ id: "a", actor, commandId: "id" }),
        audit.redact({ id: "a", parts: ["title"], reason: "r", actor, commandId: "id" })
      ] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
        expect(yield* writesNothing(outcomeOf(other))).toEqual(conflict)
      }
      const again = backlog.create({ commandId: "id", actor, title: "Card a", id: "a" })
      expect((yield* writesNothing(again)).version).toBe(1)
    })
  )

  test(
    "undefined fields and the order of keys do not change the digest",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* backlog.complete({ id: "a", result: { x: 1, y: [2] }, actor, commandId: "id" })
      const again = backlog.complete({
        id: "a",
        result: { y: [2], x: 1 },
        force: undefined,
        token: undefined,
        actor,
        commandId: "id"
      })
      expect((yield* writesNothing(again)).status).toBe("done")
    })
  )

  test(
    "concurrent retries are one command, in one batch and in many",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({
        cards: Array.from({ length: 20 }, (_, index) => ({ id: `c${index}`, title: "T" })),
        actor
      })
      for (let round = 0; round < 5; round++) {
        const claim = backlog.claim({ owner: "w", actor, commandId: `round ${round}` })
        const answers = yield* Effect.all(
          Array.from({ length: 8 }, () => claim),
          { concurrency: "unbounded" }
        )
        expect(new Set(answers.map((answer) => JSON.stringify(plain(answer)))).size).toBe(1)
      }
      expect(yield* headPosition).toBe(25)
      const conflicting = yield* Effect.forEach(
        ["x", "y"],
        (id) => Effect.exit(backlog.create(input(id, { commandId: "both" }))),
        { concurrency: "unbounded" }
      )
      expect(conflicting.filter(Exit.isSuccess)).toHaveLength(1)
      expect(yield* headPosition).toBe(26)
    })
  )

  test(
    "a receipt is written in the transaction of its command",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { sql } = yield* tables
      const create = backlog.create(input("a", { commandId: "id" }))
      yield* Effect.exit(sql.withTransaction(Effect.andThen(create, Effect.fail("changed my mind"))))
      expect(yield* receiptIds).toEqual([])
      expect(yield* backlog.get("a")).toEqual(Option.none())
      yield* sql.withTransaction(Effect.andThen(create, create))
      expect(yield* receiptIds).toEqual(["id"])
      expect(yield* headPosition).toBe(1)
    })
  )

  test(
    "a receipt contains no erasable text, and a repeated answer omits redacted texts",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const { schema, sql } = yield* tables
      const create = backlog.create(input("a", { body: "a secret", commandId: "id" }))
      expect((yield* create).body).toBe("a secret")
      const rows = yield* sql`SELECT outcome::text AS outcome FROM ${sql(`${schema}.receipts`)}`
      expect(JSON.stringify(rows)).not.toContain("secret")
      yield* audit.redact({ id: "a", parts: ["body"], reason: "r", actor })
      expect(yield* create).toMatchObject({ version: 1, body: "[redacted]", title: "Card a" })
    })
  )

  test(
    "pruneReceipts deletes the receipts older than the given age and no others",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a", { commandId: "old" }))
      yield* clock.advance("36 hours")
      yield* backlog.create(input("b", { commandId: "new" }))
      expect(yield* audit.pruneReceipts({ olderThanDays: 1.5 })).toBe(0)
      expect(yield* audit.pruneReceipts({ olderThanDays: 1 })).toBe(1)
      expect(yield* receiptIds).toEqual(["new"])
      const again = yield* outcomeOf(backlog.create(input("a", { commandId: "old" })))
      expect(again).toEqual({ refused: { _tag: "CardAlreadyExists", id: "a" } })
      for (const olderThanDays of [-1, Number.NaN, 36_501]) {
        expect((yield* Effect.flip(audit.pruneReceipts({ olderThanDays })))._tag).toBe("InvalidInput")
      }
    })
  )
}
