import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { Flow, type FlowBucketSize, type FlowGrouping, type FlowTimes } from "../../../src/domain/Flow.ts"
import type { RecordedEvent } from "../../../src/events/RecordedEvent.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { makeRandom, type Random } from "../../support/random.ts"
import { after, input, invalid, start, type Test, utc } from "../conformance/harness.ts"

const day = 86_400_000

const counts = (figures: object) => {
  const { claimed, completed, created, expired, failed } = figures as Record<string, number>
  return [created, claimed, completed, failed, expired]
}

const none: FlowTimes = { count: 0, p50: null, p90: null, p99: null }

const advance = (time: Parameters<(typeof BacklogTestClock)["Service"]["advance"]>[0]) =>
  Effect.flatMap(BacklogTestClock, (clock) => clock.advance(time))

/** The members of events that `flow` depends on. Each event has some of them. */
interface EventData {
  readonly phase: string | null
  readonly labels: Array<string>
  readonly owner: string
  readonly notBefore: string | null
  readonly why: string
  readonly claim: { readonly owner: string } | null
  readonly endedClaim: { readonly owner: string } | null
}

/** The figures that follow from events, computed one event at a time, from the definitions in the documentation. */
const expectedFlow = (events: ReadonlyArray<RecordedEvent>, from: number, to: number, by: FlowGrouping | undefined) => {
  const cards = new Map<string, { created: number; firstClaim?: number; phase: string | null; labels: Array<string> }>()
  const samples: Array<{
    id: string
    time: number
    figure: string
    owner: string | null
    lead?: number
    cycle?: number
  }> = []
  for (const { cardId, data, occurredAt, recordedAt, type } of events) {
    const json = data as unknown as EventData
    const time = DateTime.toEpochMillis(recordedAt)
    if (type === "CardCreated") {
      cards.set(cardId, { created: DateTime.toEpochMillis(occurredAt), phase: json.phase, labels: json.labels })
    }
    const card = cards.get(cardId)
    if (card === undefined) throw new Error(`an event of ${cardId} is before its creation`)
    if (type === "CardRevised") Object.assign(card, json)
    const add = (figure: string, owner: string | null, more = {}) => {
      if (time >= from && time < to) samples.push({ id: cardId, time, figure, owner, ...more })
    }
    if (type === "CardCreated") add("created", null)
    if (type === "CardClaimed") {
      add("claimed", json.owner)
      card.firstClaim ??= time
    }
    if (type === "CardReleased" && json.notBefore !== null) add("failed", json.owner)
    if (type === "CardBlocked" && json.endedClaim !== null) add("failed", json.endedClaim.owner)
    if (type === "CardReclaimed" && json.why === "expired") add("expired", json.owner)
    if (type === "CardCompleted") {
      const lead = time - card.created
      const cycle = card.firstClaim === undefined ? {} : { cycle: time - card.firstClaim }
      add("completed", json.claim?.owner ?? null, { lead, ...cycle })
    }
  }
  const groupsOf = ({ id, owner }: (typeof samples)[number]): ReadonlyArray<string | null> => {
    const { labels = [], phase = null } = cards.get(id) ?? {}
    if (by === "owner") return [owner]
    return by === "phase" ? [phase] : labels.length === 0 ? [null] : labels
  }
  const figuresOf = (some: typeof samples) => ({
    ...Object.fromEntries(
      ["created", "claimed", "completed", "failed", "expired"].map((figure) => [
        figure,
        some.filter((sample) => sample.figure === figure).length
      ])
    ),
    leadTime: timesOf(some.flatMap(({ lead }) => lead ?? [])),
    cycleTime: timesOf(some.flatMap(({ cycle }) => cycle ?? []))
  })
  const within = (some: typeof samples, begins: number, ends: number) =>
    some.filter(({ time }) => time >= begins && time < ends)
  const groups = new Map<string | null, typeof samples>()
  for (const sample of samples) {
    for (const group of by === undefined ? [] : groupsOf(sample)) {
      groups.set(group, [...(groups.get(group) ?? []), sample])
    }
  }
  return { samples, groups, figuresOf, within }
}

