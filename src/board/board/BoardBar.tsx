import { apiAddress } from "../api/request.ts"
import { isSelecting, setSelecting } from "../commands/selection.ts"
import { createKind } from "../commands/kinds.ts"
import { openCommand } from "../commands/openCommand.ts"
import { whyDisabled } from "../commands/send.ts"
import { formatCommandLine } from "../commands/shellWords.ts"
import { CopyButton } from "../components/CopyButton.tsx"
import { Icon } from "../components/Icon.tsx"
import { search } from "../search/currentSearch.ts"
import { type Action, useActions } from "../shell/keys.ts"
import { moment, navigate, route } from "../shell/location.ts"
import { groupings, toGrouping } from "./lanes.ts"
import { listCommandLine } from "./listCommandLine.ts"

/** What the reader can do with the whole board: create a card, select cards, and group them into lanes. */
export const BoardBar = () => {
  const refusal = whyDisabled("create")
  useActions(actions, [])
  return (
    <div class="board-bar">
      <button
        type="button"
        aria-disabled={refusal !== undefined}
        title={refusal ?? "Create a card (n)"}
        onClick={() => refusal === undefined && create()}
      >
        <Icon name={refusal === undefined ? "add" : "lock"} />
        New card
        {refusal !== undefined && <span class="visually-hidden">, disabled: {refusal}</span>}
      </button>
      <button type="button" aria-pressed={isSelecting.value} onClick={() => setSelecting(!isSelecting.value)}>
        <Icon name="done" />
        Select
      </button>
      <label class="lane-choice">
        Lanes
        <select
          value={toGrouping(route.value.parameters["lanes"]) ?? ""}
          onChange={({ currentTarget: { value } }) =>
            navigate({ parameters: { lanes: value === "" ? undefined : value } })
          }
        >
          <option value="">none</option>
          {groupings.map((each) => (
            <option key={each} value={each}>
              by {each}
            </option>
          ))}
        </select>
      </label>
      <CopyButton
        isQuiet
        label="Copy as command line"
        text={formatCommandLine(listCommandLine(search.value, moment.value), apiAddress)}
      />
    </div>
  )
}

const create = (): void => {
  openCommand.value = { kind: createKind, ids: [] }
}

const actions = (): ReadonlyArray<Action> => [
  {
    keys: "n",
    label: "Create a card",
    group: "Everywhere",
    isActive: () => whyDisabled("create") === undefined,
    run: create
  }
]
