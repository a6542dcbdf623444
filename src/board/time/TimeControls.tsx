import { head } from "../api/follow.ts"
import { Icon, type IconName } from "../components/Icon.tsx"
import { formatNumber } from "../components/Times.tsx"
import { goTo } from "./timeRoute.ts"
import type { Playing } from "./usePlay.ts"
import { speeds } from "./timeline.ts"
import { goToNextDay, goToPreviousDay, goToTime, stepEvent } from "./timeSteps.ts"

/** Steps, playing, and jumps to a position or a time. */
export const TimeControls = ({
  onSpeed,
  playing: { isPlaying, toggle },
  position,
  speed,
  time
}: {
  readonly playing: Playing
  readonly speed: number
  readonly onSpeed: (speed: number) => void
  readonly position: number
  readonly time: string | undefined
}) => (
  <div class="time-controls">
    <span class="choice" role="group" aria-label="Steps">
      <StepButton
        icon="first"
        label="Previous day"
        keys="["
        onClick={() => void goToPreviousDay()}
        isDisabled={position <= 0}
      />
      <StepButton
        icon="left"
        label="Previous event"
        keys=","
        onClick={() => stepEvent(-1)}
        isDisabled={position <= 0}
      />
      <button type="button" class="time-play" onClick={toggle} title={`${isPlaying ? "Pause" : "Play"} (p)`}>
        <Icon name={isPlaying ? "pause" : "play"} /> {isPlaying ? "Pause" : "Play"}
      </button>
      <StepButton
        icon="right"
        label="Next event"
        keys="."
        onClick={() => stepEvent(1)}
        isDisabled={position >= head.value}
      />
      <StepButton
        icon="last"
        label="Next day"
        keys="]"
        onClick={() => void goToNextDay()}
        isDisabled={position >= head.value}
      />
    </span>
    <select
      aria-label="Speed"
      value={speed}
      onChange={({ currentTarget }) => onSpeed(Number(currentTarget.value))}
      title="Speed of playing"
    >
      {speeds.map((each) => (
        <option key={each} value={each}>
          {formatNumber(each)} {each === 1 ? "event/s" : "events/s"}
        </option>
      ))}
    </select>
    <label class="time-position">
      Position{" "}
      <input
        type="number"
        aria-label="Position"
        min={0}
        max={head.value}
        value={position}
        onChange={({ currentTarget }) => {
          if (Number.isFinite(currentTarget.valueAsNumber)) goTo(currentTarget.valueAsNumber)
          else currentTarget.value = String(position)
        }}
      />{" "}
      of {formatNumber(head.value)}
    </label>
    <label class="time-jump">
      Time{" "}
      <input
        type="datetime-local"
        step={1}
        value={time === undefined ? "" : toLocalInput(new Date(time))}
        onChange={({ currentTarget }) => {
          const jump = new Date(currentTarget.value)
          if (!Number.isNaN(jump.getTime())) void goToTime(jump)
        }}
      />
    </label>
  </div>
)

const StepButton = ({
  icon,
  isDisabled,
  keys,
  label,
  onClick
}: {
  readonly icon: IconName
  readonly label: string
  readonly keys: string
  readonly isDisabled: boolean
  readonly onClick: () => void
}) => (
  <button
    type="button"
    aria-disabled={isDisabled}
    aria-label={label}
    title={`${label} (${keys})`}
    onClick={() => !isDisabled && onClick()}
  >
    <Icon name={icon} />
  </button>
)

/** Formats a time for a field of local time. */
const toLocalInput = (date: Date): string => {
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return shifted.toISOString().slice(0, 19)
}
