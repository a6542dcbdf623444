import { DateTime } from "effect"
import type { Random } from "../../support/random.ts"

/** Valid names that a careless program would mishandle. */
export const names: ReadonlyArray<string> = [
  ..."abcdef",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "--json",
  "-1",
  "..",
  "/etc/passwd",
  "NULL",
  "null",
  "undefined",
  "x'); DROP TABLE cards;--",
  "{a,b}",
  '"',
  "\\",
  "%s%n",
  "${jndi}",
  "\u202etxt.exe",
  "\u200b",
  "e\u0301",
  "\u00e9",
  "\ud83d\ude00".repeat(200),
  "\uffff",
  "\u{10ffff}",
  "n".repeat(200)
]

/** Texts that are not valid names, and mostly not valid texts at all. */
const badTexts: ReadonlyArray<string> = [
  "",
  " ",
  " a",
  "a\u00a0",
  "a\nb",
  "a\u0000",
  "\u0000",
  "\ud800",
  "a\udc00b",
  "\u001b[2J",
  "\u0085",
  "n".repeat(201),
  "\ud83d\ude00".repeat(201),
  "n".repeat(501)
]

const megabyte = "x".repeat(2 ** 20)

/** Texts at and beyond the maximum sizes. */
const longTexts: ReadonlyArray<string> = [
  megabyte,
  `${megabyte}x`,
  "\u20ac".repeat(2 ** 19),
  `${" ".repeat(2 ** 20)}a`,
  "\ud800".repeat(2 ** 19)
]

const numbers: ReadonlyArray<number> = [
  0,
  -0,
  1,
  -1,
  0.5,
  1e-7,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 53 - 1,
  2 ** 53,
  1e21,
  1e308,
  5e-324,
  NaN,
  Infinity,
  -Infinity
]

class Custom {
  readonly a = 1
}

const cyclic = (): object => {
  const cycle: Record<string, unknown> = { a: 1 }
  cycle["self"] = [cycle]
  return cycle
}

/** Nested arrays or nested objects. */
export const nested = (depth: number, kind: "array" | "object" = "array"): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = kind === "array" ? [value] : { a: value }
  return value
}

/** Repeats the same object, so that it is small in memory and endless when it is unfolded. */
const doubling = (levels: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value, value]
  return value
}

/** An object with its own member `__proto__`, as `JSON.parse` creates it. */
const ownProto = (value: unknown): unknown => {
  const object = { a: 1 }
  Object.defineProperty(object, "__proto__", { value, enumerable: true, configurable: true, writable: true })
  return object
}

const throwing = (): never => {
  throw new Error("a getter of the caller's threw")
}

/** An object with a member that returns another value each time it is read. */
const changing = (): object => {
  let reads = 0
  return {
    get a() {
      return reads++ === 0 ? 1 : "\u0000"
    }
  }
}

const withToJson = (value: object, toJSON: () => unknown): object =>
  Object.defineProperty(value, "toJSON", { value: toJSON, enumerable: false })

const proxies: ReadonlyArray<() => unknown> = [
  () => new Proxy({}, { get: throwing }),
  () => new Proxy({ a: 1 }, { ownKeys: throwing }),
  () => new Proxy({ a: 1 }, { getPrototypeOf: throwing }),
  () => new Proxy({ a: 1 }, { getOwnPropertyDescriptor: throwing }),
  () => new Proxy([1], { get: throwing }),
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
]

