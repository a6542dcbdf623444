import { Ago, Countdown } from "../components/Times.tsx"
import { isSelecting, selection, toggleSelected } from "../commands/selection.ts"
import { hrefTo, openCard } from "../shell/location.ts"
import type { CardSummary } from "../api/types.ts"
import type { Claimability } from "../components/Claimability.tsx"

/** A card in a column: its title, and what matters about it there. */
export const CardTile = ({
  card,
  isPast,
  kind,
  tabIndex
}: {
  readonly card: CardSummary
  readonly kind: Claimability
  /** Whether the card is shown as of a past moment, where no time passes. */
  readonly isPast: boolean
  readonly tabIndex: 0 | -1
}) => {
  const content = (
    <>
      <b dir="auto">{card.title}</b>
      <small>
        <code>{card.id}</code>
        {card.priority !== 0 && <span title="Priority">p{card.priority}</span>}
        <Detail card={card} kind={kind} isPast={isPast} />
      </small>
    </>
  )
  if (isSelecting.value) {
    return (
      <label class="tile" data-id={card.id}>
        <input
          type="checkbox"
          class="tile-control"
          tabIndex={tabIndex}
          checked={selection.value.has(card.id)}
          onChange={() => toggleSelected(card.id)}
        />
        {content}
      </label>
    )
  }
  return (
    <a
      class="tile tile-control"
      href={hrefTo({ parameters: { card: card.id } })}
      tabIndex={tabIndex}
      data-id={card.id}
      aria-current={openCard.value === card.id}
      onClick={(event) => {
        // With Ctrl or Cmd, browsers open a new tab.
        if (!event.shiftKey) return
        event.preventDefault()
        toggleSelected(card.id)
      }}
    >
      {content}
    </a>
  )
}

const Detail = ({
  card,
  isPast,
  kind
}: {
  readonly card: CardSummary
  readonly kind: Claimability
  readonly isPast: boolean
}) => {
  switch (kind) {
    case "claimed":
    case "expired":
      return (
        <>
          <span class="who" dir="auto">
            {card.claimOwner}
          </span>
          {card.claimExpiresAt !== null && !isPast && <Countdown until={card.claimExpiresAt} isBrief />}
        </>
      )
    case "deferred":
      return card.notBefore === null || isPast ? null : <Ago at={card.notBefore} isBrief />
    case "waiting":
      return (
        <span class="who">
          {card.dependsOn.length === 1 ? "1 dependency" : `${card.dependsOn.length} dependencies`}
        </span>
      )
    case "blocked":
      return (
        <span class="who" dir="auto">
          {card.blockedReason}
        </span>
      )
    case "done":
      return card.completedAt === null || isPast ? null : <Ago at={card.completedAt} isBrief />
    case "claimable":
      return (
        <span class="who" dir="auto">
          {[card.phase, ...card.labels].filter((each) => each !== null).join(" · ")}
        </span>
      )
  }
}
