import type { ClaimOutlook } from "../domain/ClaimOutlook.ts"
import type { Claimability } from "../domain/CardFilter.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import type { Explanation } from "../domain/Explanation.ts"
import type { Stats } from "../domain/Stats.ts"
import type { Model, ModelCard } from "./Model.ts"

/** Returns the dependencies of a card that are not done or do not exist. */
export const unmetDependencies = ({ cards }: Pick<Model, "cards">, card: ModelCard): ReadonlyArray<string> =>
  card.dependsOn.filter((id) => cards.get(id)?.status !== "done")

/** Whether a card has no retry time, or it has passed. */
export const isDue = (card: ModelCard, now: number): boolean =>
  card.notBefore === null || Date.parse(card.notBefore) <= now

/** Whether a card is claimable at `now`, in milliseconds since 1970. */
export const isClaimable = (model: Pick<Model, "cards">, card: ModelCard, now: number): boolean =>
  card.status === "ready" && unmetDependencies(model, card).length === 0 && isDue(card, now)

/** Whether a card's lease has expired. */
export const isExpired = (card: ModelCard, now: number): boolean =>
  card.status === "claimed" && card.claimExpiresAt !== null && Date.parse(card.claimExpiresAt) <= now

/** Compares ids by Unicode code point, which is the order of their UTF-8 bytes. */
export const byId = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

/** Compares cards in claim order, which is also the order of lists: higher priority, then older, then by id. */
export const byClaimOrder = (left: ModelCard, right: ModelCard): number =>
  right.priority - left.priority || Date.parse(left.createdAt) - Date.parse(right.createdAt) || byId(left.id, right.id)

/** Whether a card matches the filter of a claim. */
export const matchesFilter = (
  card: ModelCard,
  { labels = [], minPriority, phase, withoutLabels = [] }: ClaimFilter
): boolean =>
  (phase === undefined || card.phase === phase) &&
  (minPriority === undefined || card.priority >= minPriority) &&
  labels.every((label) => card.labels.includes(label)) &&
  !withoutLabels.some((label) => card.labels.includes(label))

/** Filters of `listCards`. */
export interface ModelListOptions extends ClaimFilter {
  readonly status?: ModelCard["status"]
  readonly claimability?: Claimability
  readonly owner?: string
  readonly maxPriority?: number
}

/** Whether a card has a claimability at `now`, in milliseconds since 1970. */
const isClaimability = (
  model: Pick<Model, "cards">,
  card: ModelCard,
  now: number,
  claimability: Claimability
): boolean => {
  const waits = unmetDependencies(model, card).length > 0
  switch (claimability) {
    case "claimable":
      return isClaimable(model, card, now)
    case "waiting":
      return card.status === "ready" && waits
    case "deferred":
      return card.status === "ready" && !waits && !isDue(card, now)
    case "expired":
      return isExpired(card, now)
  }
}

/** Returns what `BacklogService.list` returns at `now`, in milliseconds since 1970. */
export const listCards = (
  model: Pick<Model, "cards">,
  now: number,
  { claimability, maxPriority, owner, status, ...filter }: ModelListOptions = {}
): ReadonlyArray<ModelCard> =>
  [...model.cards.values()]
    .filter((card) => status === undefined || card.status === status)
    .filter((card) => claimability === undefined || isClaimability(model, card, now, claimability))
    .filter((card) => owner === undefined || card.claimOwner === owner)
    .filter((card) => maxPriority === undefined || card.priority <= maxPriority)
    .filter((card) => matchesFilter(card, filter))
    .sort(byClaimOrder)

/** Returns what `BacklogService.stats` returns at `now`, in milliseconds since 1970. */
export const computeStats = (model: Pick<Model, "cards">, now: number): Stats => {
  const cards = [...model.cards.values()]
  const ready = cards.filter((card) => card.status === "ready")
  const count = (status: ModelCard["status"]): number => cards.filter((card) => card.status === status).length
  return {
    counts: { ready: ready.length, claimed: count("claimed"), blocked: count("blocked"), done: count("done") },
    total: cards.length,
    claimable: ready.filter((card) => isClaimable(model, card, now)).length,
    waiting: ready.filter((card) => unmetDependencies(model, card).length > 0).length,
    oldestReadyAgeSeconds:
      ready.length === 0 ? null : (now - Math.min(...ready.map((card) => Date.parse(card.createdAt)))) / 1000,
    expiredClaimCount: cards.filter((card) => isExpired(card, now)).length
  }
}

