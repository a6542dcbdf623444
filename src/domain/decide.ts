import { DateTime, Result } from "effect"
import { addToAttempts, describeExhaustion } from "./Attempts.ts"
import { type Card, defaultTtlSeconds, maxLabels } from "./Card.ts"
import { type CardId, compareIds } from "./CardId.ts"
import { isClaimable, isExpired } from "./Claimability.ts"
import type { ClaimFilter, ClaimRequest, CommandOf, IdentifiedCard, IdentifiedCommand } from "./Command.ts"
import { type BacklogView, type ClaimView, type Decision, noEvents, oneEvent, withCard } from "./Decision.ts"
import { findCycle, findPath } from "./DependencyGraph.ts"
import type { DecidedEvent, Event } from "./Event.ts"
import { claimLost, currentClaim, endedClaim, type HeldClaim, withClaim } from "./HeldClaim.ts"
import { copyJson, jsonEquals } from "./Json.ts"
import {
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  DependencyCycle,
  DependencyNotFound,
  SelfDependency,
  TooManyLabels
} from "./Rejection.ts"
import { sortIds } from "./evolve.ts"
import { addSeconds } from "./Time.ts"

/**
 * Decides a command at `now`, the time of the database. Returns its events, or the rejection by the rule that refuses it. Pure and
 * total. The interpreter decides the commands of a batch one after the other, each on the state that the previous ones left.
 */
export const decide = (backlog: BacklogView, command: IdentifiedCommand, now: DateTime.Utc): Decision => {
  switch (command._tag) {
    case "Create":
      return create(backlog, [command])
    case "CreateMany":
      return create(backlog, command.cards)
    case "Revise":
      return withCard(backlog, command.id, (card) => revise(card, command))
    case "Note":
      return withCard(backlog, command.id, (card) => note(card, command))
    case "Claim":
      return command.id === undefined
        ? claimNext(backlog, command, 1, now)
        : claimById(backlog, command, command.id, now)
    case "ClaimMany":
      return claimNext(backlog, command, command.limit, now)
    case "Renew":
      return withClaim(backlog, command, (card, claim) => renew(card, claim, command, now))
    case "Release":
      return withClaim(backlog, command, (card, claim) => release(backlog, card, claim, command, now))
    case "Reclaim":
      return command.id === undefined ? reclaimExpired(backlog, now) : reclaimById(backlog.card(command.id), now)
    case "Link":
      return withCard(backlog, command.from, (card) => link(backlog, card, command.to))
    case "Unlink":
      return withCard(backlog, command.from, (card) => unlink(card, command.to))
    case "Block":
      return withCard(backlog, command.id, (card) => block(card, command))
    case "Unblock":
      return withCard(backlog, command.id, (card) => unblock(card, command))
    case "Complete":
      return withCard(backlog, command.id, (card) => completeAndClaim(backlog, card, command, now))
    case "Reopen":
      return withCard(backlog, command.id, (card) => reopen(card, command))
  }
}

/** The claim of a card: the same event for each card that the request may take. */
export const claimEvent = (
  { owner, ttlSeconds = defaultTtlSeconds }: Pick<ClaimRequest, "owner" | "ttlSeconds">,
  generation: number,
  now: DateTime.Utc
): Extract<Event, { readonly _tag: "CardClaimed" }> => ({
  _tag: "CardClaimed",
  owner,
  ttlSeconds,
  expiresAt: addSeconds(now, ttlSeconds),
  generation
})

const reclaimEvent = (card: Card, claim: HeldClaim, why: "expired" | "requested" | "restored"): DecidedEvent => ({
  cardId: card.id,
  event: { _tag: "CardReclaimed", owner: claim.owner, token: claim.token, expiresAt: claim.expiresAt, why }
})

const claimById = (backlog: BacklogView, command: CommandOf<"Claim">, id: CardId, now: DateTime.Utc): Decision => {
  const card = backlog.card(id)
  if (card === undefined) return noEvents
  const reclaimed = reclaimIfExpired(card, now)
  const open: Pick<Card, "status" | "notBefore"> = reclaimed.length > 0 ? { ...card, status: "ready" } : card
  return isClaimable(open, backlog.unmetDependencies(id), now)
    ? Result.succeed([
        ...reclaimed,
        blockIfExhausted(backlog, card, command, reclaimed, now) ?? {
          cardId: id,
          event: claimEvent(command, backlog.generation, now)
        }
      ])
    : Result.succeed(reclaimed)
}

