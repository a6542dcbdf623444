import type { CommandLine, Option } from "../commands/shellWords.ts"
import type { Claimability } from "../components/Claimability.tsx"
import type { Search } from "../search/parseSearch.ts"

/** Returns the command line that lists the cards of a search, as far as it has flags for it. */
export const listCommandLine = (search: Search, at: number | undefined): CommandLine => {
  const { labels, maxPriority, minPriority, owner, phases, text, withoutLabels } = search
  const option = (flag: string, value: string | number | undefined): ReadonlyArray<Option> =>
    value === undefined ? [] : [{ flag, value: String(value) }]
  const isSearch = text !== "" && at === undefined
  return {
    command: isSearch ? "search" : "list",
    options: [
      ...kindOptions(search.kinds),
      ...phases.flatMap((each) => option("phase", each)),
      ...labels.flatMap((each) => option("label", each)),
      ...withoutLabels.flatMap((each) => option("without-label", each)),
      ...option("owner", owner),
      ...option("min-priority", minPriority),
      ...option("max-priority", maxPriority),
      ...option("at", at)
    ],
    operands: isSearch ? [text] : []
  }
}

/** The columns as statuses, or as the one claimability that the command takes. */
const kindOptions = (kinds: ReadonlyArray<Claimability>): ReadonlyArray<Option> => {
  const [only] = kinds
  if (kinds.length === 1 && only !== undefined && only !== "claimed" && only !== "blocked" && only !== "done") {
    return [{ flag: "claimability", value: only }]
  }
  return [...new Set(kinds.map(statusOf))].map((value) => ({ flag: "status", value }))
}

const statusOf = (kind: Claimability): string => {
  switch (kind) {
    case "claimed":
    case "blocked":
    case "done":
      return kind
    case "expired":
      return "claimed"
    default:
      return "ready"
  }
}
