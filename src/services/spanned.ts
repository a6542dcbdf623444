import { Effect } from "effect"

/**
 * A function whose effects are spans when somebody traces. Without a tracer nobody would see them, and making one takes as
 * long as deciding on a command.
 */
export const spanned =
  <Arguments extends ReadonlyArray<unknown>, A, E, R>(
    name: string,
    of: (...input: Arguments) => Effect.Effect<A, E, R>
  ): ((...input: Arguments) => Effect.Effect<A, E, R>) =>
  (...input) =>
    Effect.withFiber((fiber) => (fiber.cache.tracer === undefined ? of(...input) : Effect.withSpan(of(...input), name)))
