import { Schema, Struct } from "effect"
import { Card, type Status } from "./Card.ts"

/**
 * How claims treat an open card:
 *
 * - `claimable`: it is ready, its dependencies are done, and its `notBefore` has passed or is not set. A claim can take it;
 * - `waiting`: it is ready, and a dependency is not done or does not exist;
 * - `deferred`: it is ready, its dependencies are done, and its `notBefore` has not passed;
 * - `expired`: it is claimed, and the lease has expired. The next claim reclaims it.
 */
export const Claimability = Schema.Literals(["claimable", "waiting", "deferred", "expired"])

/** How claims treat an open card. */
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

/** The conditions and the order of a list. A card is listed if every condition is true. */
export interface ListSelection {
  /** Only cards with this status, or one of these. Defaults to every status. */
  readonly status?: Status | ReadonlyArray<Status> | undefined
  /**
   * Only cards of this claimability: `claimable`, `waiting` (for dependencies), `deferred` (to a later time) or `expired` (the
   * lease of the claim). Defaults to all cards.
   */
  readonly claimability?: Claimability | undefined
  /** Only cards of this phase, or of one of these. Defaults to all phases. */
  readonly phase?: string | ReadonlyArray<string> | undefined
  /** Only cards that have all of these labels. Defaults to all cards. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** Only cards that have none of these labels. Defaults to all cards. */
  readonly withoutLabels?: ReadonlyArray<string> | undefined
  /** Only cards that this owner holds. Defaults to all cards. */
  readonly owner?: string | undefined
  /** Only cards of this priority or a greater one. Defaults to all priorities. */
  readonly minPriority?: number | undefined
  /** Only cards of this priority or a lower one. Defaults to all priorities. */
  readonly maxPriority?: number | undefined
  /**
   * Only cards whose id, title and body together contain all of these words, or words that begin with them: 1 to 500
   * characters. Ignores case. Searches the first 100,000 characters of a body. Defaults to all cards.
   */
  readonly text?: string | undefined
  /** The order. Defaults to `claim`, the order in which claims take cards. */
  readonly order?: ListOrder | undefined
  /** Maximum number of cards to return, 1 or more. Defaults to no limit. */
  readonly limit?: number | undefined
}

/** A card without body, acceptance criteria and result, which may be long. */
export const CardSummary = Schema.Struct(Struct.omit(Card.fields, ["body", "acceptance", "result"]))

/** A card without body, acceptance criteria and result. */
export interface CardSummary extends Schema.Schema.Type<typeof CardSummary> {}

/** Returns a card without body, acceptance criteria and result. */
export const summarize = ({ acceptance: _acceptance, body: _body, result: _result, ...summary }: Card): CardSummary =>
  summary
