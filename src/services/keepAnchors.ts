import { Cause, DateTime, Duration, Effect, Metric, Option, type Scope, Stream } from "effect"
import { type Anchor, type AnchorRefused, newestAnchor } from "../events/Anchor.ts"
import { emptyChainHash } from "../events/ContentHash.ts"
import type { LogFailure } from "../events/EventLog.ts"
import { sanitizeCause } from "../sql/sanitize.ts"
import { AuditService } from "./AuditService.ts"
import type { ServerFailure } from "./serverFailures.ts"
import { type AnchorFileRefused, appendToAnchorFile, makeAnchorFileReader } from "./audit/AnchorFile.ts"
import { InvalidInput } from "./decodeInput.ts"

/** Options of `keepAnchors`. */
export interface KeepAnchorsOptions {
  /**
   * The file to which anchors are appended, one line each. Its directory must exist, outside the database's directory. A new
   * file gets the mode 0600.
   */
  readonly file: string
  /** The time between two anchors, 0.1 seconds or more. Defaults to 60 minutes. */
  readonly every?: Duration.Input | undefined
  /** An Ed25519 private key in PEM, with which anchors are signed. Defaults to none: anchors are not signed. */
  readonly privateKey?: string | undefined
}

/** The outcome of an attempt to anchor the log. */
export type AnchorOutcome =
  | { readonly _tag: "Appended"; readonly anchor: Anchor }
  /** The log has no new events since the newest anchor. */
  | { readonly _tag: "Unchanged"; readonly anchor: Anchor }
  /** The log does not continue the newest anchor: it was truncated or rewritten. Nothing was appended. */
  | { readonly _tag: "LogDiffers"; readonly anchor: Anchor; readonly found: string }

/** Maximum time between a failed attempt and the next. */
const retryAfter = Duration.minutes(1)

/** Maximum duration of an attempt. Without it, an attempt that hangs would stop anchoring without an error. */
const attemptTimeout = Duration.minutes(1)

/** Maximum duration of the last attempt, when the scope closes. */
const lastAnchorTimeout = Duration.seconds(5)

const gauge = (name: string, description: string) => Metric.gauge(name, { description })

/** Use: compare with `backlog_log_position`: the events between them are not anchored yet. */
const positionGauge = gauge("backlog_anchor_position", "The position of the newest anchor in the anchor file")

/** Use: alert if it is much older than the interval of the anchors, while the log grows. */
const timeGauge = gauge("backlog_anchor_time_seconds", "When the log was last anchored, in seconds since 1970")

/** Use: alert on 1. */
const failingGauge = gauge("backlog_anchor_failing", "Whether the last attempt to anchor the log failed: 1 or 0")

/** Use: alert on 1, and run `backlog verify --anchor-file`. */
const differsGauge = gauge(
  "backlog_anchor_log_differs",
  "Whether the log does not continue the newest anchor, so that it was truncated or rewritten: 1 or 0"
)

/**
 * Appends an anchor to a file now, at intervals if the log has new events, and when the scope ends. Returns the outcome of
 * the first attempt.
 *
 * Fails with `AnchorFileRefused` if the file cannot be used now, and with `AnchorRefused` if the key cannot. A later failure is
 * logged as an error, sets the metric `backlog_anchor_failing`, and is retried within a minute. Before it appends, it checks
 * that the log still has the chain hash of the newest anchor. If not, it appends nothing, logs an error, and sets the metric
 * `backlog_anchor_log_differs`; the program continues.
 */
