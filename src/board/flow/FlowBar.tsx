import { useState } from "preact/hooks"
import { apiAddress } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import { formatCommandLine } from "../commands/shellWords.ts"
import { CopyButton } from "../components/CopyButton.tsx"
import { moment, navigate } from "../shell/location.ts"
import {
  bucketSizes,
  fits,
  type FlowChoice,
  fromLocalInput,
  groupings,
  presets,
  type ResolvedRange,
  toLocalInput
} from "./flowRange.ts"

/** The range, the size of the buckets and the grouping. All of them are in the URL. */
export const FlowBar = ({
  choice,
  shown
}: {
  readonly choice: FlowChoice
  readonly shown: ResolvedRange | undefined
}) => {
  const { range } = choice
  const isFree = range._tag === "Free"
  const millis = shown === undefined ? 0 : (shown.to ?? serverNow()) - shown.from
  return (
    <div class="flow-bar">
      <div role="group" aria-label="Range" class="flow-presets">
        {presets.map(({ label, name }) => (
          <button
            key={name}
            type="button"
            aria-pressed={range._tag === "Preset" && range.name === name}
            onClick={() => choosePreset(name)}
          >
            {label}
          </button>
        ))}
        <button
          type="button"
          aria-pressed={isFree}
          onClick={() => shown !== undefined && chooseRange(shown.from, shown.to ?? serverNow())}
        >
          Free
        </button>
      </div>
      {isFree && <FreeRange from={range.from} to={range.to} />}
      <label class="inline-field">
        Buckets
        <select
          value={choice.bucket ?? ""}
          onChange={({ currentTarget }) => choose({ bucket: currentTarget.value || undefined })}
        >
          <option value="">
            {choice.bucket === undefined && shown !== undefined ? `auto: ${shown.bucket}` : "auto"}
          </option>
          {bucketSizes.map((size) => (
            <option key={size} value={size} disabled={!fits(size, millis)}>
              {fits(size, millis) ? size : `${size} (too many)`}
            </option>
          ))}
        </select>
      </label>
      <label class="inline-field">
        Group by
        <select
          value={choice.by ?? ""}
          onChange={({ currentTarget }) => choose({ by: currentTarget.value || undefined, groups: undefined })}
        >
          <option value="">nothing</option>
          {groupings.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      {shown !== undefined && (
        <CopyButton
          isQuiet
          label="Copy as command line"
          text={formatCommandLine(commandOf(choice, shown), apiAddress)}
        />
      )}
    </div>
  )
}

/** Changes the parameters of the URL. */
const choose = (parameters: Readonly<Record<string, string | undefined>>): void => navigate({ parameters })

/** Shows a range that ends now. */
export const choosePreset = (name: string): void => choose({ range: name, from: undefined, to: undefined })

/** Shows the range between two times, in milliseconds since 1970. */
export const chooseRange = (from: number, to: number): void =>
  choose({ range: undefined, from: new Date(from).toISOString(), to: new Date(to).toISOString() })

const FreeRange = ({ from, to }: { readonly from: number; readonly to: number | undefined }) => {
  const [problem, setProblem] = useState<string>()
  const end = to ?? serverNow()
  const change = (nextFrom: number | undefined, nextTo: number | undefined): void => {
    if (nextFrom === undefined || nextTo === undefined) return
    if (nextFrom >= nextTo) {
      setProblem("The range must begin before it ends.")
      return
    }
    setProblem(undefined)
    chooseRange(nextFrom, nextTo)
  }
  return (
    <>
      <label class="inline-field">
        From
        <input
          type="datetime-local"
          value={toLocalInput(from)}
          aria-invalid={problem !== undefined}
          onChange={({ currentTarget }) => change(fromLocalInput(currentTarget.value), end)}
        />
      </label>
      <label class="inline-field">
        To
        <input
          type="datetime-local"
          value={toLocalInput(end)}
          aria-invalid={problem !== undefined}
          onChange={({ currentTarget }) => change(from, fromLocalInput(currentTarget.value))}
        />
      </label>
      {problem !== undefined && (
        <span class="bad" role="alert">
          {problem}
        </span>
      )}
    </>
  )
}

const commandOf = ({ by, range }: FlowChoice, shown: ResolvedRange) => {
  const end = range._tag === "Preset" && moment.value === undefined ? undefined : shown.to
  return {
    command: "flow",
    options: [
      { flag: "from", value: new Date(shown.from).toISOString() },
      ...(end === undefined ? [] : [{ flag: "to", value: new Date(end).toISOString() }]),
      { flag: "bucket", value: shown.bucket },
      ...(by === undefined ? [] : [{ flag: "by", value: by }])
    ]
  }
}
