import { Schema, Struct } from "effect"
import { Card } from "./Card.ts"

/**
 * What a claim can do with a card that is open:
 *
 * - `claimable`: it is ready, its dependencies are done, and its time has come;
 * - `waiting`: it is ready, and a dependency is not done or does not exist;
 * - `deferred`: it is ready, its dependencies are done, and its time has not come;
 * - `expired`: it is claimed, and the lease has expired.
 */
export const Claimability = Schema.Literals(["claimable", "waiting", "deferred", "expired"])

/** What a claim can do with a card that is open. */
export type Claimability = typeof Claimability.Type

/**
 * The order of a list:
 *
 * - `claim`: greatest priority first, then the oldest, then by id;
 * - `changed`: the last changed first;
 * - `created`: the last created first, then by id, descending;
 * - `completed`: only cards that are done, the last completed first, then by id, descending.
 */
export const ListOrder = Schema.Literals(["claim", "changed", "created", "completed"])

/** The order of a list. */
export type ListOrder = typeof ListOrder.Type

/** A card without body, acceptance criteria and result, which may be long. */
export const CardSummary = Schema.Struct(Struct.omit(Card.fields, ["body", "acceptance", "result"]))

/** A card without body, acceptance criteria and result. */
export interface CardSummary extends Schema.Schema.Type<typeof CardSummary> {}

/** Leaves out body, acceptance criteria and result. */
export const summarize = ({ acceptance: _acceptance, body: _body, result: _result, ...summary }: Card): CardSummary =>
  summary
