import { Effect } from "effect"

/**
 * Calls a function of the caller's, such as a handler, and dies with a `TypeError` unless it returns an effect: a function that
 * is `async`, or returns nothing, is an easy mistake in JavaScript. Running its result would end the fiber without its
 * finalizers, so that a transaction stays open and its connection is never returned.
 *
 * @see https://github.com/Effect-TS/effect-smol `FiberImpl.runLoop`, "Not a valid effect"
 */
export const requireEffect =
  <Parameters extends ReadonlyArray<unknown>, A, E, R>(
    name: string,
    call: (...parameters: Parameters) => Effect.Effect<A, E, R>
  ): ((...parameters: Parameters) => Effect.Effect<A, E, R>) =>
  (...parameters) =>
    Effect.suspend(() => {
      const returned: unknown = call(...parameters)
      return Effect.isEffect(returned)
        ? (returned as Effect.Effect<A, E, R>)
        : Effect.die(new TypeError(`${name} must return an Effect, and returned ${describeKind(returned)}.`))
    })

const describeKind = (value: unknown): string => {
  if (value === undefined || value === null) return String(value)
  return value instanceof Promise
    ? "a Promise (use Effect.promise or Effect.tryPromise)"
    : `a value of type ${typeof value}`
}
