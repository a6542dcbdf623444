import { Effect } from "effect"

/**
 * Cuts a list of which something fails down to a short one of which it still fails: without any one of its items it
 * would not. Takes away halves first, then quarters, and so on (delta debugging). `fails` says whether a list fails.
 */
export const shrink = <A, E, R>(
  items: ReadonlyArray<A>,
  fails: (items: ReadonlyArray<A>) => Effect.Effect<boolean, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.gen(function* () {
    let smallest = items
    let size = Math.ceil(items.length / 2)
    while (size >= 1) {
      let removed = false
      for (let start = 0; start < smallest.length;) {
        const without = [...smallest.slice(0, start), ...smallest.slice(start + size)]
        if (without.length < smallest.length && (yield* fails(without))) {
          smallest = without
          removed = true
        } else {
          start += size
        }
      }
      if (size === 1 && !removed) break
      size = size === 1 ? 1 : Math.ceil(size / 2)
    }
    return smallest
  })
