import { Deferred, type Duration, Effect, type Layer, Metric, Option, Result, Schedule } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type { SqlError } from "effect/sql"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { Shutdown } from "./Shutdown.ts"
import { operationPaths } from "./api/BacklogApi.ts"
import { makeProblem, problemResponse } from "./problems.ts"
import { AuditService, BacklogService, type Doctor } from "../index.ts"

/** A gauge. Exporters read its unit from the attribute. */
const gauge = (name: string, description: string, unit?: "seconds" | "bytes") =>
  Metric.gauge(name, { description, ...(unit === undefined ? {} : { attributes: { unit } }) })

/**
 * With 0, the gauges of the backlog are out of date.
 *
 * Use: alert on 0.
 */
const up = gauge("backlog_database_up", "Whether the database responded to the last probe: 1 or 0")

/**
 * Labels: `status`.
 *
 * Use: shows the size and the progress of the backlog.
 */
const cards = gauge("backlog_cards", "Cards by status")

/** Use: shows the work that waits for workers; scale workers by it. */
const claimable = gauge("backlog_claimable_cards", "Cards that can be claimed")

/** Use: shows how much work dependencies hold up. */
const waiting = gauge("backlog_waiting_cards", "Ready cards with a dependency that is not done")

/** Use: alert if it does not fall: workers ended without releasing their cards, and no worker claims. */
const expired = gauge("backlog_expired_claims", "Expired claims that have not been reclaimed")

/** Use: alert if it exceeds the time in which a card must be started. */
const oldest = gauge("backlog_oldest_ready_age_seconds", "Age of the oldest ready card; 0 without one", "seconds")

/** Use: `rate` is the number of events per second. */
const position = gauge("backlog_log_position", "The last position of the log")

/**
 * Labels: `consumer`.
 *
 * Use: alert if it grows.
 */
const lag = gauge("backlog_consumer_lag_events", "Events that a consumer has not handled yet")

/**
 * It is above 0 after a restore.
 *
 * Labels: `consumer`.
 *
 * Use: alert if it is above 0, and run `backlog consumers NAME --reset-to`.
 */
const ahead = gauge("backlog_consumer_ahead_events", "Positions by which a checkpoint is ahead of the log")

/**
 * Labels: `consumer`.
 *
 * Use: alert if it is above 0, and read `backlog consumers NAME`.
 */
const parked = gauge("backlog_consumer_parked_events", "Events that a consumer has parked")

/** Use: alert if it stays above 0, and run `backlog doctor --fix` as the owner. */
const pendingErasures = gauge(
  "backlog_erasures_pending",
  "Redactions whose bytes may still be in the data files of the database"
)

/**
 * Counts the connections to this database that have the same `application_name` as those of the server.
 *
 * Labels: `state`.
 *
 * Use: compare with the limit of the server.
 */
const connections = gauge("backlog_database_connections", "Database connections of all backlog programs, by state")

/** Use: shows a leak, and whether the limit of the container fits. */
const memory = gauge("process_resident_memory_bytes", "Resident memory of this process", "bytes")

/** Use: a change shows a restart. */
const started = gauge("process_start_time_seconds", "Start time of this process, in seconds since 1970", "seconds")

/** A consumer's name is free text, and may contain a token. */
const consumerAttribute = (consumer: string) => ({ consumer: redactSecrets(consumer) })

