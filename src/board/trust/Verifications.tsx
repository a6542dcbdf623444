import type { Verification } from "../api/types.ts"
import type { Query } from "../api/useQuery.ts"
import { Answered } from "../components/Condition.tsx"
import { formatDuration } from "../components/durations.ts"
import { Icon } from "../components/Icon.tsx"
import { Ago, formatNumber } from "../components/Times.tsx"
import { FirstRows } from "../components/FirstRows.tsx"
import { BadMark, OutcomeMark } from "./OutcomeMark.tsx"

/** The verifications that programs reported, the latest first. */
export const Verifications = ({ query }: { readonly query: Query<ReadonlyArray<Verification>> }) => (
  <section class="trust-part">
    <h2>Verifications</h2>
    <Answered query={query} what="the verifications">
      {(all) =>
        all.length === 0 ? (
          <p class="hint">The log was not verified yet. Verify it above, or with backlog verify.</p>
        ) : (
          <>
            <FirstRows
              label="Verifications"
              columns={["When", "Result", "Position", "Anchor", "Duration", "By"]}
              items={all}
              row={(each) => (
                <tr key={`${each.verifiedAt} ${each.position}`}>
                  <td>
                    <Ago at={each.verifiedAt} />
                  </td>
                  <td>
                    <OutcomeMark verification={each} />
                  </td>
                  <td class="number">{formatNumber(each.position)}</td>
                  <td>
                    <AnchorResult {...each} />
                  </td>
                  <td class="number">
                    {each.durationMillis < 1_000
                      ? `${formatNumber(each.durationMillis)} ms`
                      : formatDuration(each.durationMillis / 1000)}
                  </td>
                  <td dir="auto">{each.actor ?? <span class="hint">unknown</span>}</td>
                </tr>
              )}
            />
            <p class="hint">
              What programs reported to this server: at most the last 1,000. The list is not part of the log, and proves
              nothing.
            </p>
          </>
        )
      }
    </Answered>
  </section>
)

const AnchorResult = ({ anchorMatched, anchorPosition }: Verification) => {
  if (anchorPosition === null) return <span class="hint">none</span>
  const where = `position ${formatNumber(anchorPosition)}`
  return anchorMatched === false ? (
    <BadMark words={`mismatch at ${where}`} />
  ) : (
    <span class="mark claimable">
      <Icon name="done" />
      {where}
    </span>
  )
}
