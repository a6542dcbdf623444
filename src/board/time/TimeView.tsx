import { useRef } from "preact/hooks"
import type { Density } from "../api/types.ts"
import { Answered, Notice, StaleLine } from "../components/Condition.tsx"
import { hrefTo } from "../shell/location.ts"
import { Timeline } from "./Timeline.tsx"
import { rangeOfRoute } from "./timeRoute.ts"
import { useDensity } from "./useMoment.ts"

/** The past of the backlog: any moment of it, the event there, and what changed between two moments. */
const TimeView = () => {
  const range = rangeOfRoute()
  const density = useDensity(range)
  const last = useRef<Density | undefined>(undefined)
  const { failure, value } = density.answer.value
  if (value !== undefined) last.current = value
  // While the chart of another range is read, the one before remains.
  const shown = last.current
  if (shown === undefined) {
    return (
      <>
        <Answered query={density} what="the log" lines={4}>
          {() => null}
        </Answered>
        {failure?.kind === "notFound" && range !== undefined && (
          <p class="time-end">
            <a href={hrefTo({ parameters: { from: undefined, to: undefined } })}>Show the whole log</a>
          </p>
        )}
      </>
    )
  }
  if (shown.buckets.length === 0) {
    return (
      <Notice icon="time" title="The log is empty">
        The first command that changes the backlog writes its first event.
      </Notice>
    )
  }
  return (
    <>
      {failure !== undefined && <StaleLine failure={failure} />}
      <Timeline density={shown} range={range} />
    </>
  )
}

export default TimeView