/** Makes an effect that updates the gauges. A gauge that cannot be measured keeps its value. */
const makeGaugeUpdater = Effect.fnUntraced(function* (doctor: Doctor["Service"] | undefined) {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const context = yield* Effect.context()
  const set = (metric: Metric.Gauge<number>, value: number, attributes?: Readonly<Record<string, string>>): void =>
    (attributes === undefined ? metric : Metric.withAttributes(metric, attributes)).updateUnsafe(value, context)

  const measure = Effect.gen(function* () {
    const stats = yield* backlog.stats
    for (const [status, count] of Object.entries(stats.counts)) set(cards, count, { status })
    set(claimable, stats.claimable)
    set(waiting, stats.waiting)
    set(expired, stats.expiredClaimCount)
    set(oldest, stats.oldestReadyAgeSeconds ?? 0)
    const checkpoints = yield* audit.checkpoints
    const parkedOf = new Map(checkpoints.map(({ consumer }) => [consumer, 0]))
    for (const { consumer } of yield* audit.parked()) parkedOf.set(consumer, (parkedOf.get(consumer) ?? 0) + 1)
    // Read after the checkpoints, so that a checkpoint is ahead of it only after a restore.
    const head = (yield* audit.anchor({ record: false })).position
    set(position, head)
    for (const { consumer, position: reached } of checkpoints) {
      set(lag, Math.max(0, head - reached), consumerAttribute(consumer))
      set(ahead, Math.max(0, reached - head), consumerAttribute(consumer))
    }
    for (const [consumer, count] of parkedOf) set(parked, count, consumerAttribute(consumer))
    // A role that was granted before this table existed cannot read it. The other gauges are still measured.
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
          Effect.logWarning("The gauges of the backlog cannot be measured.", cause)
        )
    })
  )

  const measureCached = yield* Effect.cachedWithTTL(measure, cacheTtl)
  return Effect.andThen(
    measureCached,
    Effect.sync(() => {
      set(memory, process.memoryUsage.rss())
      set(started, performance.timeOrigin / 1000)
    })
  ) satisfies Effect.Effect<void, SqlError.SqlError>
})

/** Time for which results are cached. */
const cacheTtl = "1 second"
/** Timeout of a check. */
const timeout = "5 seconds"

const prometheus = "text/plain; version=0.0.4; charset=utf-8"

/**
 * The endpoints for operators.
 *
 * - `/healthz`: the process responds.
 * - `/readyz`: the server accepts commands. The database accepts a write, the migrations are applied, and the server is not
 *   shutting down.
 * - `/metrics`: metrics of the process and of the backlog, for Prometheus.
 *
 * The gauges are also measured once per `gaugeInterval`, for exporters.
 */
export const layerOperations = (
  doctor: Doctor["Service"] | undefined,
  gaugeInterval: Duration.Input | undefined
): Layer.Layer<never, never, HttpRouter.HttpRouter | BacklogService | AuditService | Shutdown> =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const backlog = yield* BacklogService
      const { awaitShutdown } = yield* Shutdown
      const setGauges = yield* makeGaugeUpdater(doctor)
      if (gaugeInterval !== undefined) {
        yield* Effect.forkScoped(
          Effect.withTracerEnabled(Effect.repeat(setGauges, Schedule.spaced(gaugeInterval)), false)
        )
      }
      const isShuttingDown = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.andThen(awaitShutdown, Deferred.succeed(isShuttingDown, undefined)))

      /** Whether the server uses a read-only replica, which counts as ready; otherwise why it accepts no commands. */
      const writeReadiness = Effect.gen(function* () {
        const isReplica = yield* Effect.orElseSucceed(doctor?.isReplica ?? Effect.succeed(false), () => false)
        return { isReplica, why: isReplica ? Option.none<string>() : yield* backlog.readiness }
      })
      const state = yield* Effect.cachedWithTTL(
        Effect.all([doctor?.readiness ?? Effect.succeedNone, writeReadiness], { concurrency: "unbounded" }).pipe(
          Effect.map(([first, { isReplica, why }]) => ({ isReplica, why: Option.orElse(first, () => why) })),
          Effect.timeout(timeout),
          Effect.catch((error) =>
            Effect.as(Effect.annotateLogs(Effect.logWarning("The server is not ready."), { error }), {
              isReplica: false,
              why: Option.some("the database does not respond")
            })
          )
        ),
        cacheTtl
      )

      yield* router.add("GET", operationPaths.health, Effect.succeed(HttpServerResponse.text("ok\n")))
      yield* router.add(
        "GET",
        operationPaths.ready,
        Effect.gen(function* () {
          if (yield* Deferred.isDone(isShuttingDown)) return notReady("the server is shutting down")
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
