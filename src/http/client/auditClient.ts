import { type Cause, Duration, Effect, Option, Stream } from "effect"
import { signAnchor } from "../../events/Anchor.ts"
import { maxSwapTimeoutMillis } from "../api/AuditGroup.ts"
import type { Endpoints } from "./connect.ts"
import { makeConsume, followEvents } from "./eventFeed.ts"
import { request, dieOnInvalidInput, streamItems, runToReport, toServiceError, omitUndefined } from "./request.ts"
import {
  type AnchorInput,
  type At,
  AuditService,
  type BacklogAt,
  type FileLine,
  LogFileRefused,
  MomentNotReached,
  type PastListInput
} from "../../index.ts"
import { toArray } from "../../projections/listQueries.ts"
import { requireEffect } from "../../sql/requireEffect.ts"
import {
  decodeCriticalPathOptions,
  decodeDependentsOptions,
  decodeNeighbourhoodOptions,
  decodePastListOptions
} from "../../services/BacklogInput.ts"
import {
  decodeAnchorOptions,
  decodeAt,
  decodeCardAt,
  decodeDensityOptions,
  decodeDiff,
  decodeErasureOptions,
  decodeEventOptions,
  decodeFlow,
  decodeId,
  decodeMove,
  decodeName,
  decodeObservationsOptions,
  decodePosition,
  decodePruneReceipts,
  decodeReason,
  decodeRebuildOptions,
  decodeRedact,
  decodeRemovalOptions,
  decodeRestored,
  decodeVerifyOptions
} from "../../services/AuditInput.ts"

/**
 * Makes `importLog` over HTTP: sends the lines, and reports progress once, with the response. An error in the lines ends the
 * request, and nothing is imported.
 */
const makeImportLog =
  (endpoint: Endpoints["audit"]["importLog"]): AuditService["Service"]["importLog"] =>
  <E, R>(
    lines: Stream.Stream<FileLine, E, R>,
    options: {
      readonly actor?: string | undefined
      readonly onProgress?: ((done: number, total: number) => Effect.Effect<void>) | undefined
    } = {}
  ) =>
    Effect.gen(function* () {
      const context = yield* Effect.context<R>()
      const unreadable: { cause?: Cause.Cause<E | LogFileRefused> } = {}
      const payload = lines.pipe(
        Stream.mapArrayEffect((some) => {
          const bad = some.find((line) => "problem" in line)
          if (bad !== undefined) return new LogFileRefused({ line: bad.number, problem: bad.problem })
          return Effect.succeed([some.map((line) => `${"text" in line ? line.text : ""}\n`).join("")] as const)
        }),
        Stream.encodeText,
        Stream.tapCause((cause) =>
          Effect.sync(() => {
            unreadable.cause = cause
          })
        ),
        Stream.provideContext(context)
      )
      const asking = dieOnInvalidInput(
        request(endpoint({ payload, query: omitUndefined({ actor: options.actor }) }), false)
      )
      const imported = yield* Effect.catchCause(asking, (cause) =>
        Effect.failCause<Effect.Error<typeof asking> | E | LogFileRefused>(unreadable.cause ?? cause)
      )
      if (options.onProgress !== undefined) {
        yield* requireEffect("onProgress", options.onProgress)(imported.events, imported.events)
      }
      return imported
    })

/** The payload of an operation that swaps tables. */
const swapPayload = (timeout: Duration.Input | undefined) =>
  timeout === undefined
    ? {}
    : { swapTimeoutMillis: Math.min(Duration.toMillis(Duration.fromInputUnsafe(timeout)), maxSwapTimeoutMillis) }