const timesOf = (millis: ReadonlyArray<number>): FlowTimes => {
  const seconds = millis.map((time) => time / 1000).sort((left, right) => left - right)
  const at = (share: number) => seconds.find((_, index) => (index + 1) / seconds.length >= share) ?? null
  return { count: seconds.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

/** Does something that may be refused. */
const attempt = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.asVoid(Effect.option(effect))

/** Does random things to 25 cards, with time between them. */
export const randomHistory = Effect.fnUntraced(function* (random: Random, steps: number) {
  const backlog = yield* BacklogService
  const clock = yield* BacklogTestClock
  const ids = Array.from({ length: 25 }, (_, index) => `c${index}`)
  const phases = ["one", "two", null]
  const labels = ["x", "y", "z"]
  const someLabels = () => labels.filter(() => random.below(2) === 0)
  const actor = "ann"
  const claims = new Map<string, number>()
  for (let step = 0; step < steps; step++) {
    const id = random.pick(ids)
    const owner = random.pick(["w1", "w2"])
    const token = claims.get(id)
    switch (random.below(12)) {
      case 0:
      case 1: {
        const long = random.below(3) === 0 ? { occurredAt: utc(after(-random.below(1_000_000))) } : {}
        const status = random.pick(["ready", "ready", "ready", "blocked", "done"] as const)
        yield* attempt(
          backlog.create({ ...input(id), phase: random.pick(phases), labels: someLabels(), status, ...long })
        )
        break
      }
      case 2:
      case 3:
      case 4: {
        const claim = yield* Effect.option(backlog.claim({ id, owner, ttlSeconds: 3000, actor: owner }))
        const claimed = Option.flatten(claim)
        if (Option.isSome(claimed)) claims.set(id, claimed.value.claimToken)
        break
      }
      case 5:
        if (token === undefined) break
        yield* attempt(
          backlog.release({ id, token, retryAfterSeconds: random.pick([0, 60]), reason: "broken", actor: owner })
        )
        break
      case 6:
        yield* attempt(backlog.complete({ id, ...(token === undefined ? {} : { token }), actor: owner }))
        break
      case 7:
        yield* attempt(backlog.complete({ id, force: true, actor: owner }))
        break
      case 8:
        yield* attempt(backlog.reopen({ id, actor }))
        break
      case 9:
        yield* attempt(random.pick([backlog.block({ id, actor }), backlog.unblock({ id, actor })]))
        break
      case 10:
        yield* attempt(
          backlog.revise({ id, phase: random.pick(phases), addLabels: someLabels(), removeLabels: [], actor })
        )
        break
      default:
        yield* attempt(random.pick([backlog.reclaim({ actor }), backlog.reclaim({ id, actor })]))
    }
    yield* clock.advance(random.pick(["1 minute", "7 minutes", "1 hour", "1 milli"]))
  }
})

/** Throughput and times. */
export const flow = (test: Test): void => {
  test(
    "an empty backlog has a flow of zeros",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const found = yield* audit.flow({ from: utc(after(-2 * 86_400)), to: utc(start) })
      expect(found).toMatchObject({ bucket: "day", by: null, position: 0, groups: [], omittedGroups: 0 })
      expect(counts(found)).toEqual([0, 0, 0, 0, 0])
      expect([found.leadTime, found.cycleTime, found.readyAge]).toEqual([none, none, none])
      expect(found.buckets.map(({ startsAt: at }) => DateTime.formatIso(at))).toEqual([
        "2025-12-30T00:00:00.000Z",
        "2025-12-31T00:00:00.000Z"
      ])
      const defaults = yield* audit.flow()
      expect(DateTime.toEpochMillis(defaults.endsAt) - DateTime.toEpochMillis(defaults.startsAt)).toBe(7 * day)
      expect((yield* audit.flow({ from: utc(start), to: utc(start) })).buckets).toEqual([])
    })
  )

  test(
    "each kind of event counts once, in the bucket of its recording time",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.createMany({ cards: ["a", "b", "c", "d", "e"].map((id) => ({ id, title: id })), actor: "ann" })
      const claim = (id: string) =>
        Effect.map(backlog.claim({ id, owner: "w", ttlSeconds: 60, actor: "w" }), (claimed) =>
          Option.getOrThrow(claimed)
        )
      const first = yield* claim("a")
      yield* backlog.renew({ id: "a", token: first.claimToken, actor: "w" })
      const actor = "w"
      yield* advance("1 hour")
      // The lease of `a` has expired.
      yield* backlog.reclaim({ actor })
      const second = yield* claim("b")
      yield* backlog.release({ id: "b", token: second.claimToken, retryAfterSeconds: 60, actor })
      const third = yield* claim("c")
      yield* backlog.release({ id: "c", token: third.claimToken, actor })
      yield* claim("d")
      yield* backlog.block({ id: "d", reason: "a decision is missing", actor })
      yield* backlog.block({ id: "c", actor })
      yield* claim("e")
      yield* backlog.reclaim({ id: "e", actor })
      yield* advance("1 hour")
      yield* backlog.complete({ id: "a", actor })
      yield* backlog.complete({ id: "c", actor })
      yield* backlog.create({ ...input("f"), status: "done" })
      const { buckets, cycleTime, leadTime, ...found } = yield* audit.flow({ from: utc(start), bucket: "hour" })
      expect(buckets.map(counts)).toEqual([
        [5, 1, 0, 0, 0],
        [0, 4, 0, 2, 1],
        [1, 0, 2, 0, 0]
      ])
      expect(counts(found)).toEqual([6, 5, 2, 2, 1])
      expect(leadTime).toEqual({ count: 2, p50: 7200, p90: 7200, p99: 7200 })
      // `a` was first claimed two hours ago and `c` one hour ago.
      expect(cycleTime).toEqual({ count: 2, p50: 3600, p90: 7200, p99: 7200 })
      // `b` waits for its retry time, and `e` is claimable.
      expect(found.readyAge).toEqual({ count: 2, p50: 7200, p90: 7200, p99: 7200 })
    })
  )

  test(
    "the last of several attempts counts as failed although it blocks the card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      for (let number = 0; number < 2; number++) {
        const { claimToken } = Option.getOrThrow(yield* backlog.claim({ id: "a", owner: "w", actor: "w" }))
        yield* backlog.release({ id: "a", token: claimToken, retryAfterSeconds: 60, maxAttempts: 2, actor: "w" })
        yield* advance("1 hour")
      }
      const found = yield* (yield* AuditService).flow({ by: "owner" })
      expect(counts(found)).toEqual([1, 2, 0, 2, 0])
      expect(found.groups.map((each) => [each.group, ...counts(each)])).toEqual([
        ["w", 0, 2, 0, 2, 0],
        [null, 1, 0, 0, 0, 0]
      ])
    })
  )

  test(
    "a range includes its beginning, excludes its end, and its first and last bucket end with it",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      for (const id of ["a", "b", "c"]) {
        yield* backlog.create(input(id))
        yield* advance("90 minutes")
      }
      const createdIn = (from: number, to: number) =>
        Effect.map(
          audit.flow({ from: utc(after(from)), to: utc(after(to)), bucket: "hour" }),
          ({ buckets, position }) => [
            position,
            ...buckets.map(({ created, endsAt: end, startsAt: at }) => [
              (DateTime.toEpochMillis(at) - Date.parse(start)) / 1000,
              (DateTime.toEpochMillis(end) - Date.parse(start)) / 1000,
              created
            ])
          ]
        )
      expect(yield* createdIn(0, 5400)).toEqual([1, [0, 3600, 1], [3600, 5400, 0]])
      expect(yield* createdIn(0.001, 5400.001)).toEqual([2, [0.001, 3600, 0], [3600, 5400.001, 1]])
      expect(yield* createdIn(5400, 10_800)).toEqual([2, [5400, 7200, 1], [7200, 10_800, 0]])
      expect((yield* audit.flow({ from: utc(after(10_800)) })).created).toBe(1)
      const weeks = yield* audit.flow({ from: utc(after(-12 * 86_400)), bucket: "week" })
      expect(weeks.buckets.map(({ created, startsAt: at }) => [DateTime.formatIso(at), created])).toEqual([
        ["2025-12-20T00:00:00.000Z", 0],
        ["2025-12-22T00:00:00.000Z", 0],
        ["2025-12-29T00:00:00.000Z", 3]
      ])
    })
  )

  test(
    "an imported card counts when it was recorded, and its lead time begins when it was created elsewhere",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create({ ...input("old"), occurredAt: utc(after(-400 * 86_400)) })
      yield* backlog.create({ ...input("finished"), status: "done", occurredAt: utc(after(-86_400)) })
      yield* advance("1 hour")
      yield* backlog.complete({ id: "old", actor: "ann" })
      const found = yield* audit.flow({ bucket: "day" })
      expect(counts(found)).toEqual([2, 0, 1, 0, 0])
      expect(found.leadTime.p50).toBe(400 * 86_400 + 3600)
      expect(found.cycleTime).toEqual(none)
      expect(counts(found.buckets.at(-1) ?? {})).toEqual([2, 0, 1, 0, 0])
    })
  )

  test(
    "a card that is reopened keeps its earlier completion, and its times begin with its creation and first claim",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const actor = "w"
      yield* backlog.create(input("a"))
      yield* advance("1 hour")
      yield* backlog.complete({ id: "a", actor })
      yield* advance("1 hour")
      yield* backlog.reopen({ id: "a", actor })
      const range = { from: utc(start), to: utc(after(7200)), bucket: "hour" } as const
      const before = yield* audit.flow(range)
      expect([before.leadTime.count, before.leadTime.p50, before.cycleTime.count]).toEqual([1, 3600, 0])
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ owner: actor, actor }))
      yield* advance("30 minutes")
      yield* backlog.complete({ id: "a", token: claimToken, actor })
      yield* advance("30 minutes")
      yield* backlog.reopen({ id: "a", actor })
      yield* backlog.complete({ id: "a", actor })
      const all = yield* audit.flow({ from: utc(start) })
      expect(all.leadTime).toEqual({ count: 3, p50: 9000, p90: 10_800, p99: 10_800 })
      expect(all.cycleTime).toEqual({ count: 2, p50: 1800, p90: 3600, p99: 3600 })
      // The first claim is before this range.
      const last = yield* audit.flow({ from: utc(after(9001)) })
      expect([last.claimed, last.completed, last.cycleTime.p50]).toEqual([0, 1, 3600])
      // What happened later does not change a past range.
      const { readyAge: _, ...past } = yield* audit.flow(range)
      expect({ ...past, readyAge: before.readyAge }).toEqual(before)
    })
  )

  test(
    "the cycle time begins with the first claim, also if that is before the range and later claims are in it",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const actor = "w"
      yield* backlog.create(input("a"))
      yield* backlog.create(input("b"))
      const claim = Effect.map(backlog.claim({ id: "a", owner: actor, actor }), Option.getOrThrow)
      yield* backlog.release({ id: "a", token: (yield* claim).claimToken, actor })
      yield* advance("2 hours")
      const { claimToken } = yield* claim
      yield* backlog.complete({ id: "b", actor })
      yield* advance("1 hour")
      yield* backlog.complete({ id: "a", token: claimToken, actor })
      const late = yield* audit.flow({ from: utc(after(3600)) })
      expect([late.claimed, late.completed]).toEqual([1, 2])
      expect(late.cycleTime).toEqual({ count: 1, p50: 10_800, p90: 10_800, p99: 10_800 })
      // A claim after a completion is not the beginning of its cycle.
      yield* backlog.reopen({ id: "b", actor })
      yield* backlog.claim({ id: "b", owner: actor, actor })
      expect((yield* audit.flow({ from: utc(after(3600)) })).cycleTime.count).toBe(1)
    })
  )

  for (const by of [undefined, "phase", "label", "owner"] as const) {
    test(
      `the flow of random histories ${by === undefined ? "" : `by ${by} `}equals what their events say`,
      Effect.gen(function* () {
        const audit = yield* AuditService
        const backlog = yield* BacklogService
        const random = makeRandom(by === undefined ? 1 : by.length)
        yield* randomHistory(random, 250)
        const events = yield* Stream.runCollect(audit.events())
        const last = DateTime.toEpochMillis(events.at(-1)?.recordedAt ?? utc(start))
        const ready = yield* backlog.list({ status: "ready" })
        for (let round = 0; round < 12; round++) {
          const bucket: FlowBucketSize = random.pick(["hour", "day", "week"])
          const borders = [random.below(last - Date.parse(start)), random.below(last - Date.parse(start))]
          const from = Date.parse(start) + Math.min(...borders)
          const to = round === 0 ? last + 1 : Date.parse(start) + Math.max(...borders)
          const found = yield* audit.flow({
            from: DateTime.makeUnsafe(from),
            to: round === 0 ? undefined : DateTime.makeUnsafe(to),
            bucket,
            by
          })
          expect(Schema.is(Flow)(found)).toBe(true)
          const { figuresOf, groups, samples, within } = expectedFlow(events, from, to, by)
          expect(found).toMatchObject({
            ...figuresOf(within(samples, from, to)),
            position: events.findLast(({ recordedAt }) => DateTime.toEpochMillis(recordedAt) < to)?.position ?? 0
          })
          const ends = [from, ...found.buckets.map(({ endsAt }) => DateTime.toEpochMillis(endsAt))]
          expect(found.buckets.map(({ startsAt: at }) => DateTime.toEpochMillis(at))).toEqual(ends.slice(0, -1))
          for (const each of found.buckets) {
            const [begins, until] = [DateTime.toEpochMillis(each.startsAt), DateTime.toEpochMillis(each.endsAt)]
            expect(each).toMatchObject(figuresOf(within(samples, begins, until)))
          }
          expect(found.readyAge.count).toBe(ready.length)
          if (by === undefined) continue
          const groupsOf = (card: (typeof ready)[number]): ReadonlyArray<string | null> =>
            by === "owner" ? [null] : by === "phase" ? [card.phase] : card.labels.length === 0 ? [null] : card.labels
          const names = new Set([...groups.keys(), ...ready.flatMap(groupsOf)])
          expect(new Set(found.groups.map(({ group }) => group))).toEqual(names)
          for (const { buckets, group, ...figures } of found.groups) {
            const own = groups.get(group) ?? []
            expect(figures).toMatchObject(figuresOf(own))
            expect(figures.readyAge.count).toBe(ready.filter((card) => groupsOf(card).includes(group)).length)
            expect(buckets.flatMap(counts).reduce((left, right) => (left ?? 0) + (right ?? 0), 0)).toBe(own.length)
            for (const each of buckets) {
              const some = within(own, DateTime.toEpochMillis(each.startsAt), DateTime.toEpochMillis(each.endsAt))
              expect(some.length).toBeGreaterThan(0)
              expect(each).toMatchObject(figuresOf(some))
            }
          }
        }
      })
    )
  }

  test(
    "groups are bounded, the largest come first, and the number of the others is returned",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const cards = Array.from({ length: 130 }, (_, index) => ({
        id: `c${index}`,
        title: "Card",
        labels: [`label-${String(index).padStart(3, "0")}`, ...(index < 3 ? ["common"] : [])]
      }))
      yield* backlog.createMany({ cards, actor: "ann" })
      const found = yield* audit.flow({ by: "label" })
      expect([found.created, found.groups.length, found.omittedGroups]).toEqual([130, 100, 31])
      expect(found.groups.slice(0, 2).map(({ created, group, readyAge }) => [group, created, readyAge.count])).toEqual([
        ["common", 3, 3],
        ["label-000", 1, 1]
      ])
      const minutes = yield* audit.flow({ from: utc(after(-999 * 60)), bucket: "minute", by: "label" })
      expect([minutes.buckets.length, minutes.groups.length, minutes.omittedGroups]).toEqual([1000, 20, 111])
    })
  )

  test(
    "a range that is too long, ends before it begins, or is in the future is refused",
    Effect.gen(function* () {
      const audit = yield* AuditService
      expect(yield* invalid(audit.flow({ from: utc(after(-1001 * 3600)), to: utc(start), bucket: "hour" }))).toContain(
        "1001 buckets of one hour, and at most 1000"
      )
      expect(
        (yield* audit.flow({ from: utc(after(-1000 * 3600)), to: utc(start), bucket: "hour" })).buckets.length
      ).toBe(1000)
      expect(yield* invalid(audit.flow({ from: utc(start), to: utc(after(-1)) }))).toContain("after its end")
      yield* invalid(audit.flow({ from: utc("0001-01-01T00:00:00Z") }))
      yield* invalid(audit.flow({ bucket: "year" as "day" }))
      yield* invalid(audit.flow({ by: "actor" as "owner" }))
      const refused = [{ to: utc(after(1)) }, { from: utc(after(1)) }, { from: utc(after(2)), to: utc(after(1)) }]
      for (const range of refused) {
        expect(yield* Effect.flip(audit.flow(range))).toMatchObject({ _tag: "MomentNotReached" })
      }
      const ancient = { from: utc("-000099-01-01T00:00:00Z"), to: utc("-000098-01-01T00:00:00Z") }
      expect((yield* audit.flow(ancient)).buckets.length).toBe(365)
    })
  )

  test(
    "a flow in a transaction sees what the transaction wrote",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const sql = yield* SqlClient.SqlClient
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* backlog.create(input("a", { phase: "build" }))
          yield* backlog.complete({ id: "a", actor: "ann" })
          const found = yield* audit.flow({ by: "phase" })
          expect(counts(found)).toEqual([1, 0, 1, 0, 0])
          expect(found.groups.map(({ completed, group }) => [group, completed])).toEqual([["build", 1]])
        })
      )
    })
  )
}
