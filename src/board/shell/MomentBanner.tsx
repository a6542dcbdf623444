import { Icon } from "../components/Icon.tsx"
import { formatNumber, LocalTime } from "../components/Times.tsx"
import { hrefTo, route } from "./location.ts"
import { momentTime } from "./momentTime.ts"

/** Says that the page shows the past, and which moment. */
export const MomentBanner = ({ at }: { readonly at: number }) => (
  <div class="moment" role="status">
    <Icon name="time" />
    <span>
      <b>As of position {formatNumber(at)}</b>
      {momentTime.value !== undefined && (
        <>
          , <LocalTime at={momentTime.value} />
        </>
      )}
      . Commands are disabled.
    </span>
    {route.value.view !== "time" && (
      <a class="button" href={hrefTo({ view: "time" })}>
        Other moments
      </a>
    )}
    <a class="button" href={hrefTo({ parameters: { at: undefined } })}>
      Return to now
    </a>
  </div>
)
