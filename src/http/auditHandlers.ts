import { Duration, Effect, Option, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { requireValidToken } from "./Caller.ts"
import { Shutdown } from "./Shutdown.ts"
import { toDatabaseError, type Unauthorized, withDatabaseErrors } from "./errors.ts"
import { handleCommand, withValidToken } from "./handleCommand.ts"
import type { Handlers } from "./handleEndpoint.ts"
import {
  endInProblem,
  eventStreamResponse,
  startStream,
  startStreamEndingInProblem,
  streamProgress
} from "./responseStreams.ts"
import { type Line, readLinePages } from "../import/readLines.ts"
import {
  type AnchorInput,
  AuditService,
  type BacklogAt,
  type CardAt,
  CardNotFound,
  type EventOptions,
  parseEventType,
  InvalidInput,
  type RebuildProgress,
  type RemovalProgress
} from "../index.ts"

/** Interval of the comments in a stream of events. */
const heartbeat = "15 seconds"

/** Makes the handlers of the endpoints of `AuditService`. */
export const makeAuditHandlers = Effect.gen(function* () {
  const audit = yield* AuditService
  const shutdown = yield* Shutdown
  const pastOf = <A, E, R>(
    at: Parameters<typeof momentOf>[0],
    query: (past: BacklogAt) => Effect.Effect<A, E | SqlError.SqlError, R>
  ) => withDatabaseErrors(Effect.flatMap(audit.backlogAt(momentOf(at)), query))
  // Callers sign anchors themselves, with their own keys.
  const anchor = (options: AnchorInput) =>
    Effect.catchTag(withDatabaseErrors(audit.anchor(options)), "AnchorRefused", (error) => Effect.die(error))
  /**
   * Refuses an invalid position or type before the stream begins. A reader reconnects after a stream that ends, and only
   * an error status stops it. It reads from the end of the log, where there are no events.
   */
  const refuseInvalidStart = Effect.fnUntraced(function* (
    options: typeof EventOptions.Encoded & { readonly after: number }
  ) {
    if (options.after === 0 && typeof options.type !== "object") return
    const { position } = yield* anchor({ record: false })
    yield* withDatabaseErrors(
      Stream.runHead(audit.events({ ...options, after: Math.max(options.after, position), follow: false }))
    )
  })
  return {
    history: ({ query }) => startStreamEndingInProblem(audit.history(query.id)),
    cardAt: ({ query: { id, ...at } }) =>
      withDatabaseErrors(
        Effect.flatMap(
          audit.cardAt(id, momentOf(at)),
          Option.match({
            onNone: () => Effect.fail(new CardNotFound({ id })),
            onSome: (card) => Effect.succeed(card)
          })
        )
      ),
    explainAt: ({ query: { id, ...at } }) => withDatabaseErrors(audit.explainAt(id, momentOf(at))),
    backlogAt: ({ query }) => withDatabaseErrors(audit.backlogAt(momentOf(query))),
    backlogAtCards: ({ query: { position, time, ...options } }) =>
      Effect.flatMap(withDatabaseErrors(audit.backlogAt(momentOf({ position, time }))), (past) =>
        startStreamEndingInProblem(past.cards(options))
      ),
    backlogAtDependents: ({ query: { position, time, ...filter } }) =>
      pastOf({ position, time }, (past) => past.dependents(filter)),
    backlogAtNeighbourhood: ({ query: { position, time, ...filter } }) =>
      pastOf({ position, time }, (past) => past.neighbourhood(filter)),
    backlogAtImpact: ({ query: { id, ...at } }) => pastOf(at, (past) => past.impact(id)),
    backlogAtCriticalPath: ({ query: { position, time, ...options } }) =>
      pastOf({ position, time }, (past) => past.criticalPath(options)),
    diff: ({ query: { fromPosition, fromTime, toPosition, toTime } }) => {
      if (fromPosition === undefined && fromTime === undefined) return Effect.fail(noFirstMoment)
      const hasEnd = toPosition !== undefined || toTime !== undefined
      return startStreamEndingInProblem(
        audit.diff({
          from: momentOf({ position: fromPosition, time: fromTime }),
          ...(hasEnd ? { to: momentOf({ position: toPosition, time: toTime }) } : {})
        })
      )
    },
    flow: ({ query }) => withDatabaseErrors(audit.flow(query)),
    density: ({ query }) => withDatabaseErrors(audit.density(query)),
    events: Effect.fnUntraced(function* ({ headers, query: { follow = true, type: name, ...filter } }) {
      const options = {
        ...filter,
        after: headers["last-event-id"] ?? filter.after ?? 0,
        type: name === undefined ? undefined : parseEventType(name)
      }
      const events = audit.events({ ...options, follow })
      if (follow) yield* refuseInvalidStart(options)
      // The first event of a stream that follows the log may arrive much later.
      const all = follow ? endInProblem(events) : yield* startStreamEndingInProblem(events)
      return eventStreamResponse(all, { heartbeat, until: shutdown.awaitShutdown })
    }),
    checkpoints: () => withDatabaseErrors(audit.checkpoints),
    checkpoint: ({ query }) => Effect.map(withDatabaseErrors(audit.checkpoint(query.consumer)), Option.getOrNull),
    advance: ({ payload }) => withValidToken(audit.advance(payload.consumer, payload.from, payload.to)),
    park: ({ payload }) => withValidToken(audit.park(payload.consumer, payload.position, payload.reason)),
    parked: ({ query }) => withDatabaseErrors(audit.parked(query.consumer)),
    unpark: ({ payload }) => withValidToken(audit.unpark(payload.consumer, payload.position)),
    verify: ({ caller, payload }) =>
      Effect.andThen(
        withValidToken(Effect.void),
        startStreamEndingInProblem(
          streamProgress(
            (onProgress: (progress: { readonly done: number; readonly total: number }) => Effect.Effect<void>) =>
              audit.verify({
                ...payload,
                actor: caller.actor ?? payload.actor,
                onProgress: (done, total) => onProgress({ done, total })
              })
          )
        )
      ),
    anchor: ({ caller, query }) => anchor({ ...query, actor: caller.actor ?? query.actor }),
    anchors: ({ query }) => withDatabaseErrors(audit.anchors(query)),
    verifications: ({ query }) => withDatabaseErrors(audit.verifications(query)),
    rebuild: ({ payload: { swapTimeoutMillis } }) =>
      Effect.andThen(
        withValidToken(Effect.void),
        startStreamEndingInProblem(
          streamProgress((onProgress: (progress: RebuildProgress) => Effect.Effect<void>) =>
            audit.rebuild({
              onProgress,
              swapTimeout: swapTimeoutMillis === undefined ? undefined : Duration.millis(swapTimeoutMillis)
            })
          )
        )
      ),
    redact: handleCommand(audit.redact),
    erasures: ({ query }) => withDatabaseErrors(audit.erasures(query)),
    removeErased: ({ payload: { swapTimeoutMillis } }) =>
      Effect.andThen(
        withValidToken(Effect.void),
        startStreamEndingInProblem(
          streamProgress((onProgress: (progress: RemovalProgress) => Effect.Effect<void>) =>
            audit.removeErased({
              onProgress,
              swapTimeout: swapTimeoutMillis === undefined ? undefined : Duration.millis(swapTimeoutMillis)
            })
          )
        )
      ),
    pruneReceipts: ({ payload }) => withValidToken(audit.pruneReceipts(payload)),
    exportLog: () => Effect.map(startStream(audit.exportLog), encodeLines),
    restored: handleCommand(audit.restored),
    importLog: ({ caller, payload, query }) =>
      withDatabaseErrors(audit.importLog(bodyLines(payload), { actor: caller.actor ?? query.actor }))
  } satisfies Handlers<"audit">
})

/** The moment that a query names. The services refuse members that cannot be combined. */
const momentOf = (members: object) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as typeof CardAt.Encoded & {
    readonly position: number
  }

/** Encodes lines. An error ends the response early, which the reader detects: the first line says where the log ends. */
const encodeLines = <E>(lines: Stream.Stream<string, E>): Stream.Stream<Uint8Array> =>
  Stream.mapArray(lines, (some): [string] => [`${some.join("\n")}\n`]).pipe(
    Stream.catch((error) => Stream.fromEffect(Effect.orDie(toDatabaseError(error)))),
    Stream.encodeText
  )

/** Interval of the checks of the sender's token while its next lines arrive. */
const checkEvery = "1 second"

/**
 * The lines of a body, as they arrive. Fails if the sender's token is no longer valid: after each page, while the next page
 * arrives, and after the last line. The checks run in the reader's transaction, because an embedded database has no other
 * session for them.
 */
const bodyLines = (
  body: Stream.Stream<Uint8Array, unknown>
): Stream.Stream<Line, InvalidInput | Unauthorized | SqlError.SqlError> =>
  Stream.suspend(() => {
    const pages = readLinePages(Stream.toAsyncIterable(body))
    const next = Effect.suspend(() => {
      const promise = pages.next()
      const page = Effect.tryPromise({ try: () => promise, catch: () => incompleteBody })
      const checked: Effect.Effect<
        Effect.Success<typeof page>,
        InvalidInput | Unauthorized | SqlError.SqlError
      > = Effect.flatMap(
        Effect.timeoutOption(page, checkEvery),
        Option.match({
          onNone: () => Effect.andThen(requireValidToken, checked),
          onSome: (result) => Effect.as(requireValidToken, result)
        })
      )
      return checked
    })
    return Stream.paginate(undefined, () =>
      Effect.map(next, ({ done, value }) =>
        done === true ? [[], Option.none()] : [value as ReadonlyArray<Line>, Option.some(undefined)]
      )
    ).pipe(
      // Not awaited, because it would wait for lines that are no longer read.
      Stream.ensuring(
        Effect.sync(() => {
          void pages.return(undefined)
        })
      )
    )
  })

const noFirstMoment = new InvalidInput({ problem: "the query: give fromPosition or fromTime" })

const incompleteBody = new InvalidInput({ problem: "the body is incomplete" })
