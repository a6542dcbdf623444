import { getJson } from "../api/request.ts"
import type { ClaimOutlook } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { CardLink } from "../components/CardLink.tsx"
import { Icon } from "../components/Icon.tsx"
import { Ago, formatNumber } from "../components/Times.tsx"
import type { Search } from "../search/parseSearch.ts"

/** Why a claim finds nothing, in a sentence, and when that may change. Shown while nothing is claimable. */
export const Outlook = ({ search }: { readonly search: Search }) => {
  const { labels, minPriority, phases, withoutLabels } = search
  const filter = { phase: phases.length === 1 ? phases[0] : undefined, minPriority, labels, withoutLabels }
  const outlook = useQuery(JSON.stringify(filter), (signal) =>
    getJson<ClaimOutlook>("why-nothing-claimable", filter, signal)
  ).answer.value.value
  if (outlook === undefined || outlook.reason === "Claimable") return null
  return (
    <p class="outlook" role="status">
      <Icon name="alert" />
      <span>
        Nothing is claimable: {describeReason(outlook)}. <Prospects outlook={outlook} />
      </span>
    </p>
  )
}

const describeReason = ({ counts, reason }: ClaimOutlook): string => {
  switch (reason) {
    case "Empty":
      return "the backlog is empty"
    case "Done":
      return "every card is done"
    case "NoneChosen":
      return "no open card matches the search"
    default: {
      const kinds: ReadonlyArray<readonly [number, string]> = [
        [counts.claimed, "claimed"],
        [counts.deferred, "deferred to a later time"],
        [counts.waiting, "waiting for dependencies"],
        [counts.blocked, "blocked"]
      ]
      return kinds.flatMap(([count, kind]) => (count > 0 ? `${formatNumber(count)} ${kind}` : [])).join(", ")
    }
  }
}

const Prospects = ({ outlook: { nearest, soonestExpiry, soonestRetry } }: { readonly outlook: ClaimOutlook }) => (
  <>
    {soonestRetry !== null && (
      <>
        <CardLink id={soonestRetry.id} /> is due <Ago at={soonestRetry.notBefore} />.{" "}
      </>
    )}
    {soonestExpiry !== null && (
      <>
        The lease of <b dir="auto">{soonestExpiry.holder}</b> on <CardLink id={soonestExpiry.id} /> expires{" "}
        <Ago at={soonestExpiry.expiresAt} />.{" "}
      </>
    )}
    {nearest !== null && (
      <>
        <CardLink id={nearest.id} /> waits for{" "}
        {nearest.waitsFor.map(({ id, status }, index) => (
          <>
            {index > 0 && ", "}
            <CardLink id={id} /> ({status ?? "does not exist"})
          </>
        ))}
        {nearest.unmetDependencies > nearest.waitsFor.length &&
          ` and ${nearest.unmetDependencies - nearest.waitsFor.length} more`}
        .
      </>
    )}
  </>
)