const objects: ReadonlyArray<() => unknown> = [
  ...proxies,
  cyclic,
  changing,
  () => ({
    get a() {
      return throwing()
    }
  }),
  () => withToJson({ a: 1 }, () => "\u0000"),
  () => withToJson({ a: 1 }, () => undefined),
  () => withToJson([1], () => throwing()),
  () => ({ toString: throwing, valueOf: throwing, toJSON: throwing }),
  () => ({ [Symbol.toPrimitive]: throwing, [Symbol.toStringTag]: "x" }),
  () => ({ [Symbol("s")]: 1 }),
  () => ownProto({ polluted: true }),
  () => ownProto("text"),
  () => ({ constructor: { prototype: { polluted: true } } }),
  () => ({ _tag: "Create" }),
  // oxlint-disable-next-line unicorn/no-thenable -- that is the point
  () => ({ then: (resolve: () => void) => resolve() }),
  () => Object.create(null) as unknown,
  () => Object.freeze({ a: 1 }),
  () => new Custom(),
  () => new Map([["a", 1]]),
  () => new Set(["a"]),
  () => new Date(0),
  () => new Date(NaN),
  () => new Error("an error of the caller's"),
  () => Promise.resolve(1),
  () => new Uint8Array(3),
  () => Object("boxed") as unknown,
  () => /x/,
  () => [],
  () => ["a"],
  () => Array(3),
  () => Object.assign(["a"], { length: 3 }),
  () => Object.assign([1], { extra: 1 }),
  () => ["a", undefined, null],
  () => ({ length: 2 ** 32, 0: "a" }),
  () => nested(10),
  () => nested(500),
  () => nested(501),
  () => nested(10_000),
  () => nested(10_000, "object"),
  () => doubling(40),
  () => ({ "": 1, "\u0000": 1 }),
  () => ({ "\ud800": 1 }),
  () => ({ [megabyte]: 1 }),
  () => Array.from({ length: 3000 }, () => "\ud83d\ude00"),
  () => Array(300_000).fill(1)
]

const oddities: ReadonlyArray<() => unknown> = [
  () => undefined,
  () => null,
  () => true,
  () => false,
  () => 1n,
  () => 2n ** 100n,
  () => Symbol("s"),
  () => Symbol.iterator,
  () => () => 1,
  () => throwing,
  () => Custom,
  () => globalThis,
  () => "ready",
  () => "claimed",
  () => "1",
  () => "2026-01-01T00:00:00Z"
]

const time = (milliseconds: number): unknown =>
  Object.assign(Object.create(Object.getPrototypeOf(DateTime.makeUnsafe(0))), {
    epochMilliseconds: milliseconds
  })

const times: ReadonlyArray<() => unknown> = [
  () => DateTime.makeUnsafe(0),
  () => DateTime.makeUnsafe(-1.5),
  () => DateTime.makeUnsafe(8.64e15),
  () => DateTime.makeUnsafe(-8.64e15),
  () => DateTime.makeUnsafe("0000-12-31T23:59:59.999Z"),
  () => DateTime.makeUnsafe("9999-12-31T23:59:59.999Z"),
  () => DateTime.makeUnsafe("+010000-01-01T00:00:00Z"),
  () => DateTime.makeZonedUnsafe(0, { timeZone: "Europe/London" }),
  () => time(NaN),
  () => time(Infinity),
  () => ({ ...(DateTime.makeUnsafe(0) as object) })
]

/** A value that hardly any field accepts. */
export const hostile = (random: Random): unknown => {
  const kind = random.below(100)
  if (kind < 3) return random.pick(longTexts)
  if (kind < 25) return random.pick(badTexts)
  if (kind < 30) return random.pick(names)
  if (kind < 48) return random.pick(numbers)
  if (kind < 60) return random.pick(oddities)()
  if (kind < 66) return random.pick(times)()
  return random.pick(objects)()
}

const scalars: ReadonlyArray<unknown> = [null, true, false, 0, -0, 1.5, -1e300, "", "text", "\u{10ffff}", "\u2028"]

/** JSON of every shape that can be stored. */
export const json = (random: Random, depth = 0): unknown => {
  const kind = depth > 4 ? 0 : random.below(10)
  if (kind < 5) return random.pick(scalars)
  if (kind < 7) return Array.from({ length: random.below(4) }, () => json(random, depth + 1))
  if (kind < 8) return ownProto(json(random, depth + 1))
  return Object.fromEntries(
    Array.from({ length: random.below(4) }, () => [random.pick([...names, ""]), json(random, depth + 1)])
  )
}
