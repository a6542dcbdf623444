import { DateTime } from "effect"
import { types } from "node:util"

/** An array or object whose members can be read without running foreign code. */
export type Members = Record<PropertyKey, unknown>

const isMember = ([key, { enumerable, value }]: readonly [string, PropertyDescriptor], isArray: boolean): boolean =>
  (enumerable === true && value !== undefined) || (isArray && key === "length")

/** Whether a value is a plain array or object: no proxy, no getter, no hidden member. */
export const isContainer = (value: unknown): value is Members => {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false
  const isArray = Array.isArray(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!isArray && prototype !== Object.prototype && prototype !== null) return false
  return Object.entries(Object.getOwnPropertyDescriptors(value)).every((member) => isMember(member, isArray))
}

/** Whether a value is plain data at every level. Reads each part once. */
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

/** The JSON of a value. It may have none, or be endless where the value repeats itself. */
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
