import { Context, Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { layerHttp } from "../../src/http/index.ts"
import { AuditService, BacklogService, BacklogSchema, CheckpointAhead, MomentNotReached } from "../../src/index.ts"
import { onServer } from "../support/databases.ts"
import { startServer } from "./support/startServer.ts"

const createCards = Effect.flatMap(BacklogService, (backlog) =>
  backlog.createMany({ actor: "ann", cards: ["a", "b", "c"].map((id) => ({ id, title: "T" })) })
)

onServer("positions and types over HTTP", (test) => {
  test(
    "beyond the end of the log are refused with 404 in the header and in the query, with and without follow",
    Effect.gen(function* () {
      const { ask, post, url } = yield* startServer()
      yield* createCards
      for (const [path, headers] of [
        ["/events?after=4", {}],
        ["/events?after=4&follow=false", {}],
        ["/events", { "last-event-id": "4" }],
        ["/events?follow=false", { "last-event-id": "4" }],
        ["/backlog-at?position=4", {}],
        ["/card-at?id=a&position=4", {}]
      ] as ReadonlyArray<readonly [string, Record<string, string>]>) {
        const answer = yield* ask(path, { headers })
        expect([path, answer.status]).toEqual([path, 404])
        expect(answer.json()).toMatchObject({ _tag: "MomentNotReached", asked: "position 4" })
      }
      expect((yield* ask("/events?follow=false&after=3")).status).toBe(200)
      const advance = (from: number, to: number) => post("/advance", { consumer: "c", from, to })
      expect((yield* advance(0, 4)).status).toBe(404)
      expect((yield* post("/park", { consumer: "c", position: 4, reason: "why" })).status).toBe(404)
      expect((yield* advance(0, 3)).status).toBe(204)
      expect((yield* advance(3, 1)).status).toBe(400)

      const there = Context.get(yield* Layer.build(layerHttp({ url })), AuditService)
      for (const follow of [false, true]) {
        const refused = yield* Effect.flip(Stream.runDrain(there.events({ after: 4, follow })))
        expect(refused).toEqual(new MomentNotReached({ asked: "position 4", reached: "the log ends at 3" }))
      }
    })
  )

  test(
    "of a diff have names of their own, which the refusal of a diff without a first one gives",
    Effect.gen(function* () {
      const { ask } = yield* startServer()
      yield* createCards
      for (const query of ["", "?toPosition=1"]) {
        const refused = yield* ask(`/diff${query}`)
        expect([refused.status, refused.json()["detail"]]).toEqual([
          400,
          "Invalid input: the query: give fromPosition or fromTime"
        ])
      }
      expect((yield* ask("/diff?fromPosition=1&toPosition=2")).text).toContain('{"id":"b","before":null,')
    })
  )

  test(
    "beyond the end of the log fail the typed client's consumer with CheckpointAhead, and the checkpoint can be reset",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      yield* createCards
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO ${sql(`${yield* BacklogSchema}.checkpoints`)} (consumer, position, updated_at)
        VALUES ('mailer', 9, now())`
      const there = Context.get(yield* Layer.build(layerHttp({ url })), AuditService)
      for (const follow of [false, true]) {
        const failing = there.consume({ consumer: "mailer", follow, handler: () => Effect.void })
        expect(yield* Effect.flip(failing)).toEqual(new CheckpointAhead({ consumer: "mailer", position: 9, head: 3 }))
      }
      yield* there.advance("mailer", 9, 1)
      expect(yield* there.consume({ consumer: "mailer", handler: () => Effect.void })).toBe(2)
    })
  )

  test(
    "unknown types are refused with 400 and the list of known types, and move no checkpoint",
    Effect.gen(function* () {
      const { ask, url } = yield* startServer()
      yield* createCards
      for (const path of ["/events?type=CardCretaed", "/events?type=CardCretaed&follow=false"]) {
        const answer = yield* ask(path)
        expect(answer.status).toBe(400)
        expect(answer.json()["detail"]).toMatch(
          /Did you mean "CardCreated"\? The types are CardCreated, .*CardRedacted/
        )
      }
      const status = yield* ask("/list?status=redy")
      expect([status.status, status.json()["detail"]]).toEqual([
        400,
        expect.stringContaining('"ready" | "claimed" | "blocked" | "done"')
      ])
      const there = Context.get(yield* Layer.build(layerHttp({ url })), AuditService)
      const type = { other: "CardCretaed" }
      for (const follow of [false, true]) {
        const failing = there.consume({ consumer: "mailer", type, follow, handler: () => Effect.void })
        expect(yield* Effect.flip(failing)).toMatchObject({ _tag: "InvalidInput" })
      }
      expect(Option.isNone(yield* there.checkpoint("mailer"))).toBe(true)
      expect((yield* Stream.runCollect(there.events({ type: "CardCreated" }))).length).toBe(3)
    })
  )
})
