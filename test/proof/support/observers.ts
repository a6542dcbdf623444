import { Deferred, type Duration, Effect, Fiber, Layer, Option, Stream } from "effect"
import { AuditService, BacklogService, layerPostgres } from "../../../src/index.ts"
import type { LoggedEvent } from "./checkCommands.ts"

type SeenEvent = Pick<LoggedEvent, "position" | "cardId" | "version" | "type"> & {
  /** Depends on the time of recording: a command that was lost and sent again leads to an event with another hash. */
  readonly chainHash: string
}

/** Everything that the readers of a backlog have received. */
export interface Seen {
  readonly events: ReadonlyMap<number, string>
  /** The versions of cards, as ids with versions. */
  readonly cards: ReadonlySet<string>
  /** The positions of the ends of the log, with their chain hashes. */
  readonly anchors: ReadonlyMap<number, string>
}

const describeEvent = ({ cardId, chainHash, position, type, version }: SeenEvent): string =>
  `${position} ${type} ${cardId} ${version} ${chainHash}`

const describeVersion = (id: string, version: number): string => `${id} ${version}`

/** Readers at work. */
export interface Observation {
  /** Waits until the readers have received an event. */
  readonly firstEvent: Promise<void>
  readonly stop: () => Promise<Seen>
}

/**
 * Reads a backlog in this process until it is stopped, across all failures: follows its events, lists cards, and takes anchors. The
 * readers share no connection with the writers.
 */
export const observe = (url: string, schema: string): Observation => {
  const events = new Map<number, string>()
  const cards = new Set<string>()
  const anchors = new Map<number, string>()
  let last = 0
  const first = Deferred.makeUnsafe<void>()
  // A failed read is repeated. One that fails forever makes the comparison fail, because nothing is seen.
  const again = <A, E, R>(read: Effect.Effect<A, E, R>, interval: Duration.Input = "10 millis") =>
    Effect.forever(Effect.delay(Effect.exit(read), interval))
  const reading = Effect.gen(function* () {
    const backlog = yield* BacklogService
    const audit = yield* AuditService
    const follow = Effect.suspend(() =>
      Stream.runForEach(audit.events({ after: last, follow: true }), (event) =>
        Effect.sync(() => {
          const described = describeEvent(event)
          const before = events.get(event.position)
          // Two different events at one position: the first one was lost.
          if (before === undefined) events.set(event.position, described)
          else if (before !== described) events.set(event.position, `${before}, then ${described}`)
          last = event.position
          Deferred.doneUnsafe(first, Effect.void)
        })
      )
    )
    const list = Effect.map(backlog.list({ order: "changed", limit: 20 }), (found) => {
      for (const { id, version } of found) cards.add(describeVersion(id, version))
    })
    const anchor = Effect.map(audit.anchor(), ({ chainHash, position }) => anchors.set(position, chainHash))
    // Each anchor is recorded, and that commit makes all earlier ones durable.
    yield* Effect.all([again(follow), again(list), again(anchor, "1 second")], {
      concurrency: "unbounded",
      discard: true
    })
  })
  const fiber = Effect.runFork(
    Effect.provide(reading, Layer.fresh(layerPostgres({ url, schema, poolSize: 4 })), { local: true }).pipe(
      // The backlog may not exist yet, or the server may be down.
      Effect.exit,
      Effect.delay("100 millis"),
      Effect.forever
    )
  )
  return {
    firstEvent: Effect.runPromise(Deferred.await(first)),
    stop: async () => {
      await Effect.runPromise(Fiber.interrupt(fiber))
      return { events, cards, anchors }
    }
  }
}

/** What readers have seen and the log does not have, or has differently. */
export const findTakenBack = (
  log: ReadonlyArray<SeenEvent>,
  { anchors, cards, events }: Seen
): ReadonlyArray<string> => {
  const byPosition = new Map(log.map((event) => [event.position, event]))
  const versions = new Set(log.map(({ cardId, version }) => describeVersion(cardId, version)))
  const describe = (position: number) =>
    Option.getOrElse(Option.map(Option.fromUndefinedOr(byPosition.get(position)), describeEvent), () => "nothing")
  return [
    ...[...events].flatMap(([position, seen]) => (describe(position) === seen ? [] : [`event ${seen}`])),
    ...[...cards].flatMap((version) => (versions.has(version) ? [] : [`card ${version}`])),
    ...[...anchors].flatMap(([position, hash]) =>
      position === 0 || byPosition.get(position)?.chainHash === hash ? [] : [`anchor ${position}`]
    )
  ]
}