/** Makes `AuditService` from the endpoints of a server. Checks input in the same way as the service. */
export const makeAuditClient = ({ audit: endpoints }: Endpoints): AuditService["Service"] => {
  const cardAt: AuditService["Service"]["cardAt"] = Effect.fn("AuditService.cardAt")(function* (input, at) {
    const query = { id: yield* decodeId(input), ...(yield* decodeCardAt(at)) }
    return yield* request(endpoints.cardAt({ query }), true).pipe(
      Effect.asSome,
      Effect.catchTag("CardNotFound", () => Effect.succeedNone)
    )
  })

  const explainAt: AuditService["Service"]["explainAt"] = Effect.fn("AuditService.explainAt")(function* (input, at) {
    const query = { id: yield* decodeId(input), ...(yield* decodeCardAt(at)) }
    return yield* request(endpoints.explainAt({ query }), true)
  })

  const cardsAt = (at: typeof At.Encoded & { readonly position: number }, options: PastListInput = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { phase, status, ...conditions } = yield* decodePastListOptions(options)
        const several = {
          phase: phase === undefined ? undefined : toArray(phase),
          status: status === undefined ? undefined : toArray(status)
        }
        const query = { ...at, ...omitUndefined({ ...conditions, ...several }) }
        const answer = yield* request(endpoints.backlogAtCards({ query }), true).pipe(
          // `backlogAt` has already reached the moment.
          Effect.catchTag("MomentNotReached", (error) => Effect.die(error))
        )
        return streamItems(answer)
      })
    )

  const events: AuditService["Service"]["events"] = (input = {}) =>
    Stream.unwrap(Effect.map(decodeEventOptions(input), (options) => followEvents(endpoints.events, options)))

  const checkpoint: AuditService["Service"]["checkpoint"] = Effect.fn("AuditService.checkpoint")(function* (input) {
    const consumer = yield* decodeName(input)
    return Option.fromNullOr(yield* request(endpoints.checkpoint({ query: { consumer } }), true))
  })

  const advance: AuditService["Service"]["advance"] = Effect.fn("AuditService.advance")(function* (input, from, to) {
    yield* decodeMove({ from, to })
    return yield* request(endpoints.advance({ payload: { consumer: yield* decodeName(input), from, to } }), false)
  })

  const park: AuditService["Service"]["park"] = Effect.fn("AuditService.park")(function* (input, at, why) {
    const payload = {
      consumer: yield* decodeName(input),
      position: yield* decodePosition(at),
      reason: yield* decodeReason(why)
    }
    return yield* request(endpoints.park({ payload }), true)
  })

  /** For a moment that was reached before. */
  const reached = <A, E, R>(asked: Effect.Effect<A, E | MomentNotReached, R>) =>
    Effect.catchIf(
      asked,
      (error): error is MomentNotReached => error instanceof MomentNotReached,
      (error) => Effect.die(error)
    )

  const unsigned = (options: Pick<AnchorInput, "actor" | "record">) =>
    dieOnInvalidInput(request(endpoints.anchor({ query: omitUndefined(options) }), true))

  return AuditService.of({
    history: (input) =>
      Stream.unwrap(
        Effect.gen(function* () {
          return streamItems(yield* request(endpoints.history({ query: { id: yield* decodeId(input) } }), true))
        })
      ),
    cardAt,
    explainAt,
    backlogAt: Effect.fn("AuditService.backlogAt")(function* (at) {
      const past = yield* request(endpoints.backlogAt({ query: yield* decodeAt(at) }), true)
      // The moment that the server returned, whatever is recorded meanwhile.
      const moment = { position: past.position, time: past.time }
      return {
        ...past,
        get: (id) => reached(cardAt(id, moment)),
        explain: (id) => reached(explainAt(id, moment)),
        cards: (options) => cardsAt(moment, options),
        list: (options) => Stream.runCollect(cardsAt(moment, options)),
        // `backlogAt` has already reached the moment.
        dependents: (input) =>
          Effect.flatMap(decodeDependentsOptions(input), (filter) =>
            reached(request(endpoints.backlogAtDependents({ query: { ...moment, ...omitUndefined(filter) } }), true))
          ),
        neighbourhood: (input) =>
          Effect.flatMap(decodeNeighbourhoodOptions(input), (filter) =>
            reached(request(endpoints.backlogAtNeighbourhood({ query: { ...moment, ...omitUndefined(filter) } }), true))
          ),
        impact: (input) =>
          Effect.flatMap(decodeId(input), (id) =>
            reached(request(endpoints.backlogAtImpact({ query: { ...moment, id } }), true))
          ),
        criticalPath: (input = {}) =>
          Effect.flatMap(decodeCriticalPathOptions(input), (options) =>
            reached(request(endpoints.backlogAtCriticalPath({ query: { ...moment, ...omitUndefined(options) } }), true))
          )
      } satisfies BacklogAt
    }),
    diff: (between) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { from, to } = yield* decodeDiff(between)
          const query = omitUndefined({
            fromPosition: "position" in from ? from.position : undefined,
            fromTime: "time" in from ? from.time : undefined,
            toPosition: to !== undefined && "position" in to ? to.position : undefined,
            toTime: to !== undefined && "time" in to ? to.time : undefined
          })
          return streamItems(yield* request(endpoints.diff({ query }), true))
        })
      ),
    flow: Effect.fn("AuditService.flow")(function* (input = {}) {
      return yield* request(endpoints.flow({ query: omitUndefined(yield* decodeFlow(input)) }), true)
    }),
    density: Effect.fn("AuditService.density")(function* (input = {}) {
      return yield* request(endpoints.density({ query: omitUndefined(yield* decodeDensityOptions(input)) }), true)
    }),
    events,
    consume: makeConsume({
      events,
      checkpoint,
      advance,
      park,
      end: Effect.map(unsigned({ record: false }), ({ position }) => position)
    }),
    checkpoints: dieOnInvalidInput(request(endpoints.checkpoints(), true)),
    checkpoint,
    advance,
    park,
    parked: Effect.fn("AuditService.parked")(function* (input) {
      const query = input === undefined ? {} : { consumer: yield* decodeName(input) }
      return yield* request(endpoints.parked({ query }), true)
    }),
    unpark: Effect.fn("AuditService.unpark")(function* (input, at) {
      const payload = { consumer: yield* decodeName(input), position: yield* decodePosition(at) }
      return yield* request(endpoints.unpark({ payload }), false)
    }),
    verify: Effect.fn("AuditService.verify")(function* (input = {}) {
      const { actor, anchor, onProgress } = yield* decodeVerifyOptions(input)
      const answer = yield* request(endpoints.verify({ payload: omitUndefined({ actor, anchor }) }), true)
      return yield* runToReport(streamItems(answer), ({ done, total }) => onProgress?.(done, total) ?? Effect.void)
    }),
    anchor: Effect.fn("AuditService.anchor")(function* (input = {}) {
      const { actor, privateKey, record } = yield* decodeAnchorOptions(input)
      const anchor = yield* unsigned({ actor, record })
      return privateKey === undefined ? anchor : yield* Effect.fromResult(signAnchor(anchor, privateKey))
    }),
    verifications: Effect.fn("AuditService.verifications")(function* (input = {}) {
      const query = omitUndefined(yield* decodeObservationsOptions(input))
      return yield* request(endpoints.verifications({ query }), true)
    }),
    anchors: Effect.fn("AuditService.anchors")(function* (input = {}) {
      const query = omitUndefined(yield* decodeObservationsOptions(input))
      return yield* request(endpoints.anchors({ query }), true)
    }),
    rebuild: Effect.fn("AuditService.rebuild")(function* (input = {}) {
      const { onProgress, swapTimeout } = yield* decodeRebuildOptions(input)
      const payload = swapPayload(swapTimeout)
      const answer = yield* request(endpoints.rebuild({ payload }), false)
      return yield* runToReport(streamItems(answer), onProgress ?? (() => Effect.void))
    }),
    redact: Effect.fn("AuditService.redact")(function* (input) {
      const payload = omitUndefined(yield* decodeRedact(input))
      return yield* request(endpoints.redact({ headers: {}, payload }), payload.commandId !== undefined)
    }),
    erasures: Effect.fn("AuditService.erasures")(function* (input = {}) {
      return yield* request(endpoints.erasures({ query: omitUndefined(yield* decodeErasureOptions(input)) }), true)
    }),
    removeErased: Effect.fn("AuditService.removeErased")(function* (input = {}) {
      const { onProgress, swapTimeout } = yield* decodeRemovalOptions(input)
      const payload = swapPayload(swapTimeout)
      const answer = yield* request(endpoints.removeErased({ payload }), true)
      return yield* runToReport(streamItems(answer), onProgress ?? (() => Effect.void))
    }),
    pruneReceipts: Effect.fn("AuditService.pruneReceipts")(function* (input) {
      return yield* request(endpoints.pruneReceipts({ payload: yield* decodePruneReceipts(input) }), false)
    }),
    exportLog: Stream.unwrap(
      Effect.map(dieOnInvalidInput(request(endpoints.exportLog(), true)), (bytes) =>
        Stream.splitLines(Stream.decodeText(Stream.mapError(bytes, toServiceError)))
      )
    ),
    restored: Effect.fn("AuditService.restored")(function* (input) {
      return yield* request(endpoints.restored({ payload: yield* decodeRestored(input) }), false)
    }),
    importLog: makeImportLog(endpoints.importLog)
  })
}
