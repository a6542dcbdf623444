import { useRef, useState } from "preact/hooks"
import { head } from "../api/follow.ts"
import type { Density } from "../api/types.ts"
import { FailureNotice, Loading, StaleLine } from "../components/Condition.tsx"
import { formatNumber } from "../components/Times.tsx"
import { type Action, useActions } from "../shell/keys.ts"
import { hrefTo } from "../shell/location.ts"
import { Compare } from "./Compare.tsx"
import { CompareBar } from "./CompareBar.tsx"
import { EventLine } from "./EventLine.tsx"
import { MomentColumns } from "./MomentColumns.tsx"
import { TimeControls } from "./TimeControls.tsx"
import { speedFor, type TimeRange, zoomRange } from "./timeline.ts"
import { comparedOfRoute, compareWith, goTo, showRange } from "./timeRoute.ts"
import { TimeSlider } from "./TimeSlider.tsx"
import { goToNextDay, goToPreviousDay, stepEvent } from "./timeSteps.ts"
import { type MomentView, useIsOld, useMoment, useSettled } from "./useMoment.ts"
import { usePlay } from "./usePlay.ts"

/** The slider, and what it shows: the event at its position, and the board then or what changed since another moment. */
export const Timeline = ({ density, range }: { readonly density: Density; readonly range: TimeRange | undefined }) => {
  const view = useMoment()
  const { position, shown } = view
  const end = Math.max(head.value, density.to)
  const visible = range ?? { from: 1, to: end }
  const compared = comparedOfRoute()
  const [chosenSpeed, chooseSpeed] = useState<number | undefined>()
  const speed = chosenSpeed ?? speedFor(visible)
  const playing = usePlay(speed, visible.from - 1)
  const time = shown?.position === position ? shown.time : undefined
  const zoom = (factor: number): void => {
    const next = zoomRange(visible, factor, Math.min(visible.to, Math.max(visible.from, position)), end)
    showRange(next.from <= 1 && next.to >= end ? undefined : next)
  }
  const toggleCompare = (): void => compareWith(compared === undefined ? position : undefined)
  const latest = useRef({ zoom, toggleCompare, togglePlay: playing.toggle })
  latest.current = { zoom, toggleCompare, togglePlay: playing.toggle }
  useActions(() => timeActions(latest), [])
  return (
    <div class="time">
      <TimeControls playing={playing} speed={speed} onSpeed={chooseSpeed} position={position} time={time} />
      <TimeSlider
        density={density}
        range={visible}
        position={position}
        compared={compared}
        time={time}
        onChange={(next) => goTo(next, { replace: true })}
      />
      <div class="time-bar">
        <button type="button" onClick={() => zoom(0.1)} title="Show a tenth of the range, around the position (+)">
          Zoom in
        </button>
        <button
          type="button"
          onClick={() => range !== undefined && zoom(10)}
          aria-disabled={range === undefined}
          title="Show ten times the range (-)"
        >
          Zoom out
        </button>
        <CompareBar compared={compared} position={position} time={time} />
      </div>
      <Shown view={view} compared={compared} />
    </div>
  )
}

/** After this time the view says that the server takes long, in milliseconds. */
const lateMillis = 1_500

/** What the view shows of its moment. The comparison waits until the slider rests. */
const Shown = ({
  compared,
  view: { failure, position, retry, shown }
}: {
  readonly view: MomentView
  readonly compared: number | undefined
}) => {
  const settled = useSettled(position, 250)
  const isLate = useIsOld(position, lateMillis)
  if (failure?.kind === "notFound" || (shown === undefined && failure !== undefined)) {
    return (
      <>
        <FailureNotice failure={failure} onRetry={retry} />
        <p class="time-end">
          <a href={hrefTo({ parameters: { at: undefined } })}>Show the end of the log</a>
        </p>
      </>
    )
  }
  if (shown === undefined) return <Loading what="this moment" lines={6} />
  const isCurrent = shown.position === position
  return (
    <>
      {failure !== undefined && <StaleLine failure={failure} />}
      {!isCurrent && failure === undefined && isLate && (
        <p class="view-line" role="status">
          Still reading position {formatNumber(position)}; this is position {formatNumber(shown.position)}. The server
          computes a moment far from the last one from the log. Moments near it are fast afterwards.
        </p>
      )}
      <div class={isCurrent ? "" : "time-reading"} aria-busy={!isCurrent}>
        {shown.event === undefined ? (
          <p class="time-event">Before the first event. The backlog was empty.</p>
        ) : (
          <EventLine event={shown.event} />
        )}
        {compared === undefined ? <MomentColumns moment={shown} /> : <Compare first={compared} second={settled} />}
      </div>
    </>
  )
}

interface LatestActions {
  readonly zoom: (factor: number) => void
  readonly toggleCompare: () => void
  readonly togglePlay: () => void
}

const timeActions = (latest: { readonly current: LatestActions }): ReadonlyArray<Action> => {
  const action = (keys: string, label: string, run: () => void): Action => ({ keys, label, group: "Time", run })
  return [
    action(",", "Previous event", () => stepEvent(-1)),
    action(".", "Next event", () => stepEvent(1)),
    action("[", "Previous day", () => void goToPreviousDay()),
    action("]", "Next day", () => void goToNextDay()),
    action("p", "Play or pause", () => latest.current.togglePlay()),
    action("d", "Compare with another moment", () => latest.current.toggleCompare()),
    action("+", "Show less of the log", () => latest.current.zoom(0.1)),
    action("-", "Show more of the log", () => latest.current.zoom(10))
  ]
}
