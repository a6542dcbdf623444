import { layer } from "@effect/vitest"
import { Effect, Layer, Option, Result, type Schema, Stream } from "effect"
import { afterAll, expect, vi } from "vitest"
import type { Event } from "../../src/domain/Event.ts"
import type * as EventCodec from "../../src/events/EventCodec.ts"
import { decodeRecordedEvent, type RecordedEvent } from "../../src/events/RecordedEvent.ts"
import { LogFileCheck } from "../../src/projections/LogFileCheck.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { type Client, freshBacklog, postgresClient, type TestBacklog, within } from "../support/backlogs.ts"
import { putStreams } from "../support/goldenEvents.ts"
import { verifyBacklog } from "../support/verifyBacklog.ts"

/*
 * Simulates a schema change: version 1 of CardRevised has `headline`, version 2 has `title`, and one upcaster converts it.
 * Everything that reads the log must use the upcaster, because the unmodified program cannot decode such an event.
 */

const upcasterCalls = vi.hoisted(() => {
  // Other test files in the same process use the original codec.
  vi.resetModules()
  return { times: 0 }
})
afterAll(() => void vi.resetModules())

vi.mock("../../src/events/EventCodec.ts", async (importOriginal) => {
  const original = await importOriginal<typeof EventCodec>()
  const fromHeadline = ({ headline, ...data }: Schema.JsonObject): Schema.JsonObject => {
    upcasterCalls.times++
    return headline === undefined ? data : { ...data, title: headline }
  }
  const upcasters = { ...original.upcasters, CardRevised: [fromHeadline, ...original.upcasters.CardRevised] }
  return {
    ...original,
    upcasters,
    decodeEvent: original.makeDecoder(upcasters),
    encodeEvent: (event: Event) => ({
      ...original.encodeEvent(event),
      schemaVersion: upcasters[event._tag].length + 1
    })
  }
})

const stream = [
  {
    cardId: "a",
    version: 1,
    type: "CardCreated",
    data: {
      title: "As created",
      body: "a secret",
      phase: null,
      priority: 0,
      status: "ready",
      dependsOn: [],
      acceptance: null,
      idempotencyKey: null,
      blockedReason: null
    }
  },
  { cardId: "a", version: 2, type: "CardRevised", schemaVersion: 1, data: { headline: "As revised", priority: 3 } }
]

/** Runs an effect and checks that it used the upcaster. */
const expectUpcast = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    upcasterCalls.times = 0
    const result = yield* effect
    expect(upcasterCalls.times).toBeGreaterThan(0)
    return result
  })

const titleOf = (card: Option.Option<{ readonly title: string }>): string => Option.getOrThrow(card).title

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })("an event of an older shape", (it) => {
  const test = (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) =>
    it.effect(title, () => Effect.provide(Effect.andThen(putStreams([stream]), body), Layer.fresh(freshBacklog)))

  test(
    "is upcast by rebuild and verify, and in the read model",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      const { verification } = yield* expectUpcast(audit.rebuild())
      expect(verification.divergences).toEqual([])
      expect(titleOf(yield* backlog.get("a"))).toBe("As revised")
      expect((yield* expectUpcast(audit.verify())).divergences).toEqual([])
    })
  )

  test(
    "is upcast when past states are read",
    Effect.gen(function* () {
      const audit = yield* AuditService
      expect(titleOf(yield* expectUpcast(audit.cardAt("a", { version: 2 })))).toBe("As revised")
      expect(titleOf(yield* audit.cardAt("a", { version: 1 }))).toBe("As created")
      const past = yield* expectUpcast(audit.backlogAt({ position: 2 }))
      expect((yield* expectUpcast(past.list())).map(({ title }) => title)).toEqual(["As revised"])
      expect(titleOf(yield* expectUpcast(past.get("a")))).toBe("As revised")
      expect((yield* expectUpcast(past.explain("a"))).claimable).toBe(true)
      expect((yield* expectUpcast(audit.explainAt("a", { position: 2 }))).claimable).toBe(true)
    })
  )

  test(
    "is returned as it was written, and upcast on request",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const handled: Array<RecordedEvent> = []
      yield* audit.consume({ consumer: "c", handler: (event) => Effect.sync(() => void handled.push(event)) })
      for (const events of [
        yield* Stream.runCollect(audit.history("a")),
        yield* Stream.runCollect(audit.events({ after: 0 })),
        handled
      ]) {
        const event = events[1]
        if (event === undefined) throw new Error("the event is missing")
        expect(event).toMatchObject({ schemaVersion: 1, data: { headline: "As revised", priority: 3 } })
        const known = yield* expectUpcast(Effect.sync(() => decodeRecordedEvent(event)))
        expect(Result.getOrThrow(known)).toEqual({ _tag: "CardRevised", title: "As revised", priority: 3 })
      }
    })
  )

  test(
    "is upcast when an exported log is verified and when it is imported",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const lines = Array.from(yield* Stream.runCollect(audit.exportLog), (text, index) => ({
        number: index + 1,
        text
      }))
      expect(lines[2]?.text).toContain('"headline":"As revised"')
      const check = new LogFileCheck()
      yield* expectUpcast(Effect.sync(() => lines.forEach((line) => void Result.getOrThrow(check.push(line)))))
      expect(Result.getOrThrow(check.end()).divergences).toEqual([])
      const other = yield* Layer.build(Layer.fresh(freshBacklog))
      yield* within(other)(
        Effect.gen(function* () {
          const importing = yield* AuditService
          yield* expectUpcast(importing.importLog(Stream.fromIterable(lines)))
          expect(titleOf(yield* (yield* BacklogService).get("a"))).toBe("As revised")
          expect((yield* importing.verify()).divergences).toEqual([])
        })
      )
    })
  )

  test(
    "is upcast when its card is redacted, next to events of the current version",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      yield* audit.rebuild()
      const { card } = yield* expectUpcast(
        audit.redact({ id: "a", parts: ["body"], reason: "secret", actor: "auditor" })
      )
      expect(card).toMatchObject({ title: "As revised", body: "[redacted]", version: 3 })
      yield* backlog.revise({ id: "a", title: "Today", actor: "ann" })
      const versions = (yield* Stream.runCollect(audit.history("a"))).map(({ schemaVersion, type }) => [
        type,
        schemaVersion
      ])
      expect(versions).toEqual([
        ["CardCreated", 1],
        ["CardRevised", 1],
        ["CardRedacted", 1],
        ["CardRevised", 3]
      ])
      expect((yield* audit.verify()).divergences).toEqual([])
      yield* verifyBacklog
    })
  )
})