/** The block of a card that has used up its attempts, including the one that `reclaimed` ends. `undefined` if some remain. */
const blockIfExhausted = (
  backlog: Pick<BacklogView, "attemptsAt">,
  card: Card,
  { maxAttempts }: ClaimRequest,
  reclaimed: ReadonlyArray<DecidedEvent>,
  now: DateTime.Utc
): DecidedEvent | undefined => {
  // At most as many attempts have failed as there were.
  if (maxAttempts === undefined || card.attempts < maxAttempts) return undefined
  const { failed } = reclaimed.reduce(
    (attempts, decided) => addToAttempts(attempts, { event: decided.event, occurredAt: now }),
    backlog.attemptsAt(card.id)
  )
  return failed.length < maxAttempts
    ? undefined
    : {
        cardId: card.id,
        event: { _tag: "CardBlocked", reason: describeExhaustion(failed, maxAttempts), endedClaim: null }
      }
}

/**
 * Claims up to `limit` cards, the best first. All expired claims are reclaimed first, so that the best card is chosen among
 * all cards without a live claim. A card that has used up its attempts is blocked, and the next card is claimed instead.
 */
const claimNext = (backlog: ClaimView, request: ClaimRequest, limit: number, now: DateTime.Utc): Decision => {
  const reclaimed = backlog.expiredClaims(now).flatMap((card) => reclaimIfExpired(card, now))
  const freed = new Map(reclaimed.map((event) => [event.cardId, [event]]))
  const events: Array<DecidedEvent> = []
  let claims = 0
  for (const card of backlog.claimCandidates(now)) {
    if (!matchesFilter(card, request)) continue
    const open: Pick<Card, "status" | "notBefore"> = freed.has(card.id) ? { ...card, status: "ready" } : card
    if (!isClaimable(open, backlog.unmetDependencies(card.id), now)) continue
    const block = blockIfExhausted(backlog, card, request, freed.get(card.id) ?? [], now)
    events.push(block ?? { cardId: card.id, event: claimEvent(request, backlog.generation, now) })
    if (block === undefined && ++claims === limit) break
  }
  return Result.succeed([...reclaimed, ...events])
}

/** Whether a card matches the filter of a claim. */
export const matchesFilter = (
  { labels, phase, priority }: Pick<Card, "labels" | "phase" | "priority">,
  filter: ClaimFilter
): boolean =>
  (filter.phase === undefined || phase === filter.phase) &&
  priority >= (filter.minPriority ?? -Infinity) &&
  (filter.labels === undefined || filter.labels.every((label) => labels.includes(label))) &&
  (filter.withoutLabels === undefined || !filter.withoutLabels.some((label) => labels.includes(label)))

const reclaimIfExpired = (card: Card, now: DateTime.Utc): ReadonlyArray<DecidedEvent> => {
  const claim = currentClaim(card)
  return claim !== undefined && isExpired(card, now) ? [reclaimEvent(card, claim, "expired")] : []
}

const renew = (card: Card, claim: HeldClaim, command: CommandOf<"Renew">, now: DateTime.Utc): Decision => {
  const { owner, token } = claim
  const ttlSeconds = command.ttlSeconds ?? claim.ttlSeconds
  const expiresAt = addSeconds(now, ttlSeconds)
  const events: Array<DecidedEvent> = []
  if (ttlSeconds !== claim.ttlSeconds || !DateTime.Equivalence(expiresAt, claim.expiresAt)) {
    events.push({ cardId: card.id, event: { _tag: "ClaimRenewed", owner, token, ttlSeconds, expiresAt } })
  }
  if (command.note != null) {
    events.push({ cardId: card.id, event: { _tag: "CardNoted", text: command.note, claim: { owner, token } } })
  }
  return Result.succeed(events)
}

const note = (card: Card, { text, token }: CommandOf<"Note">): Decision => {
  if (token === undefined) return oneEvent(card.id, { _tag: "CardNoted", text, claim: null })
  const claim = currentClaim(card)
  return claim !== undefined && claim.token === token
    ? oneEvent(card.id, { _tag: "CardNoted", text, claim: { owner: claim.owner, token } })
    : claimLost(card, token)
}

const release = (
  backlog: BacklogView,
  card: Card,
  claim: HeldClaim,
  command: CommandOf<"Release">,
  now: DateTime.Utc
): Decision => {
  const { maxAttempts, reason = null, retryAfterSeconds = 0 } = command
  const event = {
    _tag: "CardReleased",
    owner: claim.owner,
    token: claim.token,
    reason,
    notBefore: retryAfterSeconds === 0 ? null : addSeconds(now, retryAfterSeconds)
  } as const
  if (maxAttempts === undefined || card.attempts < maxAttempts) return oneEvent(card.id, event)
  const { failed } = addToAttempts(backlog.attemptsAt(card.id), { event, occurredAt: now })
  return event.notBefore === null || failed.length < maxAttempts
    ? oneEvent(card.id, event)
    : oneEvent(card.id, {
        _tag: "CardBlocked",
        reason: describeExhaustion(failed, maxAttempts),
        endedClaim: endedClaim(card)
      })
}

