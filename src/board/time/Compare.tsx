import { useMemo } from "preact/hooks"
import { getLines } from "../api/request.ts"
import type { CardDiff } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { CardLink } from "../components/CardLink.tsx"
import { StatusMark } from "../components/Claimability.tsx"
import { Answered, Notice } from "../components/Condition.tsx"
import { formatNumber, LocalTime } from "../components/Times.tsx"
import { type ChangeCounts, countChanges, type FieldChange, fieldChanges } from "./changes.ts"

/** Maximum number of changed cards that are listed. */
const maxListed = 300

/** The cards that changed between two positions, and how each changed. */
export const Compare = ({ first, second }: { readonly first: number; readonly second: number }) => {
  const from = Math.min(first, second)
  const to = Math.max(first, second)
  const query = useQuery(
    `${from} ${to}`,
    (signal) => getLines<CardDiff>("diff", { fromPosition: from, toPosition: to }, { limit: maxListed + 1, signal }),
    { isAffectedBy: false }
  )
  return (
    <section class="time-changes" aria-label="Changed cards">
      <Answered query={query} what="the changes" lines={5}>
        {(diffs) => <Changes diffs={diffs} from={from} to={to} />}
      </Answered>
    </section>
  )
}

const Changes = ({
  diffs,
  from,
  to
}: {
  readonly diffs: ReadonlyArray<CardDiff>
  readonly from: number
  readonly to: number
}) => {
  const shown = diffs.slice(0, maxListed)
  const counts = useMemo(() => countChanges(shown), [diffs])
  if (diffs.length === 0) {
    return (
      <Notice icon="time" title={from === to ? "Both moments are the same" : "No card changed"}>
        {from === to
          ? "Move the slider to see what changed since then, or until then."
          : "The events between these moments are about no card."}
      </Notice>
    )
  }
  const isTruncated = diffs.length > maxListed
  return (
    <>
      <p class="view-line" role="status">
        <b>
          {formatNumber(shown.length)}
          {isTruncated && " or more"}
        </b>{" "}
        {shown.length === 1 ? "card" : "cards"} changed from position {formatNumber(from)} to {formatNumber(to)}:{" "}
        {describeCounts(counts)}.{isTruncated && ` Showing the first ${formatNumber(maxListed)} cards.`}
      </p>
      <ul class="time-diffs">
        {shown.map((diff) => (
          <Change key={diff.id} diff={diff} />
        ))}
      </ul>
    </>
  )
}

const describeCounts = ({ changed, completed, created, unchanged }: ChangeCounts): string =>
  [
    created > 0 && `${formatNumber(created)} created`,
    completed > 0 && `${formatNumber(completed)} completed`,
    changed > 0 && `${formatNumber(changed)} changed`,
    unchanged > 0 && `${formatNumber(unchanged)} as before`
  ]
    .filter((each) => each !== false)
    .join(", ")

const Change = ({ diff }: { readonly diff: CardDiff }) => {
  const { after, before } = diff
  const changes = fieldChanges(diff)
  return (
    <li>
      <div class="time-diff-card">
        <CardLink id={diff.id} title={after.title} />
      </div>
      <div class="time-diff-fields">
        {before === null && (
          <span>
            <b>created</b>, <StatusMark status={after.status} />
          </span>
        )}
        {before !== null && before.status !== after.status && (
          <span>
            <StatusMark status={before.status} /> → <StatusMark status={after.status} />
          </span>
        )}
        {changes
          .filter(({ field }) => field !== "status")
          .map((change) => (
            <FieldLine key={change.field} change={change} />
          ))}
        {before !== null && changes.length === 0 && <span class="hint">as before, after changes and back</span>}
      </div>
    </li>
  )
}

const FieldLine = ({ change: { after, before, field, isLong, isTime } }: { readonly change: FieldChange }) => (
  <span>
    {field}{" "}
    {isLong ? (
      <span class="hint">changed</span>
    ) : (
      <>
        <del dir="auto">
          <Value value={before} isTime={isTime} />
        </del>{" "}
        →{" "}
        <ins dir="auto">
          <Value value={after} isTime={isTime} />
        </ins>
      </>
    )}
  </span>
)

const Value = ({ isTime, value = "none" }: { readonly value: string | undefined; readonly isTime: boolean }) =>
  isTime && value !== "none" ? <LocalTime at={value} /> : <>{value}</>
