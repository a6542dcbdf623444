import { Context, DateTime, Deferred, Effect, Layer, Option, Stream } from "effect"
import { createReadStream } from "node:fs"
import { open, rm } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { cardId, longEvery, longHistory } from "./life.mjs"
import { Random } from "./random.mjs"

const calls = 500
const callsBefore = 50
const pastCalls = 100
const pastCallsBefore = 20
const flowCalls = 30
const flowCallsBefore = 5

/** The operations of the audit scenarios, over any database. Each fails when its result is wrong. */
export const auditOperations = async ({ build, directory, logFile, size }) => {
  const load = (path) => import(pathToFileURL(join(build, path)).href)
  const { AuditService, LogFileCheck } = await load("index.js")
  const { readLines } = await load("import/readLines.js")
  const middle = Math.floor(size.events / 2)

  const lines = () => readLines(createReadStream(logFile))
  const audit = (use) => Effect.flatMap(AuditService, use)
  const expect = (what, found, expected) => {
    if (found !== expected) throw new Error(`${what}: ${found} instead of ${expected}`)
  }

  /** One call that handles many items. */
  const whole = (call, operationsOf) =>
    Effect.gen(function* () {
      const started = performance.now()
      const answer = yield* call
      const milliseconds = performance.now() - started
      return { operations: operationsOf(answer), milliseconds }
    })

  /** Many calls in sequence, each for another card. */
  const many = (ids, call) =>
    Effect.gen(function* () {
      const random = new Random(1)
      for (let count = 0; count < callsBefore; count++) yield* call(random.pick(ids))
      const latencies = []
      for (let count = 0; count < calls; count++) {
        const id = random.pick(ids)
        const started = performance.now()
        yield* call(id)
        latencies.push(performance.now() - started)
      }
      return { operations: calls, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
    })

  const numbers = Array.from({ length: size.cards / 4 }, (_, number) => number)
  const every = longEvery(size)
  const usual = numbers.filter((number) => number % every !== 0).map(cardId)
  const long = numbers.filter((number) => number % every === 0).map(cardId)
  const history = (isRight) => (id) =>
    audit((service) =>
      Effect.map(Stream.runCollect(service.history(id)), (events) =>
        expect(`history of ${id}`, isRight(events.length), true)
      )
    )

  /** Deletes all keyframes and writes them again, one after the other. */
  const writeKeyframes = Effect.gen(function* () {
    const { SqlClient } = yield* Effect.promise(() => import("effect/sql"))
    const { BacklogSchema } = yield* Effect.promise(() => load("sql/SchemaName.js"))
    const { EventLog } = yield* Effect.promise(() => load("events/EventLog.js"))
    const { KeyframeInterval, makeKeyframes } = yield* Effect.promise(() => load("projections/Keyframes.js"))
    const { makeKeyframeWriter } = yield* Effect.promise(() => load("projections/KeyframeWriter.js"))
    const sql = yield* SqlClient.SqlClient
    const log = Context.get(
      yield* Layer.build(Layer.provide(EventLog.layer, Layer.succeed(BacklogSchema)("bench_audit"))),
      EventLog
    )
    const interval = yield* KeyframeInterval
    yield* sql`DELETE FROM bench_audit.keyframes`
    const keyframes = makeKeyframes(sql, "bench_audit", log, interval)
    const { writeNext } = makeKeyframeWriter(sql, "bench_audit", log, keyframes, interval)
    while (yield* writeNext(size.events));
  }).pipe(Effect.scoped)

  /** Past states in sequence, with keyframes: `next` returns a position. */
  const pastStates = (next) =>
    Effect.gen(function* () {
      const service = yield* AuditService
      const { SqlClient } = yield* Effect.promise(() => import("effect/sql"))
      const [{ written }] = yield* (yield* SqlClient.SqlClient)`
        SELECT EXISTS (SELECT FROM bench_audit.keyframes) AS written`
      if (!written) yield* writeKeyframes
      const random = new Random(1)
      const latencies = []
      for (let count = 0; count < pastCalls + pastCallsBefore; count++) {
        const position = next(random, count)
        const started = performance.now()
        const past = yield* service.backlogAt({ position })
        if (count >= pastCallsBefore) latencies.push(performance.now() - started)
        expect("position", past.position, position)
      }
      return { operations: pastCalls, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
    })

  /** The flow of the last events, at most 100,000, by hours. */
  const flow = (by) =>
    Effect.gen(function* () {
      const service = yield* AuditService
      const events = Math.min(100_000, size.events)
      const [first] = yield* Stream.runCollect(Stream.take(service.events({ after: size.events - events }), 1))
      const [last] = yield* Stream.runCollect(service.events({ after: size.events - 1 }))
      const range = {
        from: first.recordedAt,
        to: DateTime.add(last.recordedAt, { milliseconds: 1 }),
        bucket: "hour",
        by
      }
      const latencies = []
      for (let count = 0; count < flowCalls + flowCallsBefore; count++) {
        const started = performance.now()
        const { completed, position } = yield* service.flow(range)
        if (count >= flowCallsBefore) latencies.push(performance.now() - started)
        expect("position", position, size.events)
        expect("something completed", completed > 0, true)
      }
      return { operations: flowCalls, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
    })

  const verified = (report) => {
    expect("divergences", report.divergenceCount, 0)
    expect("events", report.events, size.events)
    expect("cards", report.cards, size.cards)
    return report.events
  }

  return {
    importLog: whole(
      audit((service) => service.importLog(Stream.fromAsyncIterable(lines(), (cause) => cause))),
      ({ events }) => {
        expect("events", events, size.events)
        return events
      }
    ),
    verify: whole(
      audit((service) => service.verify()),
      verified
    ),
    verifyFile: whole(
      Effect.promise(async () => {
        const check = new LogFileCheck()
        for await (const line of lines()) check.push(line)
        return check.end().success
      }),
      verified
    ),
    rebuild: whole(
      Effect.gen(function* () {
        const swapped = yield* Deferred.make()
        const onProgress = ({ phase }) => (phase === "swapped" ? Deferred.succeed(swapped, undefined) : Effect.void)
        // Interrupts the rebuild before it verifies.
        yield* Effect.raceFirst(
          audit((service) => service.rebuild({ onProgress })),
          Deferred.await(swapped)
        )
      }),
      () => size.events
    ),
    rebuildAndVerify: whole(
      audit((service) => service.rebuild()),
      ({ verification }) => verified(verification)
    ),
    exportLog: whole(
      Effect.gen(function* () {
        const file = join(directory, `export-${process.pid}`)
        const handle = yield* Effect.promise(() => open(file, "w"))
        let count = 0
        yield* Stream.runForEachArray((yield* AuditService).exportLog, (texts) => {
          count += texts.length
          return Effect.promise(() => handle.write(`${texts.join("\n")}\n`))
        })
        yield* Effect.promise(() => handle.close())
        yield* Effect.promise(() => rm(file))
        return count - 1
      }),
      (events) => {
        expect("events", events, size.events)
        return events
      }
    ),
    backlogAt: whole(
      audit((service) => service.backlogAt({ position: middle })),
      ({ position }) => {
        expect("position", position, middle)
        return middle
      }
    ),
    listAt: whole(
      audit((service) =>
        Effect.flatMap(service.backlogAt({ position: middle }), (backlog) =>
          Effect.map(Stream.runCount(backlog.cards()), (count) => ({ count, total: backlog.stats.total }))
        )
      ),
      ({ count, total }) => {
        expect("cards", count, total)
        return count
      }
    ),
    history: many(
      usual,
      history((count) => count > 0)
    ),
    longHistory: many(
      long,
      history((count) => count === longHistory)
    ),
    backlogAtAny: pastStates((random) => 1 + Math.floor(random.fraction() * size.events)),
    backlogAtNext: pastStates((random, count) => middle + count + Math.floor(random.fraction() * 10)),
    keyframes: whole(writeKeyframes, () => size.events),
    flow: flow(),
    flowByPhase: flow("phase"),
    flowByLabel: flow("label"),
    flowByOwner: flow("owner"),
    cardAt: many(usual, (id) =>
      audit((service) =>
        Effect.map(service.cardAt(id, { position: middle }), (card) => expect(`${id} then`, Option.isSome(card), true))
      )
    )
  }
}
