import { Effect, Layer } from "effect"
import { createRequire } from "node:module"

/**
 * Dies when the fiber that runs it is of another copy of Effect than this package's. Errors, services and schemas of two copies
 * do not fit together, and what fails then says nothing of the cause. The programs of this package are bundled with their own
 * copy, so that no second one can run them.
 */
export const requireOneEffect: Effect.Effect<void> = Effect.withFiber((fiber) => {
  if (fiber.constructor === (ownFiber ??= Effect.runSync(constructorOfFiber))) return Effect.void
  // Thrown, because an effect of this copy may mean nothing to the other one.
  throw new Error(
    `The program has two copies of effect. mosaic-backlog uses ${describeCopy(import.meta.url)}; the program runs ` +
      `${describeCopy(process.argv[1])}. Install one version for both, with which "npm ls effect" shows one copy.`
  )
})

/** A layer that is built only if the program has no second copy of Effect. */
export const withOneEffect = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.unwrap(Effect.as(requireOneEffect, layer))

const constructorOfFiber = Effect.withFiber((fiber) => Effect.succeed<unknown>(fiber.constructor))

let ownFiber: unknown

/** The version and the place of the copy of Effect that a module imports. */
const describeCopy = (module: string | undefined): string => {
  try {
    const require = createRequire(module ?? "")
    const { version } = require("effect/package.json") as { readonly version: string }
    return `version ${version} of ${require.resolve("effect")}`
  } catch {
    return "another one"
  }
}
