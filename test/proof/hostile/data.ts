import { DateTime } from "effect"
import { types } from "node:util"

/** An array or object of members that can be looked at without running anybody's code. */
export type Members = Record<PropertyKey, unknown>

const isMember = ([key, { enumerable, value }]: readonly [string, PropertyDescriptor], isArray: boolean): boolean =>
  (enumerable === true && value !== undefined) || (isArray && key === "length")

/** Whether a value is an array or a plain object, and no more than that: no proxy, no getter, nothing hidden. */
export const isContainer = (value: unknown): value is Members => {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false
  const isArray = Array.isArray(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!isArray && prototype !== Object.prototype && prototype !== null) return false
  return Object.entries(Object.getOwnPropertyDescriptors(value)).every((member) => isMember(member, isArray))
}

/** Whether a value is data through and through, so that looking at it tells what was given. Looks at each part once. */
export const isData = (root: unknown): boolean => {
  const seen = new Set<unknown>()
  const waiting = [root]
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (typeof value === "function" || typeof value === "symbol") return false
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    if (isContainer(value)) for (const member of Object.values(value)) waiting.push(member)
    else if (types.isProxy(value) || !DateTime.isDateTime(value)) return false
  }
  return true
}

/** The JSON of a value, which may have none: or without end, where it holds the same again and again. */
export const jsonOf = (value: unknown): string => {
  let members = 0
  const counted = (_: string, member: unknown): unknown => {
    if (++members > 100_000) throw new Error("it does not end")
    return member
  }
  try {
    return JSON.stringify(value, counted) ?? "undefined"
  } catch {
    return "{}"
  }
}
