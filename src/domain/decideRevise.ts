import type { Card } from "./Card.ts"
import type { CommandOf } from "./Command.ts"
import { alreadySo, type Decision, one } from "./Decision.ts"
import type { Event } from "./Event.ts"
import { copyOf, sameJson } from "./Json.ts"

/** Changes what is given and differs. */
export const revise = (card: Card, command: CommandOf<"Revise">): Decision => {
  const changes: { -readonly [K in keyof Omit<Extract<Event, { _tag: "CardRevised" }>, "_tag">]: unknown } = {}
  for (const field of ["title", "body", "phase", "priority", "acceptance"] as const) {
    const value = command[field]
    if (value !== undefined && !sameJson(value, card[field])) changes[field] = copyOf(value)
  }
  return Object.keys(changes).length === 0
    ? alreadySo
    : one(card.id, { _tag: "CardRevised", ...changes } as Extract<Event, { _tag: "CardRevised" }>)
}