const reclaimExpired = (backlog: BacklogView, now: DateTime.Utc): Decision =>
  Result.succeed(backlog.expiredClaims(now).flatMap((card) => reclaimIfExpired(card, now)))

const reclaimById = (card: Card | undefined, now: DateTime.Utc): Decision => {
  const claim = card === undefined ? undefined : currentClaim(card)
  return card === undefined || claim === undefined
    ? noEvents
    : Result.succeed([reclaimEvent(card, claim, isExpired(card, now) ? "expired" : "requested")])
}

/** Ends the claims on cards after a restore: the log may lack the last commands of their holders. */
export const reclaimRestored = (cards: Iterable<Card>): ReadonlyArray<DecidedEvent> => {
  const events: Array<DecidedEvent> = []
  for (const card of cards) {
    const claim = currentClaim(card)
    if (claim !== undefined) events.push(reclaimEvent(card, claim, "restored"))
  }
  return events
}

/** Creates all cards or none, in any order: a dependency may be created later, or not exist. */
const create = (backlog: BacklogView, cards: ReadonlyArray<IdentifiedCard>): Decision => {
  const events: Array<DecidedEvent> = []
  const dependenciesOfNew = new Map<CardId, ReadonlyArray<CardId>>()
  const keysOfNew = new Set<string>()
  for (const card of cards) {
    const key = card.idempotencyKey ?? null
    if (key !== null && (keysOfNew.has(key) || backlog.cardWithKey(key) !== undefined)) continue
    if (backlog.card(card.id) !== undefined || dependenciesOfNew.has(card.id)) {
      return Result.fail(new CardAlreadyExists({ id: card.id }))
    }
    const dependsOn = sortIds(card.dependsOn ?? [])
    if (dependsOn.includes(card.id)) return Result.fail(new SelfDependency({ id: card.id }))
    dependenciesOfNew.set(card.id, dependsOn)
    if (key !== null) keysOfNew.add(key)
    const status = card.status ?? "ready"
    events.push({
      cardId: card.id,
      event: {
        _tag: "CardCreated",
        title: card.title,
        body: card.body ?? null,
        phase: card.phase ?? null,
        // Turns -0 into 0: the database does not store -0.
        priority: card.priority || 0,
        status,
        dependsOn,
        acceptance: copyJson(card.acceptance ?? null),
        idempotencyKey: key,
        blockedReason: status === "blocked" ? (card.blockedReason ?? null) : null,
        labels: sortLabels(card.labels ?? []),
        notBefore: card.notBefore ?? null
      }
    })
  }
  const cycle = findCycle(dependenciesOfNew.keys(), (id) => dependenciesOfNew.get(id) ?? backlog.dependenciesOf(id))
  if (cycle !== undefined) return Result.fail(dependencyCycle(cycle, dependenciesOfNew))
  return Result.succeed(events)
}

/** The error of a cycle, which starts at a card that was to be created, because the caller can change that one. */
const dependencyCycle = (cycle: ReadonlyArray<CardId>, created: ReadonlyMap<CardId, unknown>): DependencyCycle => {
  const steps = cycle.slice(0, -1)
  const at = Math.max(
    0,
    steps.findIndex((id) => created.has(id))
  )
  const path = [...steps.slice(at), ...steps.slice(0, at), steps[at]] as ReadonlyArray<CardId>
  return new DependencyCycle({ id: path[0] as CardId, dependsOn: path[1] as CardId, path })
}

/** Sorts labels and removes duplicates. */
const sortLabels = (labels: Iterable<string>): ReadonlyArray<string> => [...new Set(labels)].sort(compareIds)

