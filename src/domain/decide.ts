import { DateTime, Result } from "effect"
import type { BacklogView } from "./BacklogView.ts"
import { type Card, defaultTtlSeconds } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import { isClaimable, isExpired } from "./Claimability.ts"
import type { Command, CommandOf, NewCard } from "./Command.ts"
import { findCycle, findPath } from "./DependencyGraph.ts"
import type { DecidedEvent, Event } from "./Event.ts"
import { sortedIds } from "./evolve.ts"
import {
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  ClaimLost,
  DependencyCycle,
  DependencyNotFound,
  type Rejection,
  SelfDependency
} from "./Rejection.ts"

/** What a command leads to: events, in order, or the rule that refuses it. No events means "already so". */
export type Decision = Result.Result<ReadonlyArray<DecidedEvent>, Rejection>

/** Decides a command on the backlog as it stands at `now`, the database's clock. Pure and total. */
export const decide = (backlog: BacklogView, command: Command, now: DateTime.Utc): Decision => {
  switch (command._tag) {
    case "Create":
      return create(backlog, [command])
    case "CreateMany":
      return create(backlog, command.cards)
    case "Revise":
      return withCard(backlog, command.id, (card) => revise(card, command))
    case "Claim":
      return command.id === undefined ? claimNext(backlog, command, now) : claimById(backlog, command, command.id, now)
    case "Renew":
      return withClaim(backlog, command, (card, claim) => renew(card, claim, command, now))
    case "Release":
      return withClaim(backlog, command, (card, claim) => release(card, claim, command, now))
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
      return withCard(backlog, command.id, (card) => complete(backlog, card, command))
    case "Reopen":
      return withCard(backlog, command.id, (card) => reopen(card, command))
  }
}

const alreadySo: Decision = Result.succeed([])

const one = (cardId: CardId, event: Event): Decision => Result.succeed([{ cardId, event }])

const withCard = (backlog: BacklogView, id: CardId, decideOn: (card: Card) => Decision): Decision => {
  const card = backlog.card(id)
  return card === undefined ? Result.fail(new CardNotFound({ id })) : decideOn(card)
}

/** A claim on a card: the part of it that is there exactly while the card is claimed. */
interface HeldClaim {
  readonly owner: string
  readonly token: number
  readonly ttlSeconds: number
  readonly expiresAt: DateTime.Utc
}

const claimOn = (card: Card): HeldClaim | undefined =>
  card.status === "claimed" &&
  card.claimOwner !== null &&
  card.claimToken !== null &&
  card.claimTtlSeconds !== null &&
  card.claimExpiresAt !== null
    ? {
        owner: card.claimOwner,
        token: card.claimToken,
        ttlSeconds: card.claimTtlSeconds,
        expiresAt: card.claimExpiresAt
      }
    : undefined

const claimLost = (card: Card, token: number): Decision =>
  Result.fail(
    new ClaimLost({ id: card.id, token, status: card.status, holder: card.claimOwner, expiresAt: card.claimExpiresAt })
  )

/** The fence: only who shows the current token may go on. */
const withClaim = (
  backlog: BacklogView,
  command: { readonly id: CardId; readonly token: number },
  decideOn: (card: Card, claim: HeldClaim) => Decision
): Decision =>
  withCard(backlog, command.id, (card) => {
    const claim = claimOn(card)
    return claim === undefined || claim.token !== command.token ? claimLost(card, command.token) : decideOn(card, claim)
  })

const create = (backlog: BacklogView, cards: ReadonlyArray<NewCard>): Decision => {
  const events: Array<DecidedEvent> = []
  const dependenciesOfNew = new Map<CardId, ReadonlyArray<CardId>>()
  const keysOfNew = new Set<string>()
  for (const card of cards) {
    const key = card.idempotencyKey ?? null
    if (key !== null && (keysOfNew.has(key) || backlog.cardWithKey(key) !== undefined)) continue
    if (backlog.card(card.id) !== undefined || dependenciesOfNew.has(card.id)) {
      return Result.fail(new CardAlreadyExists({ id: card.id }))
    }
    const dependsOn = sortedIds(card.dependsOn ?? [])
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
        priority: card.priority ?? 0,
        status,
        dependsOn,
        acceptance: card.acceptance ?? null,
        idempotencyKey: key,
        blockedReason: status === "blocked" ? (card.blockedReason ?? null) : null
      }
    })
  }
  const cycle = findCycle(dependenciesOfNew.keys(), (id) => dependenciesOfNew.get(id) ?? backlog.dependenciesOf(id))
  if (cycle !== undefined) return Result.fail(cycleThroughNew(cycle, dependenciesOfNew))
  return Result.succeed(events)
}

