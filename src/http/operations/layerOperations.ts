import { Deferred, Effect, type Layer, Option } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { type AuditService, BacklogService, type Doctor } from "../../index.ts"
import { operationPaths } from "../api/operationPaths.ts"
import { problemMediaType, problemOf } from "../asProblem.ts"
import { Shutdown } from "../Shutdown.ts"
import { makeGauges } from "./gauges.ts"

/** How long the result of a check is cached, and how long a check may take. */
const freshness = "1 second"
const timeout = "5 seconds"

const prometheus = "text/plain; version=0.0.4; charset=utf-8"

/**
 * What those ask who run a server. `/healthz`: whether the process answers. `/readyz`: whether it takes commands, that is
 * whether a write gets through to the database, it has the migrations that are needed, and the server is not about to end.
 * `/metrics`: the metrics of the process and of the backlog, for Prometheus.
 */
export const layerOperations = (
  doctor: Doctor["Service"] | undefined
): Layer.Layer<never, never, HttpRouter.HttpRouter | BacklogService | AuditService | Shutdown> =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const backlog = yield* BacklogService
      const { begun } = yield* Shutdown
      const setGauges = yield* makeGauges(doctor)
      const isEnding = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.andThen(begun, Deferred.succeed(isEnding, undefined)))

      /** Whether the server only reads, and why commands are not taken otherwise. A server that only reads is ready. */
      const writes = Effect.gen(function* () {
        const isReplica = yield* Effect.orElseSucceed(doctor?.isReplica ?? Effect.succeed(false), () => false)
        return { isReplica, why: isReplica ? Option.none<string>() : yield* backlog.readiness }
      })
      const state = yield* Effect.cachedWithTTL(
        Effect.all([doctor?.readiness ?? Effect.succeedNone, writes], { concurrency: "unbounded" }).pipe(
          Effect.map(([first, { isReplica, why }]) => ({ isReplica, why: Option.orElse(first, () => why) })),
          Effect.timeout(timeout),
          Effect.catch((error) =>
            Effect.as(Effect.logWarning("The server is not ready.", error), {
              isReplica: false,
              why: Option.some("the database does not answer")
            })
          )
        ),
        freshness
      )

      yield* router.add("GET", operationPaths.health, Effect.succeed(HttpServerResponse.text("ok\n")))
      yield* router.add(
        "GET",
        operationPaths.ready,
        Effect.gen(function* () {
          if (yield* Deferred.isDone(isEnding)) return notReady("the server is about to end")
          const { isReplica, why } = yield* state
          if (Option.isSome(why)) return notReady(why.value)
          return HttpServerResponse.text(isReplica ? "ready: read-only replica\n" : "ready\n")
        })
      )
      yield* router.add(
        "GET",
        operationPaths.metrics,
        Effect.andThen(
          setGauges,
          Effect.map(PrometheusMetrics.format(), (text) => HttpServerResponse.text(text, { contentType: prometheus }))
        )
      )
    })
  )

const notReady = (why: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(problemOf("NotReady", 503, "Not ready", `Not ready: ${why}.`), {
    status: 503,
    contentType: problemMediaType
  })
