import { type ModelCard, sameJson } from "./Model.ts"

/**
 * Returns how a value differs from the expected one, both JSON: one line for each difference, with its path. Different cards
 * and lists of different cards are one difference each, which names the cards.
 */
export const differences = (expected: unknown, actual: unknown, path = ""): ReadonlyArray<string> => {
  if (sameJson(expected, actual)) return []
  if (isCard(expected) && isCard(actual) && expected.id !== actual.id) return [difference(expected, actual, path)]
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const hasSameItems =
      expected.length === actual.length && expected.every((item, index) => isSameItem(item, actual[index]))
    if (!hasSameItems) return [difference(expected, actual, path)]
    return expected.flatMap((item, index) => differences(item, actual[index], `${path}[${nameOf(item) ?? index}]`))
  }
  if (!isRecord(expected) || !isRecord(actual)) return [difference(expected, actual, path)]
  const keys = new Set([...Object.keys(actual), ...Object.keys(expected)])
  return [...keys].flatMap((key) => differences(expected[key], actual[key], path === "" ? key : `${path}.${key}`))
}

const difference = (expected: unknown, actual: unknown, path: string): string =>
  `${path === "" ? "it" : path} is ${describeValue(actual)}, must be ${describeValue(expected)}`

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCard = (value: unknown): value is ModelCard =>
  isRecord(value) && typeof value["id"] === "string" && "title" in value && "version" in value

const nameOf = (item: unknown): string | undefined => (isCard(item) ? item.id : undefined)

/** Whether two items of lists can be compared member by member. */
const isSameItem = (one: unknown, other: unknown): boolean =>
  isRecord(one) && isRecord(other) ? nameOf(one) === nameOf(other) : sameJson(one, other)

/** Describes a value in one line. Names cards instead of printing them. */
export const describeValue = (value: unknown): string => {
  if (value === undefined) return "absent"
  if (Array.isArray(value)) return `[${value.map((item) => nameOf(item) ?? describeValue(item)).join(", ")}]`
  return isCard(value)
    ? `card ${value.id} (${value.status}, priority ${value.priority}, created ${value.createdAt}, version ${value.version})`
    : JSON.stringify(value)
}
