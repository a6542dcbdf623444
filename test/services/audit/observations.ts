import { DateTime, Effect, Stream } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { tables } from "../../support/backlogs.ts"
import { makeRandom } from "../../support/random.ts"
import { after, input, invalid, type Test } from "../conformance/harness.ts"

/** Creates cards, with different times between them. */
const createCards = Effect.fnUntraced(function* (count: number) {
  const backlog = yield* BacklogService
  const clock = yield* BacklogTestClock
  for (let index = 0; index < count; index++) {
    yield* backlog.create(input(`c${index}`))
    if (index % 3 === 0) yield* clock.advance(`${index + 1} seconds`)
  }
})

/** The density of the log, and the lists of verifications and anchors. */
export const observations = (test: Test): void => {
  test(
    "the density of any range has equal parts, with the positions and times of their first and last events",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* createCards(40)
      const events = yield* Stream.runCollect(audit.events())
      const timeOf = (position: number) => events[position - 1]?.recordedAt
      const random = makeRandom(7)
      const ranges = Array.from({ length: 25 }, () => {
        const from = 1 + random.below(40)
        return { from, to: from + random.below(41 - from), buckets: 1 + random.below(12) }
      })
      for (const range of [...ranges, { from: 1, to: 40, buckets: 1000 }, { from: 40, to: 40, buckets: 3 }]) {
        const { buckets, from, to } = yield* audit.density(range)
        expect([from, to, buckets.length]).toEqual([
          range.from,
          range.to,
          Math.min(range.buckets, range.to - range.from + 1)
        ])
        const sizes = buckets.map((bucket) => bucket.to - bucket.from + 1)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        let next = range.from
        for (const bucket of buckets) {
          expect(bucket.from).toBe(next)
          expect([bucket.startedAt, bucket.endedAt]).toEqual([timeOf(bucket.from), timeOf(bucket.to)])
          next = bucket.to + 1
        }
        expect(next).toBe(range.to + 1)
      }
      expect(yield* audit.density()).toMatchObject({ from: 1, to: 40 })
      expect((yield* audit.density({ buckets: 4 })).buckets.map((bucket) => [bucket.from, bucket.to])).toEqual([
        [1, 10],
        [11, 20],
        [21, 30],
        [31, 40]
      ])
    })
  )

  test(
    "the density of an empty log has no parts, and a range outside of the log is refused",
    Effect.gen(function* () {
      const audit = yield* AuditService
      expect(yield* audit.density()).toEqual({ from: 1, to: 0, buckets: [] })
      yield* createCards(3)
      expect(yield* invalid(audit.density({ from: 3, to: 2 }))).toMatch(/begins at position 3, after its end/)
      for (const wrong of [{ from: 0 }, { buckets: 0 }, { buckets: 1001 }, { to: 1.5 }]) {
        yield* invalid(audit.density(wrong))
      }
      for (const late of [{ to: 4 }, { from: 4 }]) {
        expect((yield* Effect.flip(audit.density(late)))._tag).toBe("MomentNotReached")
      }
    })
  )

  test.unverified(
    "the density of a log with missing events skips them",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { events, sql } = yield* tables
      yield* createCards(9)
      yield* sql`SELECT set_config('session_replication_role', 'replica', true)`.pipe(
        Effect.andThen(sql`DELETE FROM ${events} WHERE position BETWEEN 3 AND 7`),
        sql.withTransaction
      )
      const { buckets } = yield* audit.density({ buckets: 3 })
      expect(buckets.map(({ from, to }) => [from, to])).toEqual([
        [1, 2],
        [8, 9]
      ])
    })
  )

  test(
    "each verification that ends is listed, the latest first, with its actor, outcome and anchor",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      expect(yield* audit.verifications()).toEqual([])
      yield* createCards(2)
      const anchor = yield* audit.anchor()
      yield* audit.verify()
      yield* clock.advance("1 minute")
      const { at } = yield* audit.anchor()
      yield* audit.verify({ actor: "ann", anchor })
      yield* audit.verify({ actor: "eve", anchor: { ...anchor, chainHash: "11".repeat(32) } })
      const found = yield* audit.verifications()
      const consistent = { position: 2, outcome: "consistent", divergences: 0 }
      expect(found).toMatchObject([
        { position: 2, outcome: "divergent", divergences: 1, anchorPosition: 2, anchorMatched: false, actor: "eve" },
        { ...consistent, anchorPosition: 2, anchorMatched: true, actor: "ann", verifiedAt: at },
        { ...consistent, anchorPosition: null, anchorMatched: null, actor: null }
      ])
      for (const { durationMillis } of found) expect(durationMillis).toBeGreaterThanOrEqual(0)
      expect(yield* audit.verifications({ limit: 1 })).toEqual(found.slice(0, 1))
      for (const limit of [0, 1001]) yield* invalid(audit.verifications({ limit }))
    })
  )

  test.unverified(
    "the outcome of a damaged backlog is divergent, and a rebuild lists the verification after it",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { cards, sql } = yield* tables
      yield* createCards(3)
      yield* sql`UPDATE ${cards} SET title = 'forged'`
      yield* audit.verify()
      expect(yield* audit.verifications()).toMatchObject([{ outcome: "divergent", divergences: 3 }])
      yield* audit.rebuild()
      expect(yield* audit.verifications({ limit: 1 })).toMatchObject([{ outcome: "consistent", divergences: 0 }])
    })
  )

  test(
    "anchors that were made are listed, the latest first, and the same one again only once",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      const privateKey = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()
      expect(yield* audit.anchors()).toEqual([])
      yield* backlog.create(input("a"))
      const first = yield* audit.anchor({ actor: "ann" })
      yield* clock.advance("1 minute")
      const again = yield* audit.anchor({ actor: "ann" })
      expect(yield* audit.anchors()).toEqual([{ ...again, madeAt: again.at, actor: "ann" }])
      expect(again.chainHash).toBe(first.chainHash)
      yield* audit.anchor({ record: false })
      yield* audit.anchor()
      yield* backlog.create(input("b"))
      yield* audit.anchor({ actor: "eve", privateKey })
      expect(yield* audit.anchors()).toMatchObject([
        { position: 2, actor: "eve" },
        { position: 1, actor: null },
        { position: 1, actor: "ann" }
      ])
      expect((yield* audit.anchors({ limit: 2 })).map(({ position }) => position)).toEqual([2, 1])
      yield* invalid(audit.anchors({ limit: 0 }))
    })
  )

  test(
    "an anchor in a transaction is not listed",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { sql } = yield* tables
      yield* sql.withTransaction(audit.anchor())
      expect(yield* audit.anchors()).toEqual([])
    })
  )

  test(
    "the last 1,000 verifications and anchors are kept",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { schema, sql } = yield* tables
      yield* sql`
        SELECT count(${sql(`${schema}.record_verification_v1`)}(n, 0, 5, NULL, NULL, NULL, NULL))
        FROM pg_catalog.generate_series(1::int8, 1010::int8) AS n`
      yield* sql`
        SELECT count(${sql(`${schema}.record_anchor_v1`)}(n, ${"00".repeat(32)}::text, ${new Date(0)}::timestamptz, NULL,
          NULL, NULL))
        FROM pg_catalog.generate_series(1::int8, 1010::int8) AS n`
      for (const found of [yield* audit.verifications({ limit: 1000 }), yield* audit.anchors({ limit: 1000 })]) {
        expect([found.length, found[0]?.position, found.at(-1)?.position]).toEqual([1000, 1010, 11])
      }
      for (const name of ["verifications", "anchors"]) {
        const rows = yield* sql`SELECT number FROM ${sql(`${schema}.${name}`)}`
        expect([name, rows.length]).toEqual([name, 1000])
      }
      expect((yield* audit.verifications()).length).toBe(100)
      // What they list is no part of what is verified.
      expect((yield* audit.verify()).divergences).toEqual([])
      expect(yield* audit.verifications({ limit: 1 })).toMatchObject([{ position: 0 }])
    })
  )

  test.unverified(
    "a verification and an anchor succeed although they cannot be listed",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { schema, sql } = yield* tables
      yield* createCards(2)
      yield* sql`DROP TABLE ${sql(`${schema}.verifications`)}, ${sql(`${schema}.anchors`)}`
      const anchor = yield* audit.anchor()
      expect(yield* audit.verify({ anchor })).toMatchObject({ position: 2, divergenceCount: 0 })
      yield* sql`DROP FUNCTION ${sql(`${schema}.record_verification_v1`)}, ${sql(`${schema}.record_anchor_v1`)}`
      expect((yield* audit.anchor()).chainHash).toBe(anchor.chainHash)
      expect(yield* audit.verify()).toMatchObject({ position: 2, divergenceCount: 0 })
      expect(DateTime.formatIso(anchor.at)).toBe(after(1))
    })
  )
}
