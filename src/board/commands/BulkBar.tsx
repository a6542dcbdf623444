import { Icon } from "../components/Icon.tsx"
import { commandKinds } from "./kinds.ts"
import { openCommand } from "./openCommand.ts"
import { maxSelected, selection, setSelecting } from "./selection.ts"
import { whyDisabled } from "./send.ts"

/** The commands for the selected cards, at the lower edge of the board. */
export const BulkBar = () => {
  const ids = [...selection.value]
  return (
    <div class="bulk-bar" role="toolbar" aria-label="Commands for the selected cards">
      <b role="status">
        {ids.length === 1 ? "1 card" : `${ids.length} cards`} selected
        {ids.length === maxSelected && ", the maximum"}
      </b>
      {commandKinds.map((kind) => {
        if (!kind.isBulk) return null
        const reason = whyDisabled(kind.name) ?? (ids.length === 0 ? "Select cards first." : undefined)
        return (
          <button
            key={kind.name}
            type="button"
            aria-disabled={reason !== undefined}
            title={reason}
            onClick={() => {
              if (reason === undefined) openCommand.value = { kind, ids }
            }}
          >
            <Icon name={kind.icon} />
            {kind.verb}
            {reason !== undefined && <span class="visually-hidden">, disabled: {reason}</span>}
          </button>
        )
      })}
      <button type="button" class="quiet" onClick={() => setSelecting(false)}>
        <Icon name="close" />
        End selection
      </button>
    </div>
  )
}
