import type { Flow } from "../api/types.ts"
import { formatDuration } from "../components/durations.ts"
import { formatNumber } from "../components/Times.tsx"

type Times = Flow["leadTime"]

/** Formats a percentile, in seconds. */
export const formatPercentile = (seconds: number | null): string => (seconds === null ? "–" : formatDuration(seconds))

/** The figures of the whole range. */
export const Figures = ({ flow, isPast }: { readonly flow: Flow; readonly isPast: boolean }) => (
  <dl class="flow-figures">
    <Count term="Created" count={flow.created} hint="cards that were created" />
    <Count term="Claimed" count={flow.claimed} hint="claims, without renewals" />
    <Count term="Completed" count={flow.completed} hint="completions" />
    <Count term="Failed" count={flow.failed} hint="attempts that ended without a result" />
    <Count term="Expired" count={flow.expired} hint="claims that were reclaimed after their leases expired" />
    <Distribution term="Lead time" times={flow.leadTime} hint="From the creation of a card to its completion" />
    <Distribution term="Cycle time" times={flow.cycleTime} hint="From the first claim of a card to its completion" />
    <Distribution
      term={isPast ? "Age of ready cards now" : "Age of ready cards"}
      times={flow.readyAge}
      hint="Since the creation of the cards that are ready now, whatever the range"
    />
  </dl>
)

const Count = ({ count, hint, term }: { readonly term: string; readonly count: number; readonly hint: string }) => (
  <div title={hint}>
    <dt>{term}</dt>
    <dd>
      <b>{formatNumber(count)}</b>
    </dd>
  </div>
)

const Distribution = ({
  hint,
  term,
  times
}: {
  readonly term: string
  readonly times: Times
  readonly hint: string
}) => (
  <div title={hint}>
    <dt>{term}</dt>
    <dd>
      <b>{formatPercentile(times.p50)}</b>
      {times.count === 0 ? (
        <span class="hint">no cards</span>
      ) : (
        <span class="hint">
          median of {formatNumber(times.count)}, <span>p90 {formatPercentile(times.p90)}</span>,{" "}
          <span>p99 {formatPercentile(times.p99)}</span>
        </span>
      )}
    </dd>
  </div>
)