export const keepAnchors = Effect.fnUntraced(function* (
  options: KeepAnchorsOptions
): Effect.fn.Return<
  AnchorOutcome,
  AnchorFileRefused | AnchorRefused | InvalidInput | LogFailure | ServerFailure,
  AuditService | Scope.Scope
> {
  const every = Option.getOrUndefined(Duration.fromInput(options.every ?? "60 minutes"))
  if (every === undefined || !(Duration.toMillis(every) >= 100)) {
    return yield* new InvalidInput({ problem: 'Expected a duration of 0.1 seconds or more\n  at ["every"]' })
  }
  const attempt = Effect.tapCause(
    Effect.tap(yield* makeAnchorLog(options), (outcome) => report(options.file, outcome)),
    (cause) => Effect.when(Metric.update(failingGauge, 1), Effect.succeed(!Cause.hasInterruptsOnly(cause)))
  )
  const first = yield* attempt
  yield* Effect.addFinalizer(() =>
    logFailure(
      options.file,
      Effect.timeout(Effect.interruptible(attempt), lastAnchorTimeout),
      "Events after the newest anchor are not anchored."
    )
  )
  const retry = Duration.min(every, retryAfter)
  const again = `The next attempt is in ${Duration.format(retry)}.`
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (let wait = every; ;) {
        yield* Effect.sleep(wait)
        wait = (yield* logFailure(options.file, Effect.timeout(attempt, attemptTimeout), again)) ? every : retry
      }
    })
  )
  return first
})

/** Logs a failure as an error. Returns whether the attempt succeeded. */
const logFailure = <A, E>(file: string, attempt: Effect.Effect<A, E, AuditService>, then: string) =>
  Effect.matchCauseEffect(attempt, {
    onSuccess: () => Effect.succeed(true),
    onFailure: (cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.as(
            Effect.logError(`The log could not be anchored in ${JSON.stringify(file)}. ${then}`, sanitizeCause(cause)),
            false
          )
  })

/** Reports an outcome to the log and the metrics. */
const report = Effect.fnUntraced(function* (file: string, outcome: AnchorOutcome) {
  const { anchor } = outcome
  yield* Metric.update(failingGauge, 0)
  yield* Metric.update(differsGauge, outcome._tag === "LogDiffers" ? 1 : 0)
  yield* Metric.update(positionGauge, anchor.position)
  if (outcome._tag === "LogDiffers") {
    return yield* Effect.logError(
      `The log was truncated or rewritten: it does not continue the newest anchor in ${JSON.stringify(file)}, at position ` +
        `${anchor.position}. Expected the chain hash ${anchor.chainHash}, found: ${outcome.found}. No anchor is appended. ` +
        "Run `backlog verify --anchor-file`; if a restore explains this, keep the file and start with a new one."
    )
  }
  yield* Metric.update(timeGauge, (yield* DateTime.now).pipe(DateTime.toEpochMillis) / 1000)
  if (outcome._tag === "Appended") {
    yield* Effect.annotateLogs(Effect.logInfo("The log was anchored."), { position: anchor.position })
  }
})

/** Returns an effect that anchors the log once each time it runs. It keeps the newest anchor in memory, in case the file is moved. */
const makeAnchorLog = Effect.fnUntraced(function* ({ file, privateKey }: KeepAnchorsOptions) {
  const audit = yield* AuditService
  const readAdded = makeAnchorFileReader(file)
  let known: Anchor | undefined

  /** The chain hash of the log at a position, or text that says that there is no event. */
  const hashAt = Effect.fnUntraced(function* (position: number) {
    if (position === 0) return emptyChainHash
    const found = Option.getOrUndefined(yield* Stream.runHead(audit.events({ after: position - 1, follow: false })))
    return found?.position === position ? found.chainHash : `no event at position ${position}`
  })

  return Effect.gen(function* () {
    // Before the head, so that the head includes what another process has just anchored.
    const { anchors, isEmpty } = yield* readAdded
    const newest = newestAnchor(known === undefined ? anchors : [known, ...anchors])
    known = newest
    if (newest !== undefined) {
      // First check that the log reaches the position: a replica waits for it.
      const found = yield* Stream.runHead(audit.events({ after: newest.position, follow: false })).pipe(
        Effect.andThen(hashAt(newest.position)),
        Effect.catchTag("MomentNotReached", ({ reached }) => Effect.succeed(reached))
      )
      if (found !== newest.chainHash) return { _tag: "LogDiffers", anchor: newest, found } satisfies AnchorOutcome
    }
    const { position } = yield* audit.anchor({ privateKey, record: false })
    if (newest?.position === position && !isEmpty) {
      return { _tag: "Unchanged", anchor: newest } satisfies AnchorOutcome
    }
    const end = yield* audit.anchor({ privateKey })
    yield* appendToAnchorFile(file, end)
    known = end
    return { _tag: "Appended", anchor: end } satisfies AnchorOutcome
  })
})
