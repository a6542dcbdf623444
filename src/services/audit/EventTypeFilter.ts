import { Effect, Option, Schema } from "effect"
import { EventType } from "../../domain/Event.ts"
import { Name } from "../../domain/Text.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { InvalidInput } from "../decodeInput.ts"

/**
 * The type of events to read: a type that this program knows, or `{ other }`, a type that only a newer version knows. The latter
 * is refused unless the log has an event of it, so a misspelled name is an error and not an empty result.
 */
export const EventTypeFilter = Schema.Union([EventType, Schema.Struct({ other: Name })])

/** The type of events to read. */
export type EventTypeFilter = typeof EventTypeFilter.Type

const isKnown = Schema.is(EventType)

/** The filter for the name of a type, for surfaces where the name is text. */
export const parseEventType = (name: string): EventTypeFilter => (isKnown(name) ? name : { other: name })

/** The name of the type of a filter. */
export const typeName = (filter: EventTypeFilter): string => (typeof filter === "string" ? filter : filter.other)

/** The name of the type to read. Fails with `InvalidInput` if the type is unknown and the log has no event of it. */
export const resolveEventType = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  filter: EventTypeFilter | undefined
) {
  if (filter === undefined) return undefined
  const name = typeName(filter)
  if (isKnown(name) || (yield* log.read.hasType(name))) return name
  return yield* new InvalidInput({ problem: unknownType(name) })
})

const unknownType = (name: string): string => {
  const similar = Option.match(closest(name, EventType.literals), {
    onNone: () => "",
    onSome: (known) => ` Did you mean ${JSON.stringify(known)}?`
  })
  return `the event type ${JSON.stringify(name)} is unknown, and the log has no event of it.${similar} The types are ${EventType.literals.join(", ")}`
}

/** Maximum edit distance between a misspelled word and a suggestion. */
const maxDistance = 3

/** The word with the least edit distance to a misspelled one. */
const closest = (word: string, words: ReadonlyArray<string>): Option.Option<string> => {
  const near = words
    .map((each) => ({ each, distance: editDistance(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= maxDistance && distance < each.length / 2)
    .sort((left, right) => left.distance - right.distance)
  return Option.map(Option.fromUndefinedOr(near[0]), ({ each }) => each)
}

/** The edit distance between two words. */
const editDistance = (left: string, right: string): number => {
  if (Math.abs(left.length - right.length) > maxDistance) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let at = 1; at <= left.length; at++) {
    const next = [at]
    for (let index = 1; index <= right.length; index++) {
      const replaced = (row[index - 1] ?? 0) + (left[at - 1] === right[index - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[index] ?? 0) + 1, (next[index - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? 0
}
