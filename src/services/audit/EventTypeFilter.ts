import { Effect, Option, Schema } from "effect"
import { EventType } from "../../domain/Event.ts"
import { Name } from "../../domain/Text.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { InvalidInput } from "../decodeInput.ts"

/**
 * The types of events to read: one that this program knows, or `{ other }`, a type that only a newer program knows. The
 * latter is refused unless the log has an event of it, so that a misspelt name never passes for a type without events.
 */
export const EventTypeFilter = Schema.Union([EventType, Schema.Struct({ other: Name })])

/** The types of events to read. */
export type EventTypeFilter = typeof EventTypeFilter.Type

const isKnown = Schema.is(EventType)

/** A filter for a type's name as text, for surfaces where a name is typed or sent. */
export const parseEventType = (name: string): EventTypeFilter => (isKnown(name) ? name : { other: name })

/** The name of the type that a filter means. */
export const typeName = (filter: EventTypeFilter): string => (typeof filter === "string" ? filter : filter.other)

/** The name of the type to read, once it is certain that there is such a type. */
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
  return `there is no event type ${JSON.stringify(name)}, and the log has no event of it.${similar} The types are ${EventType.literals.join(", ")}`
}

/** Mistakes in a word that still leave it recognizable. */
const mostMistakes = 3

/** The word that a misspelt one most probably stands for. */
const closest = (word: string, words: ReadonlyArray<string>): Option.Option<string> => {
  const near = words
    .map((each) => ({ each, mistakes: mistakesBetween(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, mistakes }) => mistakes <= mostMistakes && mistakes < each.length / 2)
    .sort((left, right) => left.mistakes - right.mistakes)
  return Option.map(Option.fromUndefinedOr(near[0]), ({ each }) => each)
}

/** Letters that are missing, superfluous or wrong: the edit distance. */
const mistakesBetween = (left: string, right: string): number => {
  if (Math.abs(left.length - right.length) > mostMistakes) return Number.POSITIVE_INFINITY
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
