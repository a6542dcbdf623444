import { Cause, DateTime, Duration, Effect, Metric, Option, type Scope, Stream } from "effect"
import { type Anchor, type AnchorRefused, newestAnchor } from "../events/Anchor.ts"
import { emptyChainHash } from "../events/ContentHash.ts"
import type { LogFailure } from "../events/EventLog.ts"
import { sanitizeCause } from "../sql/sanitize.ts"
import { AuditService } from "./AuditService.ts"
import { type AnchorFileRefused, appendToAnchorFile, makeAnchorFileReader } from "./audit/AnchorFile.ts"
import { InvalidInput } from "./decodeInput.ts"

/** Where anchors are kept, and how often one is added. */
export interface KeepAnchorsOptions {
  /**
   * The file to which anchors are appended, a line each. Its directory must exist, outside the database's own. A new file
   * gets the mode 0600.
   */
  readonly file: string
  /** The time between two anchors, 0.1 seconds or more. Defaults to 60 minutes. */
  readonly every?: Duration.Input | undefined
  /** An Ed25519 private key in PEM, with which anchors are signed. Defaults to none: anchors are not signed. */
  readonly privateKey?: string | undefined
}

/** What became of an anchor. */
export type AnchorOutcome =
  | { readonly _tag: "Appended"; readonly anchor: Anchor }
  /** The log has not moved since the newest anchor. */
  | { readonly _tag: "Unchanged"; readonly anchor: Anchor }
  /** The log does not continue the newest anchor: it was truncated or rewritten. Nothing was appended. */
  | { readonly _tag: "LogDiffers"; readonly anchor: Anchor; readonly found: string }

/** The longest time between an attempt that failed and the next. */
const retryAfter = Duration.minutes(1)

/** The longest time that an attempt may take: one that hung would end the anchors without an error. */
const attemptWithin = Duration.minutes(1)

/** The longest time that the last anchor may delay the end. */
const lastAnchorWithin = Duration.seconds(5)

const gauge = (name: string, description: string) => Metric.gauge(name, { description })
const positionGauge = gauge("backlog_anchor_position", "The position of the newest anchor in the anchor file")
const timeGauge = gauge("backlog_anchor_time_seconds", "When the log was last anchored, in seconds since 1970")
const failingGauge = gauge("backlog_anchor_failing", "Whether the last attempt to anchor the log failed: 1 or 0")
const differsGauge = gauge(
  "backlog_anchor_log_differs",
  "Whether the log does not continue the newest anchor, so that it was truncated or rewritten: 1 or 0"
)

/**
 * Appends an anchor to a file now, again at intervals while the log moves, and once more when the scope ends. Returns what
 * became of the first anchor.
 *
 * Fails with `AnchorFileRefused` when the file cannot be used now, and with `AnchorRefused` when the key cannot. A later
 * failure is logged as an error, shown as the metric `backlog_anchor_failing`, and retried within a minute. Before it
 * appends, it checks that the log still has the chain hash of the newest anchor; where it has not, it appends nothing,
 * logs an error each time and sets the metric `backlog_anchor_log_differs`, and the program continues.
 */
export const keepAnchors = Effect.fnUntraced(function* (
  options: KeepAnchorsOptions
): Effect.fn.Return<
  AnchorOutcome,
  AnchorFileRefused | AnchorRefused | InvalidInput | LogFailure,
  AuditService | Scope.Scope
> {
  const every = Option.getOrUndefined(Duration.fromInput(options.every ?? "60 minutes"))
  if (every === undefined || !(Duration.toMillis(every) >= 100)) {
    return yield* new InvalidInput({ problem: 'Expected a duration of 0.1 seconds or more\n  at ["every"]' })
  }
  const attempt = Effect.tapCause(
    Effect.tap(yield* makeAnchoring(options), (outcome) => report(options.file, outcome)),
    (cause) => Effect.when(Metric.update(failingGauge, 1), Effect.succeed(!Cause.hasInterruptsOnly(cause)))
  )
  const first = yield* attempt
  yield* Effect.addFinalizer(() =>
    logged(
      options.file,
      Effect.timeout(Effect.interruptible(attempt), lastAnchorWithin),
      "Events after the newest anchor are not anchored."
    )
  )
  const retry = Duration.min(every, retryAfter)
  const again = `The next attempt is in ${Duration.format(retry)}.`
  yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (let wait = every; ;) {
        yield* Effect.sleep(wait)
        wait = (yield* logged(options.file, Effect.timeout(attempt, attemptWithin), again)) ? every : retry
      }
    })
  )
  return first
})

/** Logs a failure as an error; returns whether there was none. */
const logged = <A, E>(file: string, attempt: Effect.Effect<A, E, AuditService>, then: string) =>
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

/** Anchors the log once for each time that it is run. Remembers the newest anchor, also when the file was moved away. */
const makeAnchoring = Effect.fnUntraced(function* ({ file, privateKey }: KeepAnchorsOptions) {
  const audit = yield* AuditService
  const readAdded = makeAnchorFileReader(file)
  let known: Anchor | undefined

  /** What the log has where an anchor expects its chain hash. */
  const hashAt = Effect.fnUntraced(function* (position: number) {
    if (position === 0) return emptyChainHash
    const found = Option.getOrUndefined(yield* Stream.runHead(audit.events({ after: position - 1, follow: false })))
    return found?.position === position ? found.chainHash : `no event at position ${position}`
  })

  return Effect.gen(function* () {
    // Before the head, which then cannot be behind what another process has just anchored.
    const { anchors, isEmpty } = yield* readAdded
    const newest = newestAnchor(known === undefined ? anchors : [known, ...anchors])
    known = newest
    if (newest !== undefined) {
      // First whether the log reaches it at all, which is the question that a replica waits for.
      const found = yield* Stream.runHead(audit.events({ after: newest.position, follow: false })).pipe(
        Effect.andThen(hashAt(newest.position)),
        Effect.catchTag("MomentNotReached", ({ reached }) => Effect.succeed(reached))
      )
      if (found !== newest.chainHash) return { _tag: "LogDiffers", anchor: newest, found } satisfies AnchorOutcome
    }
    const end = yield* audit.anchor({ privateKey })
    if (newest?.position === end.position && !isEmpty) {
      return { _tag: "Unchanged", anchor: newest } satisfies AnchorOutcome
    }
    yield* appendToAnchorFile(file, end)
    known = end
    return { _tag: "Appended", anchor: end } satisfies AnchorOutcome
  })
})
