import type { Anchor, MadeAnchor } from "../api/types.ts"
import type { Query } from "../api/useQuery.ts"
import { Answered, FailureNotice } from "../components/Condition.tsx"
import { CopyButton } from "../components/CopyButton.tsx"
import { Ago, formatNumber } from "../components/Times.tsx"
import { formatAnchor } from "./anchorLines.ts"
import { FirstRows } from "../components/FirstRows.tsx"
import { anchorRefusal, downloadAnchor, madeAnchor } from "./madeAnchor.ts"

/** Makes anchors, and lists those that were made. */
export const Anchors = ({
  onMake,
  query
}: {
  readonly query: Query<ReadonlyArray<MadeAnchor>>
  readonly onMake: () => void
}) => {
  const refusal = anchorRefusal()
  const { anchor, failure } = madeAnchor.value
  return (
    <section class="trust-part">
      <h2>Anchors</h2>
      <p class="hint">
        An anchor is a line with the chain hash of the whole log. Keep it where users with write access to the database
        cannot change it: in a ticket, an email or another system. A later verification with it shows that the log up to
        its position is unchanged.
      </p>
      <p>
        <button
          type="button"
          aria-disabled={refusal !== undefined}
          title={refusal ?? "Make an anchor (a)"}
          onClick={() => refusal === undefined && onMake()}
        >
          Make an anchor
        </button>
      </p>
      {refusal !== undefined && <p class="hint">{refusal}</p>}
      {failure !== undefined && <FailureNotice failure={failure} onRetry={onMake} />}
      {anchor !== undefined && (
        <div class="made-anchor" role="status">
          <code>{formatAnchor(anchor)}</code>
          <Export anchor={anchor} />
        </div>
      )}
      <Answered query={query} what="the anchors">
        {(all) =>
          all.length === 0 ? (
            <p class="hint">
              No anchor was made yet. <code>backlog serve --anchor-file</code> makes them regularly.
            </p>
          ) : (
            <>
              <FirstRows
                label="Anchors"
                columns={["Made", "Position", "Chain hash", "Signed", "By", "Export"]}
                items={all}
                row={(each) => (
                  <tr key={`${each.madeAt} ${each.position}`}>
                    <td>
                      <Ago at={each.madeAt} />
                    </td>
                    <td class="number">{formatNumber(each.position)}</td>
                    <td class="number">
                      <code title={each.chainHash}>{each.chainHash.slice(0, 12)}…</code>
                    </td>
                    <td>{each.signature === null ? <span class="hint">no</span> : "yes"}</td>
                    <td dir="auto">{each.actor ?? <span class="hint">unknown</span>}</td>
                    <td>
                      <Export anchor={each} isQuiet />
                    </td>
                  </tr>
                )}
              />
              <p class="hint">
                At most the last 1,000. The list is in the database and not part of the log: only an anchor that was
                kept elsewhere proves something.
              </p>
            </>
          )
        }
      </Answered>
    </section>
  )
}

const Export = ({ anchor, isQuiet = false }: { readonly anchor: Anchor; readonly isQuiet?: boolean }) => (
  <span class="anchor-export">
    <CopyButton isQuiet={isQuiet} label="Copy the anchor" text={formatAnchor(anchor)} />
    <button
      type="button"
      class={isQuiet ? "link" : ""}
      aria-label={`Download the anchor at position ${anchor.position}`}
      onClick={() => downloadAnchor(anchor)}
    >
      Download
    </button>
  </span>
)
