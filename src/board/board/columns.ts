import type { QueryParameters } from "../api/request.ts"
import type { Stats } from "../api/types.ts"
import type { Claimability } from "../components/Claimability.tsx"
import type { Search } from "../search/parseSearch.ts"

/** Returns the parameters of the query that lists the cards of a column. */
export const columnParameters = (kind: Claimability, search: Search): QueryParameters => ({
  ...conditionsOf(search),
  ...kindParameters(kind)
})

const kindParameters = (kind: Claimability): QueryParameters => {
  switch (kind) {
    case "claimed":
    case "blocked":
      return { status: kind }
    case "done":
      return { status: kind, order: "completed" }
    default:
      return { claimability: kind }
  }
}

/** The conditions of a search as parameters of a list, except for the columns that it selects. */
export const conditionsOf = ({
  labels,
  maxPriority,
  minPriority,
  owner,
  phases,
  text,
  withoutLabels
}: Search): QueryParameters => ({
  text: text === "" ? undefined : text,
  owner,
  phase: phases,
  labels,
  withoutLabels,
  minPriority,
  maxPriority
})

/** Returns how many cards each column has, from the counts of the backlog. */
export const columnCounts = ({
  claimable,
  counts,
  expiredClaimCount,
  waiting
}: Stats): Readonly<Record<Claimability, number>> => ({
  claimable,
  claimed: Math.max(0, counts.claimed - expiredClaimCount),
  expired: expiredClaimCount,
  deferred: Math.max(0, counts.ready - claimable - waiting),
  waiting,
  blocked: counts.blocked,
  done: counts.done
})

/** The types of events after which a column can have other cards, or show them otherwise. */
const typesByKind: Readonly<Record<Claimability, ReadonlySet<string>>> = {
  claimable: new Set([
    "CardCreated",
    "CardClaimed",
    "CardReleased",
    "CardReclaimed",
    "CardLinked",
    "CardUnlinked",
    "CardBlocked",
    "CardUnblocked",
    "CardCompleted",
    "CardReopened"
  ]),
  claimed: new Set(["CardClaimed", "ClaimRenewed", "CardReleased", "CardReclaimed", "CardBlocked", "CardCompleted"]),
  expired: new Set(["ClaimRenewed", "CardReleased", "CardReclaimed", "CardBlocked", "CardCompleted"]),
  deferred: new Set([
    "CardCreated",
    "CardReleased",
    "CardLinked",
    "CardUnlinked",
    "CardBlocked",
    "CardUnblocked",
    "CardCompleted",
    "CardReopened"
  ]),
  waiting: new Set([
    "CardCreated",
    "CardReleased",
    "CardReclaimed",
    "CardLinked",
    "CardUnlinked",
    "CardBlocked",
    "CardUnblocked",
    "CardCompleted",
    "CardReopened"
  ]),
  blocked: new Set(["CardCreated", "CardReleased", "CardBlocked", "CardUnblocked", "CardCompleted"]),
  done: new Set(["CardCreated", "CardCompleted", "CardReopened"])
}

/** The types of events that change how a card is shown, in whatever column it is, or that this page does not know. */
const quietTypes: ReadonlySet<string> = new Set(Object.values(typesByKind).flatMap((types) => [...types]))

/** Whether an event of this type can change a column. A type of a newer server can change every column. */
export const canChangeColumn = (kind: Claimability, type: string): boolean =>
  typesByKind[kind].has(type) || !quietTypes.has(type)
