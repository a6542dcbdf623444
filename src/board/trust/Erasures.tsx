import { useEffect } from "preact/hooks"
import { getJson } from "../api/request.ts"
import type { Erasure } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { CardLink } from "../components/CardLink.tsx"
import { Answered } from "../components/Condition.tsx"
import { Icon } from "../components/Icon.tsx"
import { Ago, formatNumber } from "../components/Times.tsx"
import { FirstRows } from "../components/FirstRows.tsx"

/** The removal of erased bytes is no event, so the view reads pending erasures this often, in milliseconds. */
const pendingIntervalMillis = 5_000

/** What was erased from the log, and whether its bytes are still in the data files. The latest first. */
export const Erasures = () => {
  const query = useQuery(
    "erasures",
    async (signal) =>
      (await getJson<ReadonlyArray<Erasure>>("erasures", {}, signal)).toSorted(
        (left, right) => right.position - left.position
      ),
    { isAffectedBy: ({ type }) => type === "CardRedacted" }
  )
  const pending = query.answer.value.value?.filter(isPending).length ?? 0
  useEffect(() => {
    if (pending === 0) return undefined
    const timer = setInterval(() => document.hidden || void query.refresh(), pendingIntervalMillis)
    return () => clearInterval(timer)
  }, [query, pending > 0])
  return (
    <section class="trust-part">
      <h2>Erasures</h2>
      <Answered query={query} what="the erasures">
        {(all) =>
          all.length === 0 ? (
            <p class="hint">Nothing was erased from this log.</p>
          ) : (
            <>
              {pending > 0 && (
                <p class="hint" role="status">
                  {formatNumber(pending)} {pending === 1 ? "erasure is" : "erasures are"} pending: no read returns the
                  text, and the server still removes its bytes from the data files.
                </p>
              )}
              <FirstRows
                label="Erasures"
                columns={["Card", "Position", "Erased", "State", "Last try"]}
                items={all}
                row={(each) => (
                  <tr key={each.position}>
                    <td>
                      <CardLink id={each.cardId} />
                    </td>
                    <td class="number">{formatNumber(each.position)}</td>
                    <td>
                      <Ago at={each.erasedAt} />
                    </td>
                    <td>
                      <span class={`mark ${isPending(each) ? "waiting" : "done"}`}>
                        <Icon name={isPending(each) ? "waiting" : "done"} />
                        {each.state}
                      </span>
                      {each.removedAt !== null && (
                        <span class="hint">
                          {" "}
                          <Ago at={each.removedAt} />
                        </span>
                      )}
                    </td>
                    <td dir="auto">
                      {each.problem === null ? (
                        <span class="hint">{each.triedAt === null ? "none failed" : <Ago at={each.triedAt} />}</span>
                      ) : (
                        <>
                          {each.triedAt !== null && <Ago at={each.triedAt} />}: {each.problem}
                        </>
                      )}
                    </td>
                  </tr>
                )}
              />
            </>
          )
        }
      </Answered>
    </section>
  )
}

const isPending = ({ state }: Erasure): boolean => state === "erased from reads"
