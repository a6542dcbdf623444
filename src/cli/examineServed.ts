import { DateTime, Effect, Option, Result, Stream } from "effect"
import { SqlError } from "effect/sql"
import { emptyChainHash } from "../events/ContentHash.ts"
import {
  type Anchor,
  AuditService,
  BacklogService,
  type DoctorFacts,
  Forbidden,
  newestAnchor,
  readAnchorFile
} from "../index.ts"
import type { ServedFacts } from "../services/doctor/diagnoseServed.ts"
import { packageVersion } from "../services/packageFiles.ts"
import { askServedCaller } from "./currentActor.ts"
import { runOverHttp } from "./database.ts"
import type { ServedTarget } from "./databaseTarget.ts"
import { ProcessIO } from "./ProcessIO.ts"
import { clearProgressAfter, showRemovalProgress } from "./progress.ts"
import { escapeLine } from "./terminalText.ts"

type AnchorFacts = NonNullable<DoctorFacts["anchorFile"]>

/** Collects the facts about an anchor file, whose newest anchor `checkAnchor` compares with the log. */
export const examineAnchorFile = Effect.fnUntraced(function* <E, R>(
  file: string,
  checkAnchor: (anchor: Anchor) => Effect.Effect<Option.Option<NonNullable<AnchorFacts["newest"]>>, E, R>
) {
  const content = yield* Effect.result(readAnchorFile(file))
  const anchor = Result.isSuccess(content) ? newestAnchor(content.success.anchors) : undefined
  const newest = anchor === undefined ? Option.none() : yield* checkAnchor(anchor)
  return {
    file,
    problem: Result.isFailure(content)
      ? content.failure.problem
      : anchor === undefined
        ? "it contains no anchor"
        : null,
    isCutShort: Result.isSuccess(content) && content.success.isTruncated,
    newest: Option.getOrNull(newest)
  } satisfies AnchorFacts
})

/** Maximum number of claimed cards among which the longest expired claim is searched. */
const maxClaimedCards = 1000

/** Collects the facts about a served backlog that its server shows to the caller. `fix` first removes erased bytes. */
export const examineServed = Effect.fnUntraced(function* (
  target: ServedTarget,
  anchorFile: string | undefined,
  fix: boolean
) {
  const caller = yield* askServedCaller(target)
  return yield* runOverHttp(
    target,
    Effect.gen(function* () {
      if (fix) yield* removePending
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const notReady = yield* backlog.readiness
      const { claimable, expiredClaimCount, oldestReadyAgeSeconds } = yield* backlog.stats
      const end = yield* readEnd
      const now = end?.at ?? (yield* DateTime.now)
      const expired = expiredClaimCount === 0 ? [] : yield* backlog.list({ status: "claimed", limit: maxClaimedCards })
      const pending = yield* audit.erasures({ pending: true })
      return {
        server: {
          url: target.name,
          version: caller?.version ?? null,
          ownVersion: packageVersion(),
          notReady: Option.getOrNull(notReady)
        },
        caller: caller === undefined ? null : { actor: caller.actor, role: caller.role },
        head: end?.position ?? null,
        consumers: end === undefined ? null : yield* examineConsumers(end),
        erasures: {
          pending: pending.length,
          oldestSeconds: oldestAge(
            pending.map(({ erasedAt }) => erasedAt),
            now
          ),
          problem: pending.find(({ problem }) => problem !== null)?.problem ?? null
        },
        ...(anchorFile === undefined
          ? {}
          : { anchorFile: yield* examineAnchorFile(anchorFile, (anchor) => compareAnchor(anchor, end, now)) }),
        expiredClaims: {
          count: expiredClaimCount,
          oldestSeconds: oldestAge(
            expired.flatMap(({ claimExpiresAt }) => claimExpiresAt ?? []),
            now
          )
        },
        claimable,
        oldestReadyAgeSeconds
      } satisfies ServedFacts
    })
  )
})

/** The largest age, which is not negative; `null` if there are no times. */
const oldestAge = (times: ReadonlyArray<DateTime.Utc>, now: DateTime.Utc): number | null =>
  times.length === 0 ? null : Math.max(0, ...times.map((time) => secondsBetween(time, now)))

const secondsBetween = (from: DateTime.Utc, to: DateTime.Utc): number =>
  (DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from)) / 1000

/** The end of the log; `undefined` if the caller's role may not read it. */
const readEnd = Effect.flatMap(AuditService, (audit) => audit.anchor({ record: false })).pipe(
  Effect.catchIf(
    (error) => error instanceof Forbidden || (SqlError.isSqlError(error) && error.reason._tag === "AuthorizationError"),
    () => Effect.undefined
  )
)

const examineConsumers = Effect.fnUntraced(function* ({ at, position: head }: Anchor) {
  const audit = yield* AuditService
  const checkpoints = new Map((yield* audit.checkpoints).map((checkpoint) => [checkpoint.consumer, checkpoint]))
  const parked = yield* audit.parked()
  const names = new Set([...checkpoints.keys(), ...parked.map(({ consumer }) => consumer)])
  return [...names].sort().map((consumer) => {
    const checkpoint = checkpoints.get(consumer)
    const position = checkpoint?.position ?? 0
    return {
      consumer,
      behind: Math.max(0, head - position),
      ahead: Math.max(0, position - head),
      stillSeconds: checkpoint === undefined ? 0 : Math.max(0, secondsBetween(checkpoint.updatedAt, at)),
      parked: parked.filter((event) => event.consumer === consumer).length
    }
  })
})

/** Compares an anchor with the event at its position; none if the end of the log is unknown. */
const compareAnchor = Effect.fnUntraced(function* (
  { at, chainHash, position }: Anchor,
  end: Anchor | undefined,
  now: DateTime.Utc
) {
  if (end === undefined) return Option.none()
  const isReached = position <= end.position
  const audit = yield* AuditService
  const event =
    position === 0 || !isReached
      ? undefined
      : Option.getOrUndefined(yield* Stream.runHead(audit.events({ after: position - 1 })))
  return Option.some({
    position,
    ageSeconds: Math.max(0, secondsBetween(at, now)),
    isReached,
    isContinued: isReached && (position === 0 ? emptyChainHash : event?.chainHash) === chainHash,
    behind: Math.max(0, end.position - position)
  })
})

/** Removes pending erasures. A failure becomes a finding of the check that follows. */
const removePending = Effect.gen(function* () {
  const audit = yield* AuditService
  if ((yield* audit.erasures({ pending: true })).length === 0) return
  const io = yield* ProcessIO
  yield* clearProgressAfter(io)(audit.removeErased({ onProgress: showRemovalProgress(io) })).pipe(
    Effect.catchTag("RemovalPending", (error) => Effect.sync(() => io.stderr.write(`${escapeLine(error.message)}\n`)))
  )
})
