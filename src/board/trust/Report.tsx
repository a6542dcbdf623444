import { useState } from "preact/hooks"
import type { VerifyReport } from "../api/types.ts"
import { CardLink } from "../components/CardLink.tsx"
import { formatDuration } from "../components/durations.ts"
import { Icon } from "../components/Icon.tsx"
import { TableScroller } from "../components/TableScroller.tsx"
import { formatNumber } from "../components/Times.tsx"
import { hrefTo } from "../shell/location.ts"
import type { VerificationRun } from "./verification.ts"

type Ended = Extract<VerificationRun, { readonly _tag: "Ended" }>

/** What the verification found. */
export const Report = ({ run }: { readonly run: Ended }) => {
  const { anchor, report, tookMillis } = run
  const { divergenceCount } = report
  const isConsistent = divergenceCount === 0
  return (
    <div class={isConsistent ? "verify-report" : "verify-report divergent"} role={isConsistent ? "status" : "alert"}>
      <p class="verify-outcome">
        <Icon name={isConsistent ? "done" : "alert"} />
        <b>
          {isConsistent
            ? "Consistent: no divergence was found."
            : `${formatNumber(divergenceCount)} ${divergenceCount === 1 ? "divergence was" : "divergences were"} found.`}
        </b>
      </p>
      {anchor !== "not given" && <AnchorSentence anchor={anchor} report={report} />}
      <dl class="verify-figures">
        <Figure term="Position" value={formatNumber(report.position)} />
        <Figure term="Events" value={formatNumber(report.events)} />
        <Figure term="Cards" value={formatNumber(report.cards)} />
        <Figure term="Dependencies" value={formatNumber(report.dependencies)} />
        <Figure term="Erased parts" value={formatNumber(report.erasedParts)} />
        <Figure term="Duration" value={tookMillis < 1_000 ? "less than 1s" : formatDuration(tookMillis / 1000)} />
      </dl>
      <p class="trust-hash">
        Chain hash <code>{report.chainHash}</code>
      </p>
      {!isConsistent && <Divergences report={report} />}
    </div>
  )
}

const AnchorSentence = ({ anchor, report }: { readonly anchor: Ended["anchor"]; readonly report: VerifyReport }) => {
  const position = formatNumber(report.anchoredPosition ?? 0)
  switch (anchor) {
    case "mismatch":
      return (
        <p>
          <b>The log does not continue the anchor at position {position}.</b> If the anchor is of this backlog, events
          up to that position were changed or removed after it was made. Keep the anchor, stop the workers, and compare
          the log with a backup or an export.
        </p>
      )
    case "continued":
      return <p>The log continues the anchor: every event up to position {position} is what it was.</p>
    default:
      return <p>There are too many divergences to say whether the log continues the anchor at position {position}.</p>
  }
}

const Figure = ({ term, value }: { readonly term: string; readonly value: string }) => (
  <div>
    <dt>{term}</dt>
    <dd>{value}</dd>
  </div>
)

/** The number of divergences that are shown at first. */
const shownAtFirst = 20

const Divergences = ({ report }: { readonly report: VerifyReport }) => {
  const [isWhole, showWhole] = useState(false)
  const { divergenceCount, divergences } = report
  const shown = isWhole ? divergences : divergences.slice(0, shownAtFirst)
  const omitted = divergenceCount - shown.length
  return (
    <>
      <TableScroller label="Divergences">
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Where</th>
            <th scope="col">Expected</th>
            <th scope="col">Found</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ cardId, check, expected, field, found, position }, index) => (
            <tr key={index}>
              <td>
                {check}
                {field !== null && ` of ${field}`}
              </td>
              <td>
                {cardId === null ? "the log" : <CardLink id={cardId} />}
                {position !== null && (
                  <>
                    {" "}
                    <a href={hrefTo({ parameters: { at: String(position) } })}>position {formatNumber(position)}</a>
                  </>
                )}
              </td>
              <td>
                <code dir="auto">{expected}</code>
              </td>
              <td>
                <code dir="auto">{found}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </TableScroller>
      <p class="hint">
        The first divergence of each card, and those of the log.
        {omitted > 0 && ` ${formatNumber(omitted)} more are not shown. `}
        {divergences.length > shown.length && (
          <button type="button" class="link" onClick={() => showWhole(true)}>
            Show {formatNumber(divergences.length)}
          </button>
        )}
      </p>
    </>
  )
}