/** Names a card of the cycle that was to be created: the caller can change that one. */
const cycleThroughNew = (cycle: ReadonlyArray<CardId>, created: ReadonlyMap<CardId, unknown>): DependencyCycle => {
  const steps = cycle.slice(0, -1)
  const at = Math.max(
    0,
    steps.findIndex((id) => created.has(id))
  )
  const path = [...steps.slice(at), ...steps.slice(0, at), steps[at]] as ReadonlyArray<CardId>
  return new DependencyCycle({ id: path[0] as CardId, dependsOn: path[1] as CardId, path })
}

const revise = (card: Card, command: CommandOf<"Revise">): Decision => {
  const changes: { -readonly [K in keyof Omit<Extract<Event, { _tag: "CardRevised" }>, "_tag">]: unknown } = {}
  for (const field of ["title", "body", "phase", "priority", "acceptance"] as const) {
    const value = command[field]
    if (value !== undefined && !sameJson(value, card[field])) changes[field] = value
  }
  return Object.keys(changes).length === 0
    ? alreadySo
    : one(card.id, { _tag: "CardRevised", ...changes } as Extract<Event, { _tag: "CardRevised" }>)
}

/** Whether two JSON values are the same, whatever the order of their keys. */
const sameJson = (left: unknown, right: unknown): boolean => {
  if (left === right) return true
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every(
      (key) =>
        Object.hasOwn(right, key) &&
        sameJson((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key])
    )
  )
}

const claimed = (card: Card, command: CommandOf<"Claim">, now: DateTime.Utc): DecidedEvent => {
  const ttlSeconds = command.ttlSeconds ?? defaultTtlSeconds
  return {
    cardId: card.id,
    event: {
      _tag: "CardClaimed",
      owner: command.owner,
      ttlSeconds,
      expiresAt: DateTime.add(now, { seconds: ttlSeconds })
    }
  }
}

const reclaimed = (card: Card, claim: HeldClaim, why: "expired" | "requested"): DecidedEvent => ({
  cardId: card.id,
  event: { _tag: "CardReclaimed", owner: claim.owner, token: claim.token, expiresAt: claim.expiresAt, why }
})

const claimById = (backlog: BacklogView, command: CommandOf<"Claim">, id: CardId, now: DateTime.Utc): Decision => {
  const card = backlog.card(id)
  if (card === undefined) return alreadySo
  const takenOver = takeOverIfExpired(card, now)
  const open: Pick<Card, "status" | "notBefore"> = takenOver.length > 0 ? { ...card, status: "ready" } : card
  return isClaimable(open, backlog.unmetDependencies(id), now)
    ? Result.succeed([...takenOver, claimed(card, command, now)])
    : Result.succeed(takenOver)
}

/** Expired claims are taken back first, all of them, so that the best card is chosen among everything that is free. */
const claimNext = (backlog: BacklogView, command: CommandOf<"Claim">, now: DateTime.Utc): Decision => {
  const takenOver = Array.from(backlog.claimedCards()).flatMap((card) => takeOverIfExpired(card, now))
  const freed = new Set(takenOver.map((event) => event.cardId))
  for (const card of backlog.claimCandidates()) {
    const open: Pick<Card, "status" | "notBefore"> = freed.has(card.id) ? { ...card, status: "ready" } : card
    if (isClaimable(open, backlog.unmetDependencies(card.id), now)) {
      return Result.succeed([...takenOver, claimed(card, command, now)])
    }
  }
  return Result.succeed(takenOver)
}

const takeOverIfExpired = (card: Card, now: DateTime.Utc): ReadonlyArray<DecidedEvent> => {
  const claim = claimOn(card)
  return claim !== undefined && isExpired(card, now) ? [reclaimed(card, claim, "expired")] : []
}

