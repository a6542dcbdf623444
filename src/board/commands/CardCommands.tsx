import { useLayoutEffect, useRef } from "preact/hooks"
import type { Card } from "../api/types.ts"
import { apiAddress } from "../api/request.ts"
import { CopyButton } from "../components/CopyButton.tsx"
import { Icon } from "../components/Icon.tsx"
import { useActions } from "../shell/keys.ts"
import { moment } from "../shell/location.ts"
import { commandKinds, type CommandKind } from "./kinds.ts"
import { openCommand } from "./openCommand.ts"
import { whyDisabledFor } from "./send.ts"
import { formatCommandLine } from "./shellWords.ts"

/** The keys of commands while a card is shown. */
const keysOf: Readonly<Record<string, string>> = { complete: "c", note: "m", revise: "e", block: "b", unblock: "b" }

/** The commands that the status of a card permits, disabled with the reason if the caller may not send them. */
export const CardCommands = ({ card }: { readonly card: Card }) => {
  const kinds = commandKinds.filter((kind) => kind.refusal(card) === undefined)
  const names = kinds.map(({ name }) => name).join(" ")
  useActions(
    () =>
      kinds.map((kind) => {
        const keys = keysOf[kind.name]
        return {
          ...(keys === undefined ? {} : { keys }),
          label: `${kind.verb} the card`,
          group: "Card",
          isActive: () => whyDisabledFor(kind.name, card) === undefined,
          run: () => open(kind, card.id)
        }
      }),
    [card.id, card.claimOwner, names]
  )
  const commands = useRef<HTMLDivElement>(null)
  const hadFocus = commands.current?.contains(document.activeElement) === true
  useLayoutEffect(() => {
    // The command with the focus can be one that the new status does not permit.
    if (hadFocus && document.activeElement === document.body) commands.current?.querySelector("button")?.focus()
  }, [names])
  const reasons = new Set(kinds.map(({ name }) => whyDisabledFor(name, card)))
  const [reason] = reasons
  const at = moment.value
  const options = at === undefined ? [] : [{ flag: "at", value: String(at) }]
  return (
    <div class="card-commands" ref={commands}>
      {kinds.map((kind) => (
        <CommandButton key={kind.name} kind={kind} card={card} />
      ))}
      <CopyButton
        isQuiet
        label="Copy as command line"
        text={formatCommandLine({ command: "show", options, operands: [card.id] }, apiAddress)}
      />
      {reasons.size === 1 && reason !== undefined && <p class="hint">{reason}</p>}
    </div>
  )
}

const open = (kind: CommandKind, id: string): void => {
  openCommand.value = { kind, ids: [id] }
}

const CommandButton = ({ card, kind }: { readonly kind: CommandKind; readonly card: Card }) => {
  const reason = whyDisabledFor(kind.name, card)
  const keys = keysOf[kind.name]
  return (
    <button
      type="button"
      // Not `disabled`: the reason must be reachable with the keyboard and for screen readers.
      aria-disabled={reason !== undefined}
      title={reason ?? (keys === undefined ? kind.verb : `${kind.verb} (${keys})`)}
      onClick={() => reason === undefined && open(kind, card.id)}
    >
      <Icon name={reason === undefined ? kind.icon : "lock"} />
      {kind.verb}
      {reason !== undefined && <span class="visually-hidden">, disabled: {reason}</span>}
    </button>
  )
}
