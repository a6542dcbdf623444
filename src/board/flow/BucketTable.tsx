import type { Flow } from "../api/types.ts"
import { FirstRows } from "../components/FirstRows.tsx"
import { formatNumber } from "../components/Times.tsx"
import { formatPercentile } from "./Figures.tsx"
import { Numbers } from "./GroupTable.tsx"

/** The figures of each bucket as a table: the same as the charts, in text. The latest bucket is first. */
export const BucketTable = ({ flow, labels }: { readonly flow: Flow; readonly labels: ReadonlyArray<string> }) => {
  const rows = flow.buckets
    .map((bucket, index) => ({ bucket, label: labels[index] ?? bucket.startsAt }))
    .filter(
      ({ bucket: { claimed, completed, created, expired, failed } }) =>
        created + claimed + completed + failed + expired > 0
    )
    .reverse()
  const omitted = flow.buckets.length - rows.length
  return (
    <section class="flow-part">
      <h2>By time</h2>
      {rows.length > 0 && (
        <FirstRows
          label="By time"
          columns={[
            "Local time",
            "Created",
            "Claimed",
            "Completed",
            "Failed",
            "Expired",
            "Lead p50",
            "Lead p90",
            "Lead p99",
            "Cycle p50",
            "Cycle p90",
            "Cycle p99"
          ]}
          items={rows}
          row={({ bucket, label }) => (
            <tr key={bucket.startsAt}>
              <th scope="row">
                <time dateTime={bucket.startsAt} title={`${bucket.startsAt} to ${bucket.endsAt}`}>
                  {label}
                </time>
              </th>
              <Numbers
                values={[
                  ...[bucket.created, bucket.claimed, bucket.completed, bucket.failed, bucket.expired].map(
                    formatNumber
                  ),
                  ...[bucket.leadTime, bucket.cycleTime].flatMap(({ p50, p90, p99 }) =>
                    [p50, p90, p99].map(formatPercentile)
                  )
                ]}
              />
            </tr>
          )}
        />
      )}
      <p class="hint">
        p50 is the median.{" "}
        {omitted === 0
          ? "All buckets of the range are listed."
          : `${formatNumber(omitted)} of ${formatNumber(flow.buckets.length)} buckets are left out, because nothing happened in them.`}
      </p>
    </section>
  )
}
