import { Effect, Option, Stream } from "effect"
import type { MomentInput } from "../../../src/services/AuditInput.ts"
import { AuditService, type BacklogAt } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { InvalidInput } from "../../../src/services/decodeInput.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { plot, plotLength } from "./plot.ts"
import { after, created, ids, input, invalid, refusalJson, start, type Test, utc } from "../conformance/harness.ts"
import { iso, plain, tables } from "../../support/backlogs.ts"
import { expect } from "vitest"

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

/** Reads of past states. */
export const timeTravel = (test: Test): void => {
  test(
    "a backlog is empty before the first event",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a"))
      for (const at of [{ position: 0 }, { time: utc("2025-12-31T23:59:59.999Z") }]) {
        const past = yield* audit.backlogAt(at)
        expect(past.position).toBe(0)
        expect(yield* past.list()).toEqual([])
        expect(past.stats).toEqual({
          counts: { ready: 0, claimed: 0, blocked: 0, done: 0 },
          total: 0,
          claimable: 0,
          waiting: 0,
          oldestReadyAgeSeconds: null,
          expiredClaimCount: 0
        })
        expect(yield* past.get("a")).toEqual(Option.none())
        expect(yield* tagOf(past.explain("a"))).toBe("CardNotFound")
        expect(yield* audit.cardAt("a", at)).toEqual(Option.none())
        expect(yield* tagOf(audit.explainAt("a", at))).toBe("CardNotFound")
      }
    })
  )

  test(
    "an empty backlog has an empty past",
    Effect.gen(function* () {
      const audit = yield* AuditService
      for (const at of [{ position: 0 }, { time: utc(start) }]) {
        expect((yield* audit.backlogAt(at)).stats.total).toBe(0)
      }
      expect(yield* tagOf(audit.backlogAt({ position: 1 }))).toBe("MomentNotReached")
    })
  )

  test(
    "a moment after the end of the log is refused with the position of the end",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a"))
      yield* backlog.create(input("b"))
      const beyond = yield* Effect.flip(audit.backlogAt({ position: 3 }))
      expect(beyond).toMatchObject({
        _tag: "MomentNotReached",
        message: "There is no position 3 yet: the log ends at 2."
      })
      const future = { time: utc(after(0.001)) }
      expect(yield* tagOf(audit.backlogAt(future))).toBe("MomentNotReached")
      for (const at of [{ position: 3 }, { version: 2 }, future]) {
        expect(yield* tagOf(audit.cardAt("a", at))).toBe("MomentNotReached")
        expect(yield* tagOf(audit.explainAt("a", at))).toBe("MomentNotReached")
      }
      // A card that never existed has no versions.
      expect(yield* audit.cardAt("nowhere", { version: 2 })).toEqual(Option.none())
      expect(yield* tagOf(audit.explainAt("nowhere", { version: 1 }))).toBe("CardNotFound")
    })
  )

  test(
    "the graph of a moment is what the queries of the present returned then",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const create = (id: string, dependsOn: ReadonlyArray<string>, more: object = {}) =>
        backlog.create(input(id, { dependsOn, ...more }))
      const steps: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        create("base", []),
        create("middle", ["base", "later", "never"], { phase: "p" }),
        create("top", ["middle", "base"], { labels: ["x"], phase: "p" }),
        create("other", ["base"], { priority: 7, labels: ["x"] }),
        create("deferred", ["base"], { notBefore: utc("2030-01-01T00:00:00Z") }),
        create("later", []),
        ...Array.from({ length: 5 }, (_, index) => create(`leaf ${index}`, ["top", "base"])),
        backlog.claim({ id: "other", owner: "w", actor: "w" }),
        backlog.complete({ id: "base", force: true, actor: "ann" }),
        backlog.claim({ id: "other", owner: "w", actor: "w" }),
        backlog.complete({ id: "later", actor: "ann" }),
        backlog.unlink({ from: "middle", to: "never", actor: "ann" }),
        backlog.link({ from: "other", to: "top", actor: "ann" }),
        backlog.block({ id: "middle", reason: "why not", actor: "ann" }),
        backlog.reopen({ id: "base", actor: "ann" })
      ]
      const graph = Effect.fnUntraced(function* (
        read: Pick<BacklogAt, "dependents" | "neighbourhood" | "impact" | "criticalPath">
      ) {
        const answers: Array<unknown> = []
        for (const id of ["base", "middle", "never", "nowhere"]) {
          for (const effect of [
            read.dependents({ id }),
            read.dependents({ id, limit: 2, after: "leaf 0" }),
            read.neighbourhood({ id }),
            read.neighbourhood({ id, hops: 0 }),
            read.neighbourhood({ id, hops: 3, limit: 4 }),
            read.neighbourhood({ id, hops: 3 }),
            read.impact(id)
          ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>) {
            answers.push(yield* Effect.catch(effect, ({ _tag }) => Effect.succeed(_tag)))
          }
        }
        answers.push(
          yield* read.criticalPath(),
          yield* read.criticalPath({ phase: "p" }),
          yield* read.criticalPath({ label: "x" })
        )
        return answers
      })
      const then: Array<readonly [position: number, answers: ReadonlyArray<unknown>]> = []
      for (const step of steps) {
        yield* Effect.exit(step)
        const { position } = yield* audit.anchor()
        then.push([position, yield* graph(backlog)])
      }
      expect(then.at(-1)?.[0]).toBeGreaterThan(15)
      for (const [position, answers] of then.toReversed()) {
        expect(yield* graph(yield* audit.backlogAt({ position }))).toEqual(answers)
      }
      const past = yield* audit.backlogAt({ position: 1 })
      yield* invalid(past.dependents({ id: "" }))
      yield* invalid(past.neighbourhood({ id: "base", hops: 11 }))
      yield* invalid(past.criticalPath({ phase: "" }))
    })
  )

  test(
    "a diff lists the cards that changed between two moments, with both states and the fields that differ",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("b"))
      yield* backlog.create(input("a", { labels: ["rust"] }))
      yield* backlog.create(input("same"))
      yield* (yield* BacklogTestClock).advance("1 hour")
      yield* backlog.revise({ id: "b", title: "New", addLabels: ["go"], actor: "ann" })
      yield* backlog.link({ from: "a", to: "b", actor: "ann" })
      yield* backlog.unlink({ from: "a", to: "b", actor: "ann" })
      yield* backlog.create(input("c"))
      const diff = (from: MomentInput, to?: MomentInput) =>
        Effect.map(Stream.runCollect(audit.diff({ from, to })), (diffs) =>
          diffs.map((each) => {
            expect([each.before?.id ?? each.id, each.after.id]).toEqual([each.id, each.id])
            return [each.id, each.before?.version ?? null, each.after.version, [...each.fields].sort()]
          })
        )
      const expected = [
        ["a", 1, 3, []],
        ["b", 1, 2, ["labels", "title"]]
      ]
      expect(yield* diff({ position: 3 }, { position: 6 })).toEqual(expected)
      expect((yield* diff({ time: utc(start) })).slice(0, 2)).toEqual(expected)
      expect((yield* diff({ position: 3 })).map(([id]) => id)).toEqual(["a", "b", "c"])
      expect((yield* diff({ position: 6 }))[0]?.slice(0, 3)).toEqual(["c", null, 1])
      expect(yield* diff({ position: 7 })).toEqual([])
      expect(yield* tagOf(diff({ position: 8 }))).toBe("MomentNotReached")
      expect(yield* tagOf(diff({ position: 0 }, { position: 8 }))).toBe("MomentNotReached")
      yield* invalid(diff({ position: 2 }, { position: 1 }))
      yield* invalid(diff({ position: -1 }))
    })
  )

  test(
    "an invalid moment is refused as input",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* invalid(audit.backlogAt({ position: -1 }))
      yield* invalid(audit.backlogAt({ position: 0.5 }))
      yield* invalid(audit.cardAt("a", { version: 0 }))
      yield* invalid(audit.cardAt("", { position: 0 }))
      const past = yield* audit.backlogAt({ position: 0 })
      yield* invalid(past.list({ limit: 0 }))
      yield* invalid(past.get(""))
    })
  )

  test(
    "at a position within a batch, only the cards up to it exist, and cards that depend on later ones wait",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.createMany({
        actor: "ann",
        cards: [
          { id: "a", title: "Card a", dependsOn: ["d"] },
          { id: "b", title: "Card b" },
          { id: "c", title: "Card c", dependsOn: ["b"] },
          { id: "d", title: "Card d", status: "done" }
        ]
      })
      const at = (position: number) => audit.backlogAt({ position })
      const second = yield* at(2)
      expect((yield* second.list()).map(plain)).toEqual([created("a", { dependsOn: ["d"] }), created("b")])
      expect(ids(yield* second.list({ claimability: "claimable" }))).toEqual(["b"])
      expect((yield* second.explain("a")).obstacles).toEqual([
        { _tag: "UnmetDependencies", dependencies: [{ id: "d", status: null }] }
      ])
      expect((yield* audit.explainAt("a", { position: 2 })).obstacles).toEqual((yield* second.explain("a")).obstacles)
      expect(yield* second.get("c")).toEqual(Option.none())
      expect((yield* at(3)).stats).toMatchObject({ total: 3, claimable: 1, waiting: 2 })
      expect((yield* at(4)).stats).toMatchObject({ total: 4, claimable: 2, waiting: 1 })
      // All events have the same recording time, so there is no time between them.
      expect((yield* audit.backlogAt({ time: utc(start) })).position).toBe(4)
    })
  )

  test(
    "leases and retry times are evaluated at the moment's time, not at the current time",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* backlog.create(input("b"))
      yield* backlog.claim({ owner: "w", id: "a", ttlSeconds: 60, actor: "w" })
      yield* backlog.claim({ owner: "w", id: "b", actor: "w" })
      yield* backlog.release({ id: "b", token: 2, retryAfterSeconds: 60, actor: "w" })
      yield* clock.advance("1 hour")
      const then = yield* audit.backlogAt({ position: 5 })
      expect(iso(then.time)).toBe(start)
      expect(then.stats).toMatchObject({ claimable: 0, expiredClaimCount: 0, oldestReadyAgeSeconds: 0 })
      expect((yield* audit.explainAt("b", { version: 3 })).obstacles.map(({ _tag }) => _tag)).toEqual(["NotYet"])
      for (const [seconds, claimable, expired] of [
        [59.999, 0, 0],
        [60, 1, 1],
        [3_600, 1, 1]
      ] as const) {
        const time = utc(after(seconds))
        const past = yield* audit.backlogAt({ time })
        expect([seconds, past.position, past.stats.claimable, past.stats.expiredClaimCount]).toEqual([
          seconds,
          5,
          claimable,
          expired
        ])
        expect((yield* past.explain("b")).claimable).toBe(claimable === 1)
        expect((yield* audit.explainAt("b", { time })).claimable).toBe(claimable === 1)
      }
      expect((yield* audit.backlogAt({ time: utc(after(3_600)) })).stats).toEqual(yield* backlog.stats)
    })
  )

  test(
    "a past state is listed, filtered and paged like the present",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* plot
      const past = yield* audit.backlogAt({ position: plotLength })
      for (const options of [
        {},
        { status: "ready" },
        { status: "done" },
        { phase: "one" },
        { claimability: "claimable" },
        { limit: 2 },
        { after: "c", limit: 3 },
        { after: "f" },
        { phase: "nowhere" },
        { status: "blocked", claimability: "claimable" }
      ] as const) {
        const present = (yield* backlog.list(options)).map(plain)
        expect([options, (yield* past.list(options)).map(plain)]).toEqual([options, present])
        expect((yield* Stream.runCollect(past.cards(options))).map(plain)).toEqual(present)
      }
      expect(refusalJson(yield* Effect.flip(past.list({ after: "nowhere" })))).toEqual({
        _tag: "CardNotFound",
        id: "nowhere"
      })
      // The card exists today, but not at that moment.
      const earlier = yield* audit.backlogAt({ position: 12 })
      expect(yield* tagOf(earlier.list({ after: "e" }))).toBe("CardNotFound")
    })
  )

  test(
    "a past state does not change after it was read",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a"))
      const past = yield* audit.backlogAt({ position: 1 })
      yield* backlog.complete({ id: "a", actor: "ann" })
      yield* backlog.create(input("b"))
      expect((yield* past.list()).map(plain)).toEqual([created("a")])
      expect(past.stats.total).toBe(1)
      expect(yield* past.get("b")).toEqual(Option.none())
    })
  )

  test(
    "a time selects the last event recorded by then, regardless of business times",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      for (let index = 0; index < 20; index++) {
        yield* backlog.create(input(`c${index}`, { occurredAt: utc(`20${30 - index}-01-01T00:00:00Z`) }))
        if (index % 3 === 2) yield* clock.advance("1 second")
      }
      const positions: Array<number> = []
      for (let halves = 0; halves <= 12; halves++) {
        positions.push((yield* audit.backlogAt({ time: utc(after(halves / 2)) })).position)
      }
      expect(positions).toEqual([3, 3, 6, 6, 9, 9, 12, 12, 15, 15, 18, 18, 20])
    })
  )

  test(
    "an anchor's time is never before its event's, even if the clock is set back",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      const empty = yield* audit.anchor()
      expect(empty).toMatchObject({ position: 0, chainHash: "00".repeat(32), signature: null })
      expect((yield* audit.verify({ anchor: empty })).divergences).toEqual([])
      const notEmpty = yield* audit.verify({ anchor: { ...empty, chainHash: "11".repeat(32) } })
      expect(notEmpty.divergences).toMatchObject([{ check: "anchor", position: 0 }])
      yield* backlog.create(input("a"))
      yield* clock.set(utc("2025-12-31T00:00:00Z"))
      const anchor = yield* audit.anchor()
      expect([anchor.position, iso(anchor.at)]).toEqual([1, start])
      const { anchoredPosition, divergences } = yield* audit.verify({ anchor })
      expect([anchoredPosition, divergences]).toEqual([1, []])
      expect((yield* audit.verify({ anchor: empty })).divergences).toEqual([])
      yield* clock.set(utc(after(7)))
      expect(iso((yield* audit.anchor()).at)).toBe(after(7))
      // An anchor that is older than its event does not come from this log.
      const early = yield* audit.verify({ anchor: { ...anchor, at: utc("2025-12-31T00:00:00Z") } })
      expect(early.divergences).toMatchObject([{ check: "anchor", position: 1 }])
    })
  )

  test(
    "the report counts what was checked, and progress ends at the total",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const progress: Array<readonly [done: number, total: number]> = []
      yield* plot
      const anchor = yield* audit.anchor()
      const report = yield* audit.verify({
        anchor,
        onProgress: (done, total) => Effect.sync(() => void progress.push([done, total]))
      })
      expect(report).toEqual({
        position: plotLength,
        chainHash: anchor.chainHash,
        events: plotLength,
        cards: 7,
        dependencies: 5,
        erasedParts: 1,
        anchoredPosition: plotLength,
        divergenceCount: 0,
        divergences: []
      })
      expect(progress[0]).toEqual([0, 2 * plotLength])
      expect(progress.at(-1)).toEqual([2 * plotLength, 2 * plotLength])
      expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((one, other) => one - other))
    })
  )

  test(
    "neither verify nor rebuild can be part of a transaction",
    Effect.gen(function* () {
      const { sql } = yield* tables
      const audit = yield* AuditService
      yield* plot
      const refused = (alone: Effect.Effect<unknown, unknown>) =>
        Effect.map(Effect.flip(sql.withTransaction(alone)), (error) => expect(error).toBeInstanceOf(InvalidInput))
      yield* refused(audit.verify())
      yield* refused(audit.rebuild())
    })
  )
}
