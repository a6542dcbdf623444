/** Whether two values say the same as JSON, whatever the order of their members. Absent and `undefined` are the same. */
export const sameJson = (one: unknown, other: unknown): boolean => {
  const [left, right] = [asJson(one), asJson(other)]
  if (left === right) return true
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false
  if (Array.isArray(left) || Array.isArray(right)) {
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => sameJson(item, right[index]))
    )
  }
  return (
    Object.entries(left).every(([key, member]) => sameJson(member, (right as Record<string, unknown>)[key])) &&
    Object.entries(right).every(([key, member]) => key in left || member === undefined)
  )
}

const asJson = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function"
    ? value.toJSON()
    : value
