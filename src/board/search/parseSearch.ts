import type { Claimability } from "../components/Claimability.tsx"

/** What a search asks for. A card is found if every condition is true. */
export interface Search {
  /** Words of the id, the title and the body; empty for all cards. */
  readonly text: string
  /** The columns that are shown; empty for all. */
  readonly kinds: ReadonlyArray<Claimability>
  readonly owner: string | undefined
  /** One of these phases; empty for all. */
  readonly phases: ReadonlyArray<string>
  /** All of these labels. */
  readonly labels: ReadonlyArray<string>
  /** None of these labels. */
  readonly withoutLabels: ReadonlyArray<string>
  readonly minPriority: number | undefined
  readonly maxPriority: number | undefined
  /** What is wrong with the search, for the reader. The wrong parts have no effect. */
  readonly problems: ReadonlyArray<string>
}

/** The search that finds every card. */
export const everyCard: Search = {
  text: "",
  kinds: [],
  owner: undefined,
  phases: [],
  labels: [],
  withoutLabels: [],
  minPriority: undefined,
  maxPriority: undefined,
  problems: []
}

/** The values of `status:`, with the columns that each selects. */
const kindsByWord: Readonly<Record<string, ReadonlyArray<Claimability>>> = {
  claimable: ["claimable"],
  claimed: ["claimed", "expired"],
  expired: ["expired"],
  deferred: ["deferred"],
  waiting: ["waiting"],
  blocked: ["blocked"],
  done: ["done"],
  ready: ["claimable", "deferred", "waiting"],
  open: ["claimable", "claimed", "expired", "deferred", "waiting", "blocked"]
}

/** The words that `status:` accepts. */
export const statusWords: ReadonlyArray<string> = Object.keys(kindsByWord)

/** A word or a condition of a search: `login`, `-label:ui`, `phase:"to do"`. In quotes, a quotation mark is doubled. */
const tokenPattern = /(-?)(?:([a-z]+):)?(?:"((?:[^"]|"")*)"?|(\S*))/gi

const priorityPattern = /^p(?:riority)?(>=|<=|=|>|<|:)(-?\d{1,10})$/i

const maxInt = 2 ** 31 - 1

/**
 * Parses a search: words; `status:`, `owner:`, `phase:`, `label:` and `-label:` with a name, in quotes if it contains spaces;
 * `p>=5`, `p<3` or `p=1`. Several values of `status:` and `phase:` are alternatives, several labels are all required.
 */
export const parseSearch = (query: string): Search => {
  const words: Array<string> = []
  const kinds = new Set<Claimability>()
  const phases: Array<string> = []
  const labels: Array<string> = []
  const withoutLabels: Array<string> = []
  const problems: Array<string> = []
  let owner: string | undefined
  let minPriority: number | undefined
  let maxPriority: number | undefined
  for (const match of query.matchAll(tokenPattern)) {
    const [token, minus = "", field, inQuotes, plain = ""] = match
    if (token === "") continue
    const quoted = inQuotes?.replaceAll('""', '"')
    const value = quoted ?? plain
    const priority = priorityPattern.exec(token)
    if (priority !== null) {
      const [low, high] = priorityRange(priority[1] ?? "", Number(priority[2]))
      if (low !== undefined) minPriority = Math.max(low, minPriority ?? low)
      if (high !== undefined) maxPriority = Math.min(high, maxPriority ?? high)
      continue
    }
    switch (`${minus}${field?.toLowerCase() ?? ""}`) {
      case "status":
      case "is": {
        const found = Object.hasOwn(kindsByWord, value.toLowerCase()) ? kindsByWord[value.toLowerCase()] : undefined
        if (found === undefined) problems.push(`"${token}": a status is one of ${statusWords.join(", ")}.`)
        else for (const kind of found) kinds.add(kind)
        break
      }
      case "owner":
        if (owner !== undefined && owner !== value)
          problems.push(`"${token}": a card has one owner, so the last one counts.`)
        if (value !== "") owner = value
        break
      case "phase":
        if (value !== "") phases.push(value)
        break
      case "label":
        if (value !== "") labels.push(value)
        break
      case "-label":
        if (value !== "") withoutLabels.push(value)
        break
      case "-status":
      case "-owner":
      case "-phase":
        problems.push(`"${token}": only labels can be excluded.`)
        break
      default:
        words.push(quoted !== undefined && field === undefined ? value : token)
    }
  }
  if (minPriority !== undefined && maxPriority !== undefined && minPriority > maxPriority) {
    problems.push("No priority is in both ranges.")
  }
  return {
    text: words.join(" ").slice(0, 500),
    kinds: [...kinds],
    owner,
    phases,
    labels,
    withoutLabels,
    minPriority,
    maxPriority,
    problems
  }
}

const priorityRange = (operator: string, value: number): readonly [number | undefined, number | undefined] => {
  const within = (each: number): number => Math.max(-maxInt - 1, Math.min(maxInt, each))
  switch (operator) {
    case ">=":
      return [within(value), undefined]
    case ">":
      return [within(value + 1), undefined]
    case "<=":
      return [undefined, within(value)]
    case "<":
      return [undefined, within(value - 1)]
    default:
      return [within(value), within(value)]
  }
}

/** Whether a search finds every card. */
export const isEveryCard = (search: Search): boolean =>
  search.text === "" &&
  search.kinds.length === 0 &&
  search.owner === undefined &&
  search.phases.length + search.labels.length + search.withoutLabels.length === 0 &&
  search.minPriority === undefined &&
  search.maxPriority === undefined

/** Writes a name as the value of a condition, in quotes where it needs them. */
export const quoteValue = (value: string): string =>
  /[\s"]/.test(value) || value === "" ? `"${value.replaceAll('"', '""')}"` : value

/** Adds a condition to a search, such as `phase:build`, unless it has it. A card has one owner, so a new one replaces it. */
export const addCondition = (query: string, field: "owner" | "phase" | "label", value: string): string => {
  const condition = `${field}:${quoteValue(value)}`
  const tokens = Array.from(query.matchAll(tokenPattern), ([token, , name]) => ({ token, name: name?.toLowerCase() }))
  if (tokens.some(({ token }) => token === condition)) return query
  const kept = field === "owner" ? tokens.filter(({ name }) => name !== "owner") : tokens
  return [...kept.map(({ token }) => token), condition].filter((token) => token !== "").join(" ")
}
