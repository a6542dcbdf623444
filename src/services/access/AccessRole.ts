import { Schema } from "effect"

/**
 * The permissions of a token's holder:
 *
 * - a `worker` reads, claims cards, and renews, releases, completes and blocks its own claims;
 * - an `orchestrator` does everything except erase;
 * - an `auditor` reads, verifies, anchors and erases.
 */
export const AccessRole = Schema.Literals(["worker", "orchestrator", "auditor"])

/** The permissions of a token's holder. */
export type AccessRole = typeof AccessRole.Type

/** The actor and role of a token. */
export interface Holder {
  readonly actor: string
  readonly role: AccessRole
}

/** Whether a name is under another one: it begins with that name and a slash. Names are compared character by character. */
export const isUnder = (name: string, above: string): boolean => name.startsWith(`${above}/`)

/**
 * Whether a worker acts for an owner: the owner is the worker or a name under it, and is neither one of the other `holders`
 * under the worker's name nor under one of them.
 */
export const actsFor = (worker: string, holders: ReadonlyArray<string>, owner: string): boolean =>
  (owner === worker || isUnder(owner, worker)) && !holders.some((other) => owner === other || isUnder(owner, other))

/** Whether one of two holders is a worker and the other's name is under its name. */
export const overlaps = (one: Holder, other: Holder): boolean =>
  (one.role === "worker" && isUnder(other.actor, one.actor)) ||
  (other.role === "worker" && isUnder(one.actor, other.actor))

/** Finds the holders whose names are under a worker's name, each with that worker. */
export const findOverlaps = <A extends Holder>(
  holders: ReadonlyArray<A>
): ReadonlyArray<{ readonly holder: A; readonly worker: string }> => {
  const workers = new Set(holders.flatMap(({ actor, role }) => (role === "worker" ? actor : [])))
  return holders.flatMap((holder) =>
    namesAbove(holder.actor).flatMap((worker) => (workers.has(worker) ? { holder, worker } : []))
  )
}

const namesAbove = (name: string): ReadonlyArray<string> =>
  Array.from(name.matchAll(/\//g), ({ index }) => name.slice(0, index))
