import { Icon } from "../components/Icon.tsx"
import { formatNumber, LocalTime } from "../components/Times.tsx"
import { hrefTo, route } from "../shell/location.ts"
import { acknowledgeAlarm, type Alarm } from "./alarm.ts"

/** Says on every view that the log does not continue an anchor, until the reader acknowledges it. */
export const AlarmBar = ({ alarm }: { readonly alarm: Alarm }) => (
  <div class="alarm" role="alert">
    <Icon name="alert" />
    <p>
      <b>Alarm: the log does not continue the anchor at position {formatNumber(alarm.anchorPosition ?? 0)}.</b> Events
      up to that position were changed or removed after the anchor was made, or the anchor is of another backlog. Found{" "}
      <LocalTime at={alarm.verifiedAt} />
      {alarm.actor !== null && (
        <>
          {" "}
          by <span dir="auto">{alarm.actor}</span>
        </>
      )}
      .
    </p>
    {route.value.view === "trust" ? (
      <button type="button" onClick={acknowledgeAlarm}>
        Acknowledge
      </button>
    ) : (
      <a class="button" href={hrefTo({ view: "trust" })}>
        Show Trust
      </a>
    )}
  </div>
)
