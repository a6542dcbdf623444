import { DateTime, Effect, Layer, Option, Result, Stream } from "effect"
import type { Card } from "../../../src/domain/Card.ts"
import { CardId } from "../../../src/domain/CardId.ts"
import { redactedText } from "../../../src/domain/Event.ts"
import { evolve } from "../../../src/domain/evolve.ts"
import { decodeEvent, upcasters } from "../../../src/events/EventCodec.ts"
import { decodeRecordedEvent } from "../../../src/events/RecordedEvent.ts"
import { LogFileCheck } from "../../../src/projections/LogFileCheck.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { start, type Test, utc } from "../conformance/harness.ts"
import { freshBacklog, plain, within } from "../../support/backlogs.ts"
import { eraseRedacted, goldenEvents, putStreams, streamAround } from "../../support/goldenEvents.ts"
import { dumpUpTo } from "../../support/tampering.ts"
import { expect } from "vitest"

const erasedFrom = new Map<string, ReadonlyArray<string>>(
  goldenEvents
    .filter(({ type }) => type === "CardRedacted")
    .flatMap(({ data, name }) =>
      (data["erased"] as ReadonlyArray<{ readonly version: number; readonly parts: ReadonlyArray<string> }>).map(
        ({ parts, version }) => [`${name} ${version}`, parts] as const
      )
    )
)

/** The card after the golden events up to a version, folded without a log. */
const cardOf = (name: string, stream: ReturnType<typeof streamAround>, upTo = stream.length): Card => {
  let card: Card | undefined
  for (const { data, schemaVersion = 1, type, version } of stream.slice(0, upTo)) {
    const parts = erasedFrom.get(`${name} ${version}`) ?? []
    const shown = { ...data, ...Object.fromEntries(parts.map((part) => [part, redactedText])) }
    const event = Result.getOrThrow(decodeEvent({ type, schemaVersion, data: shown }))
    card = evolve(card, { cardId: CardId.make(name), version, occurredAt: utc(start), actor: "forger", event })
  }
  if (card === undefined) throw new Error(`${name} leads to no card`)
  return card
}

/** Reads every released event on every read path of the log. */
export const golden = (test: Test): void => {
  test(
    "events of every released type and schema version can be read on every path",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      expect(goldenEvents.length).toBeGreaterThanOrEqual(Object.keys(upcasters).length)
      const streams = goldenEvents.map((event) => ({ event, stream: streamAround(event) }))
      yield* putStreams(streams.map(({ stream }) => stream))
      yield* eraseRedacted

      // Rebuild and its verification, and verify.
      expect((yield* audit.rebuild()).verification.divergences).toEqual([])
      const report = yield* audit.verify()
      expect(report).toMatchObject({ cards: goldenEvents.length, erasedParts: 3, divergences: [] })

      // The history, the feed, and the decoded event.
      const fed = yield* Stream.runCollect(audit.events())
      for (const { event, stream } of streams) {
        const history = Array.from(yield* Stream.runCollect(audit.history(event.name)))
        expect(fed.filter(({ cardId }) => cardId === event.name)).toEqual(history)
        expect(history.map(({ type, version }) => [type, version])).toEqual(
          stream.map(({ type, version }) => [type, version])
        )
        const place = stream.findIndex((one) => one.type === event.type && one.data === event.data)
        const stored = history[place]
        expect(stored).toMatchObject({ type: event.type, schemaVersion: event.schemaVersion, data: event.data })
        if (stored === undefined) throw new Error(`${event.name} is not in the history`)
        expect(Result.getOrThrow(decodeRecordedEvent(stored))).toStrictEqual(
          Result.getOrThrow(decodeEvent({ type: event.type, schemaVersion: event.schemaVersion, data: event.data }))
        )
      }

      // Past states: one card, all cards, and an explanation.
      const past = yield* audit.backlogAt({ position: report.position })
      const listed = new Map((yield* past.list()).map((card) => [card.id as string, plain(card)]))
      for (const { event, stream } of streams) {
        const card = cardOf(event.name, stream)
        expect(listed.get(event.name)).toEqual(plain(card))
        for (const { version } of stream) {
          const found = Option.getOrThrow(yield* audit.cardAt(event.name, { version }))
          expect(plain(found)).toEqual(plain(cardOf(event.name, stream, version)))
        }
        const explained = yield* audit.explainAt(event.name, { time: utc(start) })
        expect(explained).toEqual(yield* past.explain(event.name))
        expect(explained).toEqual(yield* backlog.explain(event.name))
        expect(plain(Option.getOrThrow(yield* backlog.get(event.name)))).toEqual(plain(card))
      }

      // Export, the check of the file, import.
      const lines = Array.from(yield* Stream.runCollect(audit.exportLog), (text, index) => ({
        number: index + 1,
        text
      }))
      const check = new LogFileCheck()
      for (const line of lines) expect(Result.isSuccess(check.push(line))).toBe(true)
      expect(Result.getOrThrow(check.end()).divergences).toEqual([])
      const claimed = (yield* backlog.list({ status: "claimed" })).map(({ id }) => id)
      const before = yield* dumpUpTo(report.position, claimed)
      const other = yield* Layer.build(Layer.fresh(freshBacklog))
      yield* within(other)(
        Effect.gen(function* () {
          const importing = yield* AuditService
          yield* importing.importLog(Stream.fromIterable(lines))
          expect(yield* dumpUpTo(report.position, claimed)).toEqual(before)
          expect((yield* importing.verify()).divergences).toEqual([])
        })
      )

      // Commands continue from there.
      const blocked = yield* backlog.unblock({ id: "CardCreated.v1", actor: "ann" })
      expect(DateTime.formatIso(blocked.updatedAt)).toBe(start)
    })
  )
}
