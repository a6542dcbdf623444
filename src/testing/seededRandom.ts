/** Numbers that look random and are the same for the same seed. */
export interface SeededRandom {
  /** From 0 up to, but without, 1. */
  readonly next: () => number
  /** An integer from 0 up to, but without, `limit`. */
  readonly below: (limit: number) => number
  /** Whether something that happens so many times in a hundred happens. */
  readonly chance: (percent: number) => boolean
  readonly pick: <A>(values: readonly [A, ...ReadonlyArray<A>]) => A
  /** The same values in another order. */
  readonly shuffle: <A>(values: ReadonlyArray<A>) => ReadonlyArray<A>
}

/** Numbers from a seed (mulberry32). */
export const seededRandom = (seed: number): SeededRandom => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    chance: (percent) => below(100) < percent,
    pick: (values) => values[below(values.length)] ?? values[0],
    shuffle: (values) =>
      values
        .map((value) => [next(), value] as const)
        .sort(([left], [right]) => left - right)
        .map(([, value]) => value)
  }
}
