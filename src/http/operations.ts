import { Deferred, Effect, type Layer, Metric, Option, Result } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type { SqlError } from "effect/sql"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { Shutdown } from "./Shutdown.ts"
import { operationPaths } from "./api/BacklogApi.ts"
import { makeProblem, problemResponse } from "./problems.ts"
import { AuditService, BacklogService, type Doctor } from "../index.ts"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const up = gauge("backlog_database_up", "Whether the database answered when it was looked at: 1 or 0")
const cards = gauge("backlog_cards", "Cards by status")
const claimable = gauge("backlog_claimable_cards", "Cards that can be claimed")
const waiting = gauge("backlog_waiting_cards", "Ready cards with a dependency that is not done")
const expired = gauge("backlog_expired_claims", "Claims that have run out and that nobody has taken over")
const oldest = gauge(
  "backlog_oldest_ready_age_seconds",
  "How long ago the oldest ready card was created; 0 without one"
)
const position = gauge("backlog_log_position", "The last position of the log")
const lag = gauge("backlog_consumer_lag_events", "Events that a consumer has not taken yet")
const ahead = gauge("backlog_consumer_ahead_events", "Positions by which a checkpoint is beyond the end of the log")
const parked = gauge("backlog_consumer_parked_events", "Events that a consumer could not take")
const pendingErasures = gauge(
  "backlog_erasures_pending",
  "Redactions whose bytes may still be in the data files of the database"
)
const connections = gauge("backlog_database_connections", "Connections of all programs like this one, by state")
const memory = gauge("process_resident_memory_bytes", "Memory that this process takes")
const started = gauge("process_start_time_seconds", "When this process began, in seconds since 1970")

/** A consumer's name is free text. */
const consumerAttribute = (consumer: string) => ({ consumer: redactSecrets(consumer) })

/** Sets the gauges of the backlog and its database to what they are now. What cannot be seen stays as it was. */
const makeGaugeUpdater = Effect.fnUntraced(function* (doctor: Doctor["Service"] | undefined) {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const context = yield* Effect.context()
  const set = (metric: Metric.Gauge<number>, value: number, attributes?: Readonly<Record<string, string>>): void =>
    (attributes === undefined ? metric : Metric.withAttributes(metric, attributes)).updateUnsafe(value, context)

  const look = Effect.gen(function* () {
    const stats = yield* backlog.stats
    for (const [status, count] of Object.entries(stats.counts)) set(cards, count, { status })
    set(claimable, stats.claimable)
    set(waiting, stats.waiting)
    set(expired, stats.expiredClaimCount)
    set(oldest, stats.oldestReadyAgeSeconds ?? 0)
    const checkpoints = yield* audit.checkpoints
    const parkedOf = new Map(checkpoints.map(({ consumer }) => [consumer, 0]))
    for (const { consumer } of yield* audit.parked()) parkedOf.set(consumer, (parkedOf.get(consumer) ?? 0) + 1)
    // After the checkpoints, so that only what a restore left is ahead of it.
    const head = (yield* audit.anchor()).position
    set(position, head)
    for (const { consumer, position: reached } of checkpoints) {
      set(lag, Math.max(0, head - reached), consumerAttribute(consumer))
      set(ahead, Math.max(0, reached - head), consumerAttribute(consumer))
    }
    for (const [consumer, count] of parkedOf) set(parked, count, consumerAttribute(consumer))
    // A role that was granted before the table existed may not read it, and everything else is measured all the same.
    const erasures = yield* Effect.result(audit.erasures({ pending: true }))
    if (Result.isSuccess(erasures)) set(pendingErasures, erasures.success.length)
    if (doctor !== undefined) {
      for (const { count, state } of yield* doctor.connections) set(connections, count, { state })
    }
  }).pipe(
    Effect.catchTags({ InvalidInput: Effect.die, AnchorRefused: Effect.die }),
    Effect.timeout("5 seconds"),
    Effect.matchCauseEffect({
      onSuccess: () => Effect.sync(() => set(up, 1)),
      onFailure: (cause) =>
        Effect.andThen(
          Effect.sync(() => set(up, 0)),
          Effect.logWarning("The backlog cannot be measured.", cause)
        )
    })
  )

  const lookOnce = yield* Effect.cachedWithTTL(look, freshness)
  return Effect.andThen(
    lookOnce,
    Effect.sync(() => {
      set(memory, process.memoryUsage.rss())
      set(started, performance.timeOrigin / 1000)
    })
  ) satisfies Effect.Effect<void, SqlError.SqlError>
})

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
      const { awaitShutdown } = yield* Shutdown
      const setGauges = yield* makeGaugeUpdater(doctor)
      const isEnding = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.andThen(awaitShutdown, Deferred.succeed(isEnding, undefined)))

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
  problemResponse(makeProblem("NotReady", `Not ready: ${why}.`))
