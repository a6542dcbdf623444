import { layer } from "@effect/vitest"
import { Context, Effect, Logger, Metric } from "effect"
import { HttpApi } from "effect/http-api"
import { expect } from "vitest"
import { BacklogApi, operationPaths } from "../../src/http/api/BacklogApi.ts"
import { AuditService, BacklogService, Doctor } from "../../src/index.ts"
import { postgresClient, within } from "../support/backlogs.ts"
import { prepareReads } from "../support/reads.ts"
import { backlogBehind, TestBarrier } from "../support/testBarrier.ts"
import { framesOf } from "./support/serverSentEvents.ts"
import { startServer } from "./support/startServer.ts"

/** A query for each endpoint that reads. */
const queries: Readonly<Record<string, string>> = {
  "/get": "?id=a",
  "/list": "",
  "/stats": "",
  "/explain": "?id=a",
  "/why-nothing-claimable": "",
  "/await-claimable": "?waitSeconds=1",
  "/await-claim-end": "?id=a&token=1&waitSeconds=1",
  "/history": "?id=a",
  "/card-at": "?id=a&position=3",
  "/explain-at": "?id=a&position=3",
  "/backlog-at": "?position=3",
  "/backlog-at/cards": "?position=3",
  "/backlog-at/dependents": "?position=3&id=a",
  "/backlog-at/neighbourhood": "?position=3&id=a",
  "/backlog-at/impact": "?position=3&id=a",
  "/backlog-at/critical-path": "?position=3",
  "/events": "?follow=false",
  "/checkpoints": "",
  "/checkpoint": "?consumer=consumer",
  "/parked": "",
  "/verifications": "",
  "/anchor": "",
  "/anchors": "",
  "/erasures": "",
  "/export-log": "",
  "/notes": "?id=a",
  "/claims": "",
  "/dependents": "?id=a",
  "/neighbourhood": "?id=a",
  "/impact": "?id=a",
  "/critical-path": "",
  "/diff": "?fromPosition=0",
  "/flow": "",
  "/density": ""
}

const readPaths = (): ReadonlyArray<string> => {
  const paths: Array<string> = []
  HttpApi.reflect(BacklogApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      // The caller's token is not read from the log.
      if (endpoint.method === "GET" && endpoint.path !== "/caller") paths.push(endpoint.path)
    }
  })
  return paths
}

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })("the read gate over HTTP", (it) => {
  const served = Effect.gen(function* () {
    const barrier = new TestBarrier()
    const context = yield* backlogBehind(barrier)
    yield* prepareReads(Context.get(context, BacklogService), Context.get(context, AuditService))
    const server = yield* within(context)(startServer({ doctor: Context.get(context, Doctor) }))
    return { barrier, server }
  })

  it.effect("no endpoint shows anything while the gate is closed", () =>
    Effect.gen(function* () {
      expect(readPaths().toSorted()).toEqual(Object.keys(queries).toSorted())
      const { barrier, server } = yield* served
      const statuses = Effect.forEach(Object.entries(queries), ([path, query]) =>
        Effect.map(server.ask(path + query), ({ status }) => [path, status] as const)
      )
      expect(yield* statuses).toEqual(Object.keys(queries).map((path) => [path, 200]))
      barrier.close()
      expect(yield* statuses).toEqual(Object.keys(queries).map((path) => [path, 503]))
      const followed = yield* server.ask("/events")
      expect(framesOf(followed.text).flatMap(({ event }) => event ?? [])).toEqual(["problem"])
      const verified = yield* server.post("/verify", {})
      expect(verified.status).toBe(503)
    }).pipe(Effect.provideService(Logger.CurrentLoggers, new Set()))
  )

  it.effect("the gauges of the backlog are not measured while the gate is closed", () =>
    Effect.gen(function* () {
      const { barrier, server } = yield* served
      barrier.close()
      const { text } = yield* server.ask(operationPaths.metrics)
      expect(text).toContain("backlog_database_up 0")
      expect(text).not.toMatch(/^backlog_(log_position|cards|claimable_cards)\b/m)
      expect(text).toContain('backlog_reads_total{read="stats",outcome="SqlError"} 1')
    }).pipe(
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provideService(Logger.CurrentLoggers, new Set())
    )
  )
})
