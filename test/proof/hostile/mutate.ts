import type { Random } from "../../support/random.ts"
import { isContainer, jsonOf, type Members } from "./data.ts"
import { hostile } from "./values.ts"

/** Describes what a mutation did to an input. */
export interface Mutated {
  readonly input: unknown
  readonly how: string
}

/** Copies the arrays and objects that mutations can reach. Other values are not copied. */
const copied = (value: unknown, depth = 0): unknown => {
  if (depth > 8 || !isContainer(value)) return value
  const copy: Members = Array.isArray(value) ? ([] as unknown as Members) : {}
  for (const key of Object.keys(value)) define(copy, key, copied(value[key], depth + 1))
  return copy
}

const define = (object: object, key: PropertyKey, value: unknown): void => {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

const extraKeys: ReadonlyArray<PropertyKey> = [
  "__proto__",
  "constructor",
  "prototype",
  "toJSON",
  "_tag",
  "",
  "\u0000",
  "\ud800",
  "0",
  "x".repeat(100_000),
  Symbol("s"),
  Symbol.iterator
]

/** Changes a valid input in one place, at any depth, or as a whole. */
export const mutate = (valid: unknown, random: Random): Mutated => {
  if (random.below(20) === 0) return whole(valid, random)
  const input = copied(valid)
  let place = input
  let path = ""
  for (let depth = 0; isContainer(place); depth++) {
    const keys = Object.keys(place)
    if (keys.length === 0) break
    const key = random.pick(keys)
    path += `.${key.slice(0, 20)}`
    const inner = place[key]
    // Most fields of an input are on its first level. Nested fields are chosen as often.
    if (depth < 8 && isContainer(inner) && random.below(2) === 0) {
      place = inner
      continue
    }
    return { input, how: `${change(place, key, random)} at ${path}` }
  }
  return { input: hostile(random), how: "something else instead of it" }
}

const change = (place: Members, key: string, random: Random): string => {
  switch (random.below(9)) {
    case 0:
      delete place[key]
      return "nothing"
    case 1:
      define(place, random.pick(extraKeys), hostile(random))
      return "an additional key"
    case 2: {
      const value = place[key]
      let reads = 0
      Object.defineProperty(place, key, {
        enumerable: true,
        configurable: true,
        get: () => (reads++ === 0 ? value : hostile(random))
      })
      return "a getter that changes its mind"
    }
    case 3:
      Object.defineProperty(place, key, {
        enumerable: true,
        configurable: true,
        get: () => {
          throw new Error("a getter of the caller's threw")
        }
      })
      return "a getter that throws"
    case 4:
      define(place, key, [place[key], place[key]])
      return "the same twice in an array"
    case 5:
      define(place, key, place)
      return "what holds it"
    default:
      define(place, key, hostile(random))
      return "something else"
  }
}

const whole = (valid: unknown, random: Random): Mutated => {
  switch (random.below(6)) {
    case 0:
      return { input: new Proxy(Object(valid), {}), how: "a proxy of it" }
    case 1:
      return { input: Object.create(Object(valid)), how: "an object that inherits it" }
    case 2:
      return { input: Object.assign(Object.create(null), valid), how: "an object without a prototype" }
    case 3:
      return { input: [valid], how: "an array with it" }
    case 4:
      return { input: jsonOf(valid), how: "its JSON" }
    default:
      return { input: hostile(random), how: "something else instead of it" }
  }
}
