import { Deferred, Effect, Fiber } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { layer } from "@effect/vitest"
import { expect } from "vitest"
import { AuditService, BacklogService } from "../../src/index.ts"
import { serveSecured } from "../security/support/serveSecured.ts"
import { freshBacklog, postgresClient, tables } from "../support/backlogs.ts"
import { until } from "../support/waiting.ts"
import { clientAt, startServer } from "./support/startServer.ts"

layer(postgresClient(6), { timeout: "60 seconds", excludeTestServices: true })("over HTTP", (it) => {
  it.effect("verifications and anchors have the actor of the token, or else the one that the caller names", () =>
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { holder, port } = yield* serveSecured()
      const { ask, post } = clientAt(`http://127.0.0.1:${port}`)
      const headers = { authorization: `Bearer ${(yield* holder("eve", "auditor")).text}` }
      yield* post("/verify", { actor: "mallory" }, headers)
      yield* ask("/anchor?actor=mallory", { headers })
      const open = yield* startServer()
      yield* open.post("/verify", { actor: "ann" })
      yield* open.post("/verify", {})
      yield* open.ask("/anchor?actor=ann")
      expect((yield* audit.verifications()).map(({ actor }) => actor)).toEqual([null, "ann", "eve"])
      expect((yield* audit.anchors()).map(({ actor }) => actor)).toEqual(["ann", "eve"])
      const worker = { headers: { authorization: `Bearer ${(yield* holder("w", "worker")).text}` } }
      for (const path of ["/verifications?limit=1", "/anchors?limit=1", "/density?buckets=1"]) {
        expect([path, (yield* ask(path, worker)).status]).toEqual([path, 200])
      }
      expect((yield* open.ask("/verifications?limit=0")).status).toBe(400)
      expect((yield* open.ask("/density?from=2")).json()).toMatchObject({ _tag: "MomentNotReached" })
    }).pipe(Effect.provide(freshBacklog))
  )

  it.effect("reads of the end of the log for other purposes are not anchors", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create({ id: "a", title: "A", actor: "ann" })
      const { ask, url } = yield* startServer()
      for (const path of ["/metrics", "/events?after=1&follow=false", "/anchor?record=false"]) {
        expect((yield* ask(path)).status).toBe(200)
      }
      const follower = new AbortController()
      yield* Effect.promise(() => fetch(`${url}/events?after=1`, { signal: follower.signal }))
      follower.abort()
      expect(yield* audit.anchors()).toEqual([])
    }).pipe(Effect.provide(freshBacklog))
  )

  it.effect("a verification sends its first progress at once, also while the tables are locked", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { cards, sql } = yield* tables
      yield* backlog.create({ id: "a", title: "A", actor: "ann" })
      const { url } = yield* startServer()
      const release = yield* whileLocked(sql, sql`LOCK TABLE ${cards} IN ACCESS EXCLUSIVE MODE`)
      const lines = yield* Effect.promise(async () => {
        const response = await fetch(`${url}/verify`, {
          method: "POST",
          body: "{}",
          headers: { "content-type": "application/json" }
        })
        return response.body?.pipeThrough(new TextDecoderStream()).getReader()
      })
      const read = Effect.promise(async () => (await lines?.read())?.value ?? "")
      expect(yield* read).toBe('{"progress":{"done":0,"total":2}}\n')
      yield* release
      let rest = ""
      yield* until(
        Effect.map(read, (text) => {
          rest += text
          return rest.includes('"report"')
        })
      )
      expect(JSON.parse(rest.trim().split("\n").at(-1) ?? "")).toMatchObject({ report: { divergenceCount: 0 } })
    }).pipe(Effect.provide(freshBacklog))
  )

  it.effect("a session that holds the list does not keep a verification from its report", () =>
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { schema, sql } = yield* tables
      const { post } = yield* startServer()
      const release = yield* whileLocked(
        sql,
        sql`LOCK TABLE ${sql(`${schema}.verifications`)} IN ACCESS EXCLUSIVE MODE`
      )
      expect((yield* post("/verify", {})).text).toContain('"report"')
      yield* release
      expect(yield* audit.verifications()).toEqual([])
    }).pipe(Effect.provide(freshBacklog))
  )
})

/** Takes a lock in a transaction of its own. Returns the effect that releases it. */
const whileLocked = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  lock: Effect.Effect<unknown, SqlError.SqlError>
) {
  const [locked, released] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const session = yield* Effect.forkChild(
    sql.withTransaction(
      Effect.andThen(lock, Effect.andThen(Deferred.succeed(locked, undefined), Deferred.await(released)))
    )
  )
  yield* Effect.raceFirst(Deferred.await(locked), Fiber.join(session))
  return Effect.andThen(Deferred.succeed(released, undefined), Fiber.join(session))
})
