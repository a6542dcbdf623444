import { seededRandom } from "../../src/testing/seededRandom.ts"

/** A pseudorandom generator. The same seed gives the same numbers. */
export interface Random {
  /** A number from 0 to 1, exclusive. */
  readonly next: () => number
  /** An integer from 0 to `limit`, exclusive. */
  readonly below: (limit: number) => number
  readonly pick: <A>(values: ReadonlyArray<A>) => A
}

export const makeRandom = (seed: number): Random => {
  const { below, next } = seededRandom(seed)
  return {
    next,
    below,
    pick: (values) => {
      if (values.length === 0) throw new Error("there is nothing to pick from")
      return values[below(values.length)] as (typeof values)[number]
    }
  }
}

/** Cards in layers. Each depends on one to three cards of earlier layers; those of the first layer are claimable at once. */
export const layeredCards = (
  random: Random,
  layers: number,
  width: number
): ReadonlyArray<{
  readonly id: string
  readonly title: string
  readonly priority: number
  readonly dependsOn: ReadonlyArray<string>
}> =>
  Array.from({ length: layers * width }, (_, index) => {
    const layer = Math.floor(index / width)
    const count = layer === 0 ? 0 : 1 + random.below(3)
    return {
      id: `c${index}`,
      title: `Card ${index}`,
      priority: random.below(5),
      dependsOn: [...new Set(Array.from({ length: count }, () => `c${random.below(layer * width)}`))]
    }
  })