const renew = (card: Card, claim: HeldClaim, command: CommandOf<"Renew">, now: DateTime.Utc): Decision => {
  const ttlSeconds = command.ttlSeconds ?? claim.ttlSeconds
  const expiresAt = DateTime.add(now, { seconds: ttlSeconds })
  return ttlSeconds === claim.ttlSeconds && DateTime.Equivalence(expiresAt, claim.expiresAt)
    ? alreadySo
    : one(card.id, { _tag: "ClaimRenewed", owner: claim.owner, token: claim.token, ttlSeconds, expiresAt })
}

const release = (card: Card, claim: HeldClaim, command: CommandOf<"Release">, now: DateTime.Utc): Decision =>
  one(card.id, {
    _tag: "CardReleased",
    owner: claim.owner,
    token: claim.token,
    reason: command.reason ?? null,
    notBefore:
      command.retryAfterSeconds === undefined || command.retryAfterSeconds === 0
        ? null
        : DateTime.add(now, { seconds: command.retryAfterSeconds })
  })

const reclaimExpired = (backlog: BacklogView, now: DateTime.Utc): Decision =>
  Result.succeed(Array.from(backlog.claimedCards()).flatMap((card) => takeOverIfExpired(card, now)))

const reclaimById = (card: Card | undefined, now: DateTime.Utc): Decision => {
  const claim = card === undefined ? undefined : claimOn(card)
  return card === undefined || claim === undefined
    ? alreadySo
    : Result.succeed([reclaimed(card, claim, isExpired(card, now) ? "expired" : "requested")])
}

const link = (backlog: BacklogView, card: Card, dependsOn: CardId): Decision => {
  if (card.id === dependsOn) return Result.fail(new SelfDependency({ id: card.id }))
  if (card.dependsOn.includes(dependsOn)) return alreadySo
  if (!backlog.exists(dependsOn)) return Result.fail(new DependencyNotFound({ id: card.id, dependsOn }))
  const back = backlog.hasDependents(card.id)
    ? findPath([dependsOn], card.id, (id) => backlog.dependenciesOf(id))
    : undefined
  return back === undefined
    ? one(card.id, { _tag: "CardLinked", dependsOn })
    : Result.fail(new DependencyCycle({ id: card.id, dependsOn, path: [card.id, ...back] }))
}

const unlink = (card: Card, dependsOn: CardId): Decision =>
  card.dependsOn.includes(dependsOn) ? one(card.id, { _tag: "CardUnlinked", dependsOn }) : alreadySo

const block = (card: Card, command: CommandOf<"Block">): Decision => {
  const reason = command.reason ?? null
  if (card.status === "done") return Result.fail(new CardIsDone({ id: card.id }))
  if (card.status === "blocked" && card.blockedReason === reason) return alreadySo
  return one(card.id, { _tag: "CardBlocked", reason, endedClaim: held(card) })
}

const held = (card: Card): { readonly owner: string; readonly token: number } | null => {
  const claim = claimOn(card)
  return claim === undefined ? null : { owner: claim.owner, token: claim.token }
}

const unblock = (card: Card, command: CommandOf<"Unblock">): Decision => {
  if (card.status === "done") return Result.fail(new CardIsDone({ id: card.id }))
  return card.status === "blocked"
    ? one(card.id, { _tag: "CardUnblocked", reason: command.reason ?? null })
    : alreadySo
}

const complete = (backlog: BacklogView, card: Card, command: CommandOf<"Complete">): Decision => {
  if (card.status === "done") return alreadySo
  const claim = claimOn(card)
  const forced = command.force === true
  if (command.token !== undefined && !forced && claim?.token !== command.token) return claimLost(card, command.token)
  if (claim !== undefined && command.token === undefined && !forced) {
    return Result.fail(new CardIsClaimed({ id: card.id, holder: claim.owner, expiresAt: claim.expiresAt }))
  }
  return one(card.id, {
    _tag: "CardCompleted",
    result: command.result ?? null,
    overrode: card.dependsOn.filter((id) => !backlog.isDone(id)),
    forced,
    claim: held(card)
  })
}

const reopen = (card: Card, command: CommandOf<"Reopen">): Decision =>
  card.status === "done" ? one(card.id, { _tag: "CardReopened", reason: command.reason ?? null }) : alreadySo
