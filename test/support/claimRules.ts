import type { EventRow } from "./verifyBacklog.ts"

/** The state of a card, computed from its events. */
interface CardStory {
  status: string
  dependsOn: Set<string>
  holder: { readonly owner: unknown; readonly token: number } | undefined
  lastToken: number
}

/** The token of the claim that an event started. Events of the first generation do not contain the generation. */
export const tokenOf = ({ data, version }: Pick<EventRow, "data" | "version">): number =>
  Number(data["generation"] ?? 0) + version

/**
 * Returns every violation of the claim rules in a log, computed from the events only:
 *
 * - a claim of a card that was claimed or had an unmet dependency, or with a token that is not greater than all earlier ones;
 * - a claim that ended without its token;
 * - a claim that was reclaimed as expired before its expiry.
 */
export const breachesOf = (log: ReadonlyArray<EventRow>): ReadonlyArray<string> => {
  const breaches: Array<string> = []
  const cards = new Map<string, CardStory>()
  for (const event of log) {
    const breach = (what: string): void => {
      breaches.push(`${event.position}: ${event.type} of ${event.cardId}: ${what}`)
    }
    const data = event.data as Record<string, never>
    if (event.type === "CardCreated") {
      cards.set(event.cardId, {
        status: data["status"] ?? "",
        dependsOn: new Set(data["dependsOn"]),
        holder: undefined,
        lastToken: 0
      })
      continue
    }
    const card = cards.get(event.cardId)
    if (card === undefined) {
      breach("before it was created")
      continue
    }
    const ends = (holder: { readonly owner: unknown; readonly token: number } | null | undefined): void => {
      if (holder?.token !== card.holder?.token || holder?.owner !== card.holder?.owner) breach("names another holder")
      card.holder = undefined
    }
    switch (event.type) {
      case "CardClaimed": {
        if (card.holder !== undefined) breach(`held by ${String(card.holder.owner)}`)
        if (card.status !== "ready") breach(`while ${card.status}`)
        for (const id of card.dependsOn) if (cards.get(id)?.status !== "done") breach(`while it waited for ${id}`)
        const token = tokenOf(event)
        if (token <= card.lastToken) breach("with a token that is not greater than the last")
        card.holder = { owner: data["owner"], token }
        card.lastToken = token
        card.status = "claimed"
        break
      }
      case "ClaimRenewed":
        if (data["token"] !== card.holder?.token) breach("by a worker that does not hold it")
        break
      case "CardReleased":
      case "CardReclaimed":
        ends({ owner: data["owner"], token: Number(data["token"]) })
        if (data["why"] === "expired" && event.occurredAt.getTime() < Date.parse(data["expiresAt"] ?? "")) {
          breach("before its lease had ended")
        }
        card.status = "ready"
        break
      case "CardBlocked":
        ends(data["endedClaim"])
        card.status = "blocked"
        break
      case "CardUnblocked":
        card.status = "ready"
        break
      case "CardCompleted": {
        ends(data["claim"])
        const waited = [...card.dependsOn].filter((id) => cards.get(id)?.status !== "done").sort()
        const overrode: ReadonlyArray<string> = data["overrode"] ?? []
        if (JSON.stringify(waited) !== JSON.stringify([...overrode].sort())) breach(`overrode ${overrode.join()}`)
        card.status = "done"
        break
      }
      case "CardReopened":
        if (card.status !== "done") breach(`while ${card.status}`)
        card.status = "ready"
        break
      case "CardLinked":
        card.dependsOn.add(data["dependsOn"] ?? "")
        break
      case "CardUnlinked":
        card.dependsOn.delete(data["dependsOn"] ?? "")
        break
      case "CardRevised":
      case "CardRedacted":
        break
      default:
        breach("unknown")
    }
  }
  return breaches
}

/** The number of completions of each card. */
export const completionsOf = (log: ReadonlyArray<EventRow>): ReadonlyMap<string, number> => {
  const completions = new Map<string, number>()
  for (const event of log) {
    const count = completions.get(event.cardId) ?? 0
    completions.set(event.cardId, count + (event.type === "CardCompleted" ? 1 : 0))
  }
  return completions
}
