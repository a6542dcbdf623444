import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import { TableScroller } from "./TableScroller.tsx"
import { formatNumber } from "./Times.tsx"

/** The number of rows that are shown at first, and that each further step adds. */
const step = 10

/** A table that shows its first rows, says how many it leaves out, and shows more on request. */
export const FirstRows = <A,>({
  columns,
  items,
  label,
  row
}: {
  /** What the table lists, such as `Anchors`. */
  readonly label: string
  readonly columns: ReadonlyArray<string>
  readonly items: ReadonlyArray<A>
  readonly row: (item: A) => ComponentChildren
}) => {
  const [count, setCount] = useState(step)
  const shown = items.slice(0, count)
  return (
    <>
      <TableScroller label={label}>
        <thead>
          <tr>
            {columns.map((each) => (
              <th key={each} scope="col">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{shown.map(row)}</tbody>
      </TableScroller>
      {shown.length < items.length && (
        <p class="hint">
          Showing {formatNumber(shown.length)} of {formatNumber(items.length)}.{" "}
          <button type="button" class="link" onClick={() => setCount(count + 5 * step)}>
            Show more
          </button>
        </p>
      )}
    </>
  )
}
