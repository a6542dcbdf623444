import { Icon, type IconName } from "./Icon.tsx"
import type { Status } from "../api/types.ts"

/** What a claim can do with a card: the columns of the board. */
export type Claimability = "claimable" | "claimed" | "expired" | "deferred" | "waiting" | "blocked" | "done"

/** All kinds of claimability, in the order of the board. */
export const claimabilities: ReadonlyArray<Claimability> = [
  "claimable",
  "claimed",
  "expired",
  "deferred",
  "waiting",
  "blocked",
  "done"
]

/** What each kind means, as the board explains it. */
export const meanings: Readonly<Record<Claimability, string>> = {
  claimable: "A worker can claim the card now",
  claimed: "A worker holds the card under a lease",
  expired: "The lease has expired. The next claim reclaims the card",
  deferred: "The card cannot be claimed before its time",
  waiting: "The card waits for a dependency that is not done",
  blocked: "The card cannot be claimed until it is unblocked",
  done: "The card is complete"
}

/** What a claim can do with a card, as an icon and a word. */
export const ClaimabilityMark = ({ kind, word = kind }: { readonly kind: Claimability; readonly word?: string }) => (
  <span class={`mark ${kind}`}>
    <Icon name={kind} />
    {word}
  </span>
)

const iconsByStatus: Readonly<Record<Status, Claimability>> = {
  ready: "claimable",
  claimed: "claimed",
  blocked: "blocked",
  done: "done"
}

/** The status of a card, as an icon and a word. `null` is a card that does not exist. */
export const StatusMark = ({ status }: { readonly status: Status | null }) => {
  if (status !== null) return <ClaimabilityMark kind={iconsByStatus[status]} word={status} />
  const icon: IconName = "missing"
  return (
    <span class="mark missing">
      <Icon name={icon} />
      does not exist
    </span>
  )
}

/** A card, as far as its claimability depends on it. */
export interface ClaimableCard {
  readonly status: Status
  readonly claimExpiresAt: string | null
  readonly notBefore: string | null
}

/**
 * Returns what a claim can do with a card at a time, in milliseconds since 1970. `hasUnmet` says whether a dependency is not
 * done or does not exist.
 */
export const claimabilityOf = (card: ClaimableCard, hasUnmet: boolean, atMillis: number): Claimability => {
  switch (card.status) {
    case "ready":
      if (hasUnmet) return "waiting"
      return card.notBefore !== null && Date.parse(card.notBefore) > atMillis ? "deferred" : "claimable"
    case "claimed":
      return card.claimExpiresAt !== null && Date.parse(card.claimExpiresAt) <= atMillis ? "expired" : "claimed"
    default:
      return card.status
  }
}
