import type { Flow } from "../api/types.ts"
import { FirstRows } from "../components/FirstRows.tsx"
import { formatNumber } from "../components/Times.tsx"
import { addCondition } from "../search/parseSearch.ts"
import { hrefTo, navigate } from "../shell/location.ts"
import { maxGroups, nameOfGroup, shownGroups } from "./charts.ts"
import { formatPercentile } from "./Figures.tsx"

/** The figures of each group of the whole range. The reader chooses which groups the charts show. */
export const GroupTable = ({
  chosen,
  flow
}: {
  readonly flow: Flow
  readonly chosen: ReadonlyArray<string | null> | undefined
}) => {
  const shown = shownGroups(flow, chosen).map(({ group }) => group)
  const isFull = shown.length >= maxGroups
  const toggle = (group: string | null): void => {
    const next = shown.includes(group) ? shown.filter((each) => each !== group) : [...shown, group]
    navigate({ parameters: { groups: JSON.stringify(next) } }, { replace: true })
  }
  const by = flow.by ?? "phase"
  return (
    <section class="flow-part">
      <h2>By {by}</h2>
      <FirstRows
        label={`By ${by}`}
        columns={[
          by.charAt(0).toUpperCase() + by.slice(1),
          "Created",
          "Claimed",
          "Completed",
          "Failed",
          "Expired",
          "Lead p50",
          "Lead p90",
          "Cycle p50",
          "Cycle p90",
          "Ready now",
          "Age p50",
          "Age p90"
        ]}
        items={flow.groups}
        row={(each) => {
          const name = nameOfGroup(each.group, by)
          const isShown = shown.includes(each.group)
          return (
            <tr key={each.group ?? ""}>
              <th scope="row">
                <input
                  type="checkbox"
                  aria-label={`Show ${name} in the charts`}
                  checked={isShown}
                  disabled={!isShown && isFull}
                  title={!isShown && isFull ? `The charts show at most ${maxGroups} groups` : undefined}
                  onChange={() => toggle(each.group)}
                />{" "}
                {each.group === null ? (
                  name
                ) : (
                  <a dir="auto" href={hrefTo({ view: "board", parameters: { q: addCondition("", by, each.group) } })}>
                    {name}
                  </a>
                )}
              </th>
              <Numbers
                values={[
                  ...[each.created, each.claimed, each.completed, each.failed, each.expired].map(formatNumber),
                  ...[each.leadTime, each.cycleTime].flatMap(({ p50, p90 }) => [p50, p90].map(formatPercentile)),
                  formatNumber(each.readyAge.count),
                  ...[each.readyAge.p50, each.readyAge.p90].map(formatPercentile)
                ]}
              />
            </tr>
          )
        }}
      />
      <p class="hint">
        {by === "owner"
          ? "Events without an owner are in the group “no owner”. "
          : `Cards are counted by the ${by} that they have now. `}
        {by === "label" && "A card with several labels counts in each of them. "}
        {flow.omittedGroups > 0 &&
          `${formatNumber(flow.omittedGroups)} smaller ${flow.omittedGroups === 1 ? "group is" : "groups are"} left out; the figures of the whole range include them.`}
      </p>
    </section>
  )
}

/** Cells with numbers. */
export const Numbers = ({ values }: { readonly values: ReadonlyArray<string> }) => (
  <>
    {values.map((value, index) => (
      <td key={index} class="number">
        {value}
      </td>
    ))}
  </>
)
