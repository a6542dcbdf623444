import { Array, Context, Deferred, Effect, Exit, Fiber, Layer, Schema, Scope, Stream } from "effect"
import { createConnection } from "node:net"
import { layerHttp, serve } from "../../src/http/index.ts"
import { eventStreamResponse } from "../../src/http/responseStreams.ts"
import { AuditService, BacklogService, DamagedEvent, RecordedEvent } from "../../src/index.ts"
import { startServer, clientAt } from "./support/startServer.ts"
import { type Frame, framesOf, readFrames } from "./support/serverSentEvents.ts"
import { onServer } from "../support/databases.ts"
import { expect } from "vitest"

const actor = "ann"
const createCards = (from: number, count: number, body?: string) =>
  Effect.flatMap(BacklogService, (backlog) =>
    backlog.createMany({
      cards: Array.makeBy(count, (index) => ({
        id: `c${from + index}`,
        title: "C",
        body: body ?? null
      })),
      actor
    })
  )

const ids = (frames: Iterable<Frame>) => Array.map(Array.fromIterable(frames), ({ id }) => Number(id))

onServer("events over HTTP", (test) => {
  test(
    "are the events of the service, with their positions as ids",
    Effect.gen(function* () {
      const { ask } = yield* startServer()
      const audit = yield* AuditService
      yield* createCards(1, 3)
      const answer = yield* ask("/events?follow=false")
      expect(answer.headers.get("content-type")).toBe("text/event-stream")
      const frames = framesOf(answer.text)
      expect(ids(frames)).toEqual([1, 2, 3])
      const events = yield* Stream.runCollect(audit.events())
      expect(frames.map(({ data }) => JSON.parse(data ?? ""))).toEqual(
        events.map((event) => Schema.encodeSync(RecordedEvent)(event))
      )
      expect(ids(framesOf((yield* ask("/events?follow=false&after=1&cardId=c3")).text))).toEqual([3])
      expect(ids(framesOf((yield* ask("/events?follow=false&type=CardClaimed")).text))).toEqual([])
    })
  )

  test(
    "continue after the last received event without a gap or a duplicate while events are appended",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      yield* createCards(1, 30)
      const writer = yield* Effect.forkChild(
        Effect.forEach(
          Array.makeBy(30, (index) => index),
          (index) => createCards(100 + index, 1)
        )
      )
      const receivedFrames: Array<number> = []
      for (let round = 0; round < 8; round++) {
        const headers: Record<string, string> = round === 0 ? {} : { "last-event-id": String(receivedFrames.at(-1)) }
        receivedFrames.push(...ids(yield* Stream.runCollect(Stream.take(readFrames(`${url}/events`, headers), 7))))
      }
      yield* Fiber.join(writer)
      const rest = yield* Stream.runCollect(
        readFrames(`${url}/events?follow=false`, { "last-event-id": String(receivedFrames.at(-1)) })
      )
      expect([...receivedFrames, ...ids(rest)]).toEqual(Array.makeBy(60, (index) => index + 1))
    })
  )

  test(
    "are not read for a client that stops reading, and its connection is closed",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* createCards(1, 1, "x".repeat(256 * 1024))
      const [event] = yield* Stream.runCollect(audit.events())
      const ended = yield* Deferred.make<void>()
      let read = 0
      const counting = AuditService.of({
        ...audit,
        events: () =>
          Stream.fromEffectRepeat(
            Effect.sync(() => {
              read++
              return event ?? expect.unreachable()
            })
          ).pipe(Stream.ensuring(Deferred.succeed(ended, undefined)))
      })
      const { port } = yield* Effect.provideService(
        serve({ port: 0, writeTimeout: "200 millis" }),
        AuditService,
        counting
      )
      const socket = createConnection({ host: "127.0.0.1", port }, () => {
        socket.write("GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
      })
      socket.pause()
      yield* Deferred.await(ended)
      // Only what fits into the connection's buffers is read.
      expect(read).toBeGreaterThan(0)
      expect(read).toBeLessThan(200)
      socket.destroy()
    })
  )

  test(
    "of a damaged log end with a problem, which the typed client returns as DamagedEvent",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* createCards(1, 2)
      const damage = new DamagedEvent({ position: 3, cardId: "c3", problem: "torn" })
      const damaged = AuditService.of({
        ...audit,
        events: (options) => Stream.concat(audit.events({ ...options, follow: false }), Stream.fail(damage)),
        history: (id) => Stream.concat(audit.history(id), Stream.fail(damage)),
        cardAt: () => Effect.fail(damage)
      })
      const { url } = yield* Effect.provideService(serve({ port: 0 }), AuditService, damaged)
      const { ask } = clientAt(url)
      const problem = { status: 500, _tag: "DamagedEvent", position: 3, cardId: "c3", problem: "torn" }
      expect((yield* ask("/card-at?id=c1&version=1")).json()).toMatchObject(problem)
      const frames = framesOf((yield* ask("/events")).text)
      expect(frames.map(({ event, id }) => event ?? id)).toEqual(["1", "2", "problem"])
      expect(JSON.parse(frames.at(-1)?.data ?? "")).toMatchObject(problem)
      const lines = (yield* ask("/history?id=c1")).text.trim().split("\n")
      expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ position: 1 }, problem])

      const there = Context.get(yield* Layer.build(layerHttp({ url })), AuditService)
      const streams: ReadonlyArray<Stream.Stream<RecordedEvent, unknown>> = [
        there.events({ follow: true }),
        there.events(),
        there.history("c1")
      ]
      for (const stream of streams) expect(yield* Effect.flip(Stream.runDrain(stream))).toEqual(damage)
      expect(yield* Effect.flip(there.cardAt("c1", { version: 1 }))).toEqual(damage)
    })
  )

  test(
    "end when the server shuts down, waiting claims end too, and commands in progress complete",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const begun = yield* Deferred.make<void>()
      const mayContinue = yield* Deferred.make<void>()
      const slow = BacklogService.of({
        ...backlog,
        create: (input) =>
          Effect.andThen(
            Deferred.succeed(begun, undefined),
            Effect.andThen(Deferred.await(mayContinue), backlog.create(input))
          )
      })
      const scope = yield* Scope.make()
      const { url } = yield* serve({ port: 0 }).pipe(Effect.provideService(BacklogService, slow), Scope.provide(scope))
      const { post } = clientAt(url)
      yield* createCards(1, 1)
      yield* backlog.claim({ owner: "w", actor })
      const firstReceived = yield* Deferred.make<void>()
      const reader = yield* Effect.forkChild(
        Stream.runCollect(Stream.tap(readFrames(`${url}/events`), () => Deferred.succeed(firstReceived, undefined)))
      )
      const waiting = yield* Effect.forkChild(post("/claim?wait=30", { owner: "w", actor }))
      const creating = yield* Effect.forkChild(post("/create", { id: "new", title: "N", actor }))
      yield* Deferred.await(firstReceived)
      yield* Deferred.await(begun)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      expect(ids(yield* Fiber.join(reader))).toEqual([1, 2])
      expect((yield* Fiber.join(waiting)).status).toBe(204)
      yield* Deferred.succeed(mayContinue, undefined)
      const created = yield* Fiber.join(creating)
      expect([created.status, created.headers.get("connection")]).toEqual([200, "close"])
      yield* Fiber.join(closing)
      expect(yield* Effect.exit(Effect.tryPromise(() => fetch(`${url}/stats`)))).toMatchObject({
        _tag: "Failure"
      })
    })
  )

  test(
    "begin with a comment, so that a proxy has a first byte to pass on",
    Effect.gen(function* () {
      const { body, headers } = eventStreamResponse(Stream.never, { heartbeat: "1 hour", until: Effect.never })
      if (body._tag !== "Stream") return expect.unreachable()
      expect(yield* Stream.runCollect(Stream.take(Stream.decodeText(body.stream), 1))).toEqual([": here\n\n"])
      expect(headers["cache-control"]).toContain("no-transform")
      const { ask } = yield* startServer()
      expect((yield* ask("/events?follow=false")).headers.get("x-accel-buffering")).toBe("no")
      expect((yield* ask("/stats")).headers.get("x-accel-buffering")).toBeNull()
    })
  )

  test(
    "include heartbeat comments",
    Effect.gen(function* () {
      const { body } = eventStreamResponse(Stream.never, { heartbeat: "10 millis", until: Effect.never })
      if (body._tag !== "Stream") return expect.unreachable()
      const receivedFrames = yield* Stream.runCollect(Stream.take(Stream.decodeText(body.stream), 2))
      expect(receivedFrames.join("")).toMatch(/^(: here\n\n)+$/)
    })
  )
})