/** Changes the fields that are given and differ. */
const revise = (card: Card, command: CommandOf<"Revise">): Decision => {
  const changes: { -readonly [K in keyof Omit<Extract<Event, { _tag: "CardRevised" }>, "_tag">]: unknown } = {}
  for (const field of ["title", "body", "phase", "priority", "acceptance"] as const) {
    const value = command[field]
    if (value !== undefined && !jsonEquals(value, card[field])) changes[field] = copyJson(value)
  }
  const { addLabels = [], notBefore, removeLabels = [] } = command
  const labels = sortLabels([...card.labels.filter((label) => !removeLabels.includes(label)), ...addLabels])
  if (labels.length > maxLabels) return Result.fail(new TooManyLabels({ id: card.id, count: labels.length }))
  if (labels.join("\n") !== card.labels.join("\n")) changes.labels = labels
  if (notBefore !== undefined && notBefore?.epochMilliseconds !== card.notBefore?.epochMilliseconds) {
    const claim = currentClaim(card)
    if (claim !== undefined) {
      return Result.fail(new CardIsClaimed({ id: card.id, holder: claim.owner, expiresAt: claim.expiresAt }))
    }
    changes.notBefore = notBefore
  }
  return Object.keys(changes).length === 0
    ? noEvents
    : oneEvent(card.id, { _tag: "CardRevised", ...changes } as Extract<Event, { _tag: "CardRevised" }>)
}

const link = (backlog: BacklogView, card: Card, dependsOn: CardId): Decision => {
  if (card.id === dependsOn) return Result.fail(new SelfDependency({ id: card.id }))
  if (card.dependsOn.includes(dependsOn)) return noEvents
  if (!backlog.exists(dependsOn)) return Result.fail(new DependencyNotFound({ id: card.id, dependsOn }))
  const back = backlog.hasDependents(card.id)
    ? findPath([dependsOn], card.id, (id) => backlog.dependenciesOf(id))
    : undefined
  return back === undefined
    ? oneEvent(card.id, { _tag: "CardLinked", dependsOn })
    : Result.fail(new DependencyCycle({ id: card.id, dependsOn, path: [card.id, ...back] }))
}

const unlink = (card: Card, dependsOn: CardId): Decision =>
  card.dependsOn.includes(dependsOn) ? oneEvent(card.id, { _tag: "CardUnlinked", dependsOn }) : noEvents

const block = (card: Card, command: CommandOf<"Block">): Decision => {
  const reason = command.reason ?? null
  if (command.token !== undefined && currentClaim(card)?.token !== command.token) return claimLost(card, command.token)
  if (card.status === "done") return Result.fail(new CardIsDone({ id: card.id }))
  if (card.status === "blocked" && card.blockedReason === reason) return noEvents
  return oneEvent(card.id, { _tag: "CardBlocked", reason, endedClaim: endedClaim(card) })
}

const unblock = (card: Card, command: CommandOf<"Unblock">): Decision => {
  if (card.status === "done") return Result.fail(new CardIsDone({ id: card.id }))
  return card.status === "blocked"
    ? oneEvent(card.id, { _tag: "CardUnblocked", reason: command.reason ?? null })
    : noEvents
}

const complete = (backlog: BacklogView, card: Card, command: CommandOf<"Complete">): Decision => {
  if (card.status === "done") return noEvents
  const claim = currentClaim(card)
  const forced = command.force === true
  if (command.token !== undefined && !forced && claim?.token !== command.token) return claimLost(card, command.token)
  if (claim !== undefined && command.token === undefined && !forced) {
    return Result.fail(new CardIsClaimed({ id: card.id, holder: claim.owner, expiresAt: claim.expiresAt }))
  }
  return oneEvent(card.id, {
    _tag: "CardCompleted",
    result: copyJson(command.result ?? null),
    overrode: card.dependsOn.filter((id) => !backlog.isDone(id)),
    forced,
    claim: endedClaim(card)
  })
}

const completeAndClaim = (
  backlog: BacklogView,
  card: Card,
  command: CommandOf<"Complete">,
  now: DateTime.Utc
): Decision => {
  const completed = complete(backlog, card, command)
  const { claimNext: next } = command
  return next === undefined
    ? completed
    : Result.flatMap(completed, (events) =>
        Result.map(claimNext(viewAfterCompletion(backlog, card), next, 1, now), (claims) => [...events, ...claims])
      )
}

/** The backlog after a card's completion, as the next claim of the same command sees it. */
const viewAfterCompletion = (backlog: BacklogView, completed: Card): ClaimView => {
  const isOther = ({ id }: Card) => id !== completed.id
  return {
    generation: backlog.generation,
    attemptsAt: (id) => backlog.attemptsAt(id),
    unmetDependencies: (id) =>
      backlog.unmetDependencies(id) -
      (completed.status !== "done" && backlog.dependenciesOf(id).includes(completed.id) ? 1 : 0),
    *claimCandidates(now) {
      for (const card of backlog.claimCandidates(now)) if (isOther(card)) yield card
    },
    expiredClaims: (now) => backlog.expiredClaims(now).filter(isOther)
  }
}

const reopen = (card: Card, command: CommandOf<"Reopen">): Decision =>
  card.status === "done" ? oneEvent(card.id, { _tag: "CardReopened", reason: command.reason ?? null }) : noEvents
