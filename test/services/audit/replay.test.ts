import { layer } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import type { Card } from "../../../src/domain/Card.ts"
import type { Command } from "../../../src/domain/Command.ts"
import { ErasablePart, redactedText } from "../../../src/domain/Event.ts"
import { Explanation } from "../../../src/domain/Explanation.ts"
import { Rejection } from "../../../src/domain/Rejection.ts"
import type { Stats } from "../../../src/domain/Stats.ts"
import { ReadModelState } from "../../../src/projections/ReadModelState.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { commandOf, allIds, type Step, stepsArbitrary } from "../../domain/commands.ts"
import { type Client, freshBacklog, headPosition, iso, plain, postgresClient, tables } from "../../support/backlogs.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"
import { expect } from "vitest"

/*
 * Every past state of a backlog can be read again after any commands. A failing property prints a minimal list of
 * steps and a `Replay` token: `{ arbitrary: { replay: "…" } }` repeats that run.
 */

const options = { arbitrary: { runs: 6, size: 200 } }

/** The steps before which parts of a card are erased. */
const Redaction = Schema.Struct({
  before: Schema.Literals([2, 5, 9, 14, 20]),
  id: Schema.Literals(["a", "b", "c", "𝒜"]),
  parts: Schema.Array(ErasablePart).check(Schema.isMinLength(1), Schema.isMaxLength(3)),
  version: Schema.optionalKey(Schema.Literals([1, 2, 3]))
})

const redactionsArbitrary = Arbitrary.array(Arbitrary.schema(Redaction), { minLength: 2, maxLength: 5 })

const isRejection = Schema.is(Rejection)
const encodeExplanation = Schema.encodeSync(Explanation)

/** Every result of the read methods, as plain JSON. */
interface Recorded {
  readonly position: number
  readonly time: DateTime.Utc
  readonly cards: ReadonlyArray<ReturnType<typeof plain>>
  readonly ready: ReadonlyArray<string>
  readonly stats: Stats
  readonly explanations: ReadonlyArray<typeof Explanation.Encoded>
  readonly counters: ReadonlyArray<readonly [id: string, unmet: number]>
}

const record = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const clock = yield* BacklogTestClock
  const { cards, sql } = yield* tables
  const listed = yield* backlog.list()
  const counters = yield* sql<{ readonly id: string; readonly unmet: number }>`
    SELECT id, unmet_dependencies AS unmet FROM ${cards} AS cards ORDER BY id`
  return {
    position: yield* headPosition,
    time: yield* clock.now,
    cards: listed.map(plain),
    ready: (yield* backlog.list({ claimability: "claimable" })).map(({ id }) => id),
    stats: yield* backlog.stats,
    explanations: yield* Effect.forEach(listed, ({ id }) => Effect.map(backlog.explain(id), encodeExplanation)),
    counters: counters.map(({ id, unmet }) => [id, unmet] as const)
  } satisfies Recorded
})

/** Sends a command with the method of the service. It may be refused. */
const carryOut = ({ _tag, ...input }: Command) =>
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    const name = `${_tag.charAt(0).toLowerCase()}${_tag.slice(1)}` as Uncapitalize<Command["_tag"]>
    const method = backlog[name] as (input: unknown) => Effect.Effect<unknown, unknown>
    const outcome = yield* Effect.result(method(input))
    if (Result.isFailure(outcome) && !isRejection(outcome.failure)) return yield* Effect.fail(outcome.failure)
  })

const texts = ["title", "body", "acceptance", "result", "blockedReason"] as const

/** Carries out steps on a stocked backlog, and records the state after each position and the last state of each time. */
const run = (steps: ReadonlyArray<Step>, redactions: ReadonlyArray<typeof Redaction.Type>) =>
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    const audit = yield* AuditService
    const clock = yield* BacklogTestClock
    const byPosition: Array<Recorded> = []
    const byTime = new Map<string, Recorded>()
    const redacted = new Set<string>()
    const look = Effect.gen(function* () {
      const recorded = yield* record
      byTime.set(DateTime.formatIso(recorded.time), recorded)
      if (recorded.position !== byPosition.at(-1)?.position) byPosition.push(recorded)
      return recorded
    })
    yield* look
    yield* backlog.createMany({
      actor: "ann",
      cards: [
        { id: "a", title: "A", body: "body of a" },
        { id: "b", title: "B", acceptance: { of: "b" } },
        { id: "ﬀ", title: "FF", dependsOn: ["c"] },
        { id: "𝒜", title: "AA", dependsOn: ["a"], status: "blocked", blockedReason: "because" }
      ]
    })
    let recorded = yield* look
    for (const [index, step] of steps.entries()) {
      yield* clock.advance(`${step.seconds} seconds`)
      for (const { before, ...redaction } of redactions) {
        if (before !== index) continue
        const outcome = yield* Effect.result(audit.redact({ ...redaction, reason: "asked for", actor: "auditor" }))
        if (Result.isFailure(outcome) && !isRejection(outcome.failure)) return yield* outcome.failure
        if (Result.isSuccess(outcome) && outcome.success.erased.length > 0) redacted.add(redaction.id)
        recorded = yield* look
      }
      const state = new ReadModelState()
      for (const card of yield* backlog.list()) state.putCard(card, 0)
      yield* carryOut(commandOf(state, step))
      recorded = yield* look
    }
    return { byPosition, byTime, redacted, last: recorded }
  })