/** Returns what `BacklogService.explain` returns at `now`, as JSON; `undefined` when the card does not exist. */
export const explainCard = (
  model: Pick<Model, "cards">,
  id: string,
  now: number
): typeof Explanation.Encoded | undefined => {
  const card = model.cards.get(id)
  if (card === undefined) return undefined
  const obstacles: Array<(typeof Explanation.Encoded)["obstacles"][number]> = []
  if (card.status === "claimed") {
    obstacles.push({
      _tag: "Claimed",
      holder: card.claimOwner ?? "",
      expiresAt: card.claimExpiresAt ?? "",
      expired: isExpired(card, now)
    })
  }
  if (card.status === "blocked") obstacles.push({ _tag: "Blocked", reason: card.blockedReason })
  if (card.status === "done") obstacles.push({ _tag: "Done", completedAt: card.completedAt })
  if (card.status === "ready" && card.notBefore !== null && !isDue(card, now)) {
    obstacles.push({ _tag: "NotYet", notBefore: card.notBefore })
  }
  const unmet = unmetDependencies(model, card)
  if (card.status !== "done" && unmet.length > 0) {
    obstacles.push({
      _tag: "UnmetDependencies",
      dependencies: unmet.map((dependency) => ({
        id: dependency,
        status: model.cards.get(dependency)?.status ?? null
      }))
    })
  }
  return { id, status: card.status, claimable: obstacles.length === 0, obstacles }
}

const firstBy = (order: (left: ModelCard, right: ModelCard) => number, cards: ReadonlyArray<ModelCard>) =>
  [...cards].sort(order)[0]

/** Returns what `BacklogService.whyNothingClaimable` returns at `now`, as JSON. */
export const whyNothingClaimable = (
  model: Pick<Model, "cards">,
  now: number,
  filter: ClaimFilter = {}
): typeof ClaimOutlook.Encoded => {
  const all = [...model.cards.values()]
  const open = all.filter((card) => card.status !== "done")
  const chosen = open.filter((card) => matchesFilter(card, filter))
  const unmet = (card: ModelCard): number => unmetDependencies(model, card).length
  const held = chosen.filter((card) => card.status === "claimed" && !isExpired(card, now))
  const blocked = chosen.filter((card) => card.status === "blocked")
  // The cards that the next claim chooses from: it reclaims every expired claim.
  const free = chosen.filter((card) => !held.includes(card) && !blocked.includes(card))
  const waiting = free.filter((card) => unmet(card) > 0)
  const deferred = free.filter((card) => unmet(card) === 0 && !isDue(card, now))
  const claimable = free.length - waiting.length - deferred.length
  const expiry = firstBy(
    (one, other) =>
      Date.parse(one.claimExpiresAt ?? "") - Date.parse(other.claimExpiresAt ?? "") || byId(one.id, other.id),
    held.filter((card) => unmet(card) === 0)
  )
  const retry = firstBy(
    (one, other) => Date.parse(one.notBefore ?? "") - Date.parse(other.notBefore ?? "") || byId(one.id, other.id),
    deferred
  )
  const nearest = firstBy((one, other) => unmet(one) - unmet(other) || byClaimOrder(one, other), waiting)
  const reasons = [
    [claimable > 0, "Claimable"],
    [all.length === 0, "Empty"],
    [open.length === 0, "Done"],
    [chosen.length === 0, "NoneChosen"],
    [held.length > 0, "Claimed"],
    [deferred.length > 0, "Deferred"],
    [waiting.length > 0, "Waiting"]
  ] as const
  return {
    reason: reasons.find(([applies]) => applies)?.[1] ?? "Blocked",
    counts: {
      claimable,
      claimed: held.length,
      deferred: deferred.length,
      waiting: waiting.length,
      blocked: blocked.length
    },
    soonestExpiry:
      expiry === undefined
        ? null
        : { id: expiry.id, holder: expiry.claimOwner ?? "", expiresAt: expiry.claimExpiresAt ?? "" },
    soonestRetry: retry === undefined ? null : { id: retry.id, notBefore: retry.notBefore ?? "" },
    nearest:
      nearest === undefined
        ? null
        : {
            id: nearest.id,
            unmetDependencies: unmet(nearest),
            waitsFor: unmetDependencies(model, nearest)
              .slice(0, 10)
              .map((id) => ({ id, status: model.cards.get(id)?.status ?? null }))
          }
  }
}
