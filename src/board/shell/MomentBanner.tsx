import { getJson } from "../api/request.ts"
import type { BacklogAt } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { Icon } from "../components/Icon.tsx"
import { formatNumber, LocalTime } from "../components/Times.tsx"
import { hrefTo } from "./location.ts"

/** Says that the page shows the past, and which moment. */
export const MomentBanner = ({ at }: { readonly at: number }) => {
  const time = useQuery(`moment ${at}`, (signal) => getJson<BacklogAt>("backlog-at", { position: at }, signal), {
    isAffectedBy: false
  }).answer.value.value?.time
  return (
    <div class="moment" role="status">
      <Icon name="time" />
      <span>
        <b>As of position {formatNumber(at)}</b>
        {time !== undefined && (
          <>
            , <LocalTime at={time} />
          </>
        )}
        . Commands are disabled.
      </span>
      <a class="button" href={hrefTo({ parameters: { at: undefined } })}>
        Return to now
      </a>
    </div>
  )
}