/** A card without the texts that a later redaction may have erased. Each of them must be the recorded text or redacted. */
const sameTexts = (
  found: ReturnType<typeof plain>,
  recorded: ReturnType<typeof plain> | undefined,
  redacted: ReadonlySet<string>
): ReturnType<typeof plain> => {
  if (!redacted.has(found.id) || recorded === undefined) return found
  const kept = { ...found }
  for (const text of texts) {
    if (found[text] === redactedText) Object.assign(kept, { [text]: recorded[text] })
  }
  if (found.lastNote?.text === redactedText && recorded.lastNote !== null) {
    Object.assign(kept, { lastNote: { ...found.lastNote, text: recorded.lastNote.text } })
  }
  return kept
}

/** An explanation without the reason of a block, which may have been redacted since. */
const withoutReason = (
  explanation: typeof Explanation.Encoded,
  redacted: ReadonlySet<string>
): typeof Explanation.Encoded =>
  redacted.has(explanation.id)
    ? {
        ...explanation,
        obstacles: explanation.obstacles.map((obstacle) =>
          obstacle._tag === "Blocked" ? { ...obstacle, reason: null } : obstacle
        )
      }
    : explanation

/** Reads the past states in every way, and compares them with the recorded ones. */
const expectPast = (
  at: { readonly position: number } | { readonly time: DateTime.Utc },
  recorded: Recorded,
  redacted: ReadonlySet<string>
) =>
  Effect.gen(function* () {
    const audit = yield* AuditService
    const past = yield* audit.backlogAt(at)
    const recordedCards = new Map(recorded.cards.map((card) => [card.id, card]))
    const same = (card: Card) => sameTexts(plain(card), recordedCards.get(card.id), redacted)
    expect(past.position).toBe(recorded.position)
    const listed = yield* past.list()
    expect(listed.map(same)).toEqual(recorded.cards)
    expect((yield* past.list({ claimability: "claimable" })).map(({ id }) => id)).toEqual(recorded.ready)
    const done = new Set(listed.filter(({ status }) => status === "done").map(({ id }) => id))
    expect(
      listed
        .map(({ dependsOn, id }) => [id, dependsOn.filter((other) => !done.has(other)).length] as const)
        .sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    ).toEqual(recorded.counters)
    // Evaluated at the time of the last event. For an empty log that is before all times.
    if (recorded.position > 0) {
      expect(iso(past.time)).toBe(iso(recorded.time))
      expect(past.stats).toEqual(recorded.stats)
      const explained = yield* Effect.forEach(listed, ({ id }) => past.explain(id))
      expect(explained.map((explanation) => withoutReason(encodeExplanation(explanation), redacted))).toEqual(
        recorded.explanations.map((explanation) => withoutReason(explanation, redacted))
      )
    }
    // One card of each moment is also read by itself: a different card each time.
    const id = allIds[recorded.position % allIds.length] as (typeof allIds)[number]
    const expected = recorded.cards.find((card) => card.id === id)
    const alone = yield* audit.cardAt(id, at)
    expect(Option.getOrUndefined(Option.map(alone, same))).toEqual(expected)
    expect(Option.map(yield* past.get(id), plain)).toEqual(Option.map(alone, plain))
    if (expected === undefined) {
      expect((yield* Effect.flip(audit.explainAt(id, at)))._tag).toBe("CardNotFound")
    } else {
      const ofVersion = Option.getOrThrow(yield* audit.cardAt(id, { version: expected.version }))
      expect(same(ofVersion)).toEqual(expected)
      expect(encodeExplanation(yield* audit.explainAt(id, at))).toEqual(encodeExplanation(yield* past.explain(id)))
    }
  })

/** Every row of the read model without `deferred`, which changes with time. */
const readModel = Effect.gen(function* () {
  const { cards, dependencies, sql } = yield* tables
  const rows = yield* sql<{ readonly text: string }>`
    SELECT (to_jsonb(cards) - 'deferred')::text AS text FROM ${cards} AS cards
    UNION ALL SELECT edge::text FROM ${dependencies} AS edge ORDER BY text`
  return rows.map(({ text }) => text)
})

const suite = (name: string, client: Layer.Layer<Client, unknown>): void =>
  layer(client, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    it.effect.prop(
      "every past state can be read by position and by time, verify passes, and rebuild changes nothing",
      [stepsArbitrary, redactionsArbitrary],
      ([steps, redactions]) =>
        Effect.gen(function* () {
          const audit = yield* AuditService
          const { byPosition, byTime, last, redacted } = yield* run(steps.slice(0, 40), redactions)
          for (const recorded of byPosition) yield* expectPast({ position: recorded.position }, recorded, redacted)
          for (const recorded of byTime.values()) yield* expectPast({ time: recorded.time }, recorded, redacted)
          const before = yield* readModel
          yield* verifiesItself
          const rebuilt = yield* audit.rebuild()
          expect(rebuilt.verification.divergences).toEqual([])
          expect(yield* readModel).toEqual(before)
          yield* verifyBacklog
          const now = yield* record
          expect(now).toEqual(last)
        }).pipe(Effect.provide(Layer.fresh(freshBacklog)), Effect.scoped),
      options
    )
  })

suite("a backlog that is replayed on PGlite", layerPgliteClient())
suite("a backlog that is replayed on a Postgres server", postgresClient(4))
