import { Icon } from "../components/Icon.tsx"
import { compareWith, goTo } from "./timeRoute.ts"
import { findPositionAt, withFoundPosition } from "./timeSteps.ts"

const spans = [
  { label: "1 hour before", millis: 3_600_000 },
  { label: "1 day before", millis: 86_400_000 },
  { label: "1 week before", millis: 7 * 86_400_000 }
]

/** Which two moments are compared. */
export const CompareBar = ({
  compared,
  position,
  time
}: {
  readonly compared: number | undefined
  readonly position: number
  /** The time of the moment of the slider; `undefined` while it is read. */
  readonly time: string | undefined
}) => {
  if (compared === undefined) {
    return (
      <button type="button" onClick={() => compareWith(position)} title="Compare this moment with another (d)">
        <Icon name="compare" /> Compare
      </button>
    )
  }
  const swap = (): void => {
    compareWith(position)
    goTo(compared)
  }
  return (
    <span class="time-compare" role="group" aria-label="Comparison">
      <label>
        Compare with position{" "}
        <input
          type="number"
          min={0}
          value={compared}
          onChange={({ currentTarget }) => {
            if (Number.isFinite(currentTarget.valueAsNumber))
              compareWith(Math.max(0, Math.round(currentTarget.valueAsNumber)))
            else currentTarget.value = String(compared)
          }}
        />
      </label>
      {spans.map(({ label, millis }) => (
        <button
          key={label}
          type="button"
          aria-disabled={time === undefined}
          onClick={() => {
            if (time === undefined) return
            void withFoundPosition((ended) => findPositionAt(new Date(Date.parse(time) - millis), ended), compareWith)
          }}
        >
          {label}
        </button>
      ))}
      <button type="button" onClick={() => compareWith(0)}>
        Start of the log
      </button>
      <button type="button" onClick={swap}>
        Swap
      </button>
      <button type="button" onClick={() => compareWith(undefined)} title="Stop comparing (d)">
        <Icon name="close" /> Stop comparing
      </button>
    </span>
  )
}
