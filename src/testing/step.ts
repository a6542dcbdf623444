import { DateTime } from "effect"
import type { NewCard } from "../domain/Command.ts"
import {
  type Model,
  type ModelAnswer,
  type ModelCard,
  type ModelCommand,
  type ModelOutcome,
  type ModelRejection,
  noClaim,
  receiptKey,
  sameJson
} from "./Model.ts"
import { byClaimOrder, byId, isClaimable, isExpired, matchesFilter } from "./modelQueries.ts"

/*
 * A second implementation of the rules, as simple as possible: whole states, no events, no facts loaded in advance. It
 * shares no function with the program that is tested against it.
 */

/**
 * Carries out a command on a model at `now`, the database clock in milliseconds since 1970. Returns the model after it, and
 * its outcome. A refused command changes nothing except the receipts. The command must be valid by its schema, and new cards
 * must have ids (`withAnsweredIds`).
 */
export const step = (model: Model, command: ModelCommand, now: number): readonly [Model, ModelOutcome] => {
  const { commandId } = command
  const key = receiptKey(command)
  if (commandId === undefined || key === undefined) {
    return carryOut(model, command, now)
  }
  const receipt = model.receipts.get(key)
  if (receipt !== undefined) {
    return [
      model,
      sameJson(receipt.command, command) ? receipt.outcome : refused({ _tag: "CommandIdConflict", commandId })
    ]
  }
  const [after, outcome] = carryOut(model, command, now)
  return [{ ...after, receipts: new Map([...model.receipts, [key, { command, outcome }]]) }, outcome]
}

/** Returns the model after its log was restored, in a new token generation: every claim has ended. */
export const restoreModel = (model: Model, generation: number, now: number): Model => {
  const cards = new Cards(model)
  for (const card of model.cards.values()) if (card.status === "claimed") endClaim(cards, card, now)
  return { ...model, cards, failures: cards.failures, generation }
}

/** The cards that a command changes, and how the failed attempts at each ended. */
class Cards extends Map<string, ModelCard> {
  readonly failures: Map<string, ReadonlyArray<string>>

  constructor({ cards, failures }: Pick<Model, "cards" | "failures">) {
    super(cards)
    this.failures = new Map(failures)
  }

  addFailure({ attempts, claimOwner, id }: ModelCard, now: number, reason: string | null): void {
    const whole = reason ?? `Attempt ${attempts} failed.`
    const how = whole.length > 300 ? `${whole.slice(0, 300).toWellFormed()}…` : whole
    this.failures.set(id, [...this.failuresOf(id), `${iso(now)} ${claimOwner}: ${how}`])
  }

  failuresOf(id: string): ReadonlyArray<string> {
    return this.failures.get(id) ?? []
  }
}

const refused = (rejection: ModelRejection): ModelOutcome => ({ _tag: "Refused", rejection })

class Refusal extends Error {
  readonly rejection: ModelRejection

  constructor(rejection: ModelRejection) {
    super(rejection._tag)
    this.rejection = rejection
  }
}

const carryOut = (model: Model, command: ModelCommand, now: number): readonly [Model, ModelOutcome] => {
  const cards = new Cards(model)
  try {
    const answer = apply(cards, command, now, model.generation ?? 0)
    return [
      { ...model, cards, failures: cards.failures },
      { _tag: "Answered", answer }
    ]
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal
    return [model, refused(refusal.rejection)]
  }
}

const iso = (time: number): string => new Date(time).toISOString()

/** Changes a card as one event does. */
const change = (cards: Cards, card: ModelCard, now: number, changes: Partial<ModelCard>): ModelCard => {
  const changed = { ...card, ...changes, version: card.version + 1, updatedAt: iso(now) }
  cards.set(card.id, changed)
  return changed
}

const requireCard = (cards: Cards, id: string): ModelCard => {
  const card = cards.get(id)
  if (card === undefined) throw new Refusal({ _tag: "CardNotFound", id })
  return card
}

const failWithClaimLost = ({ claimExpiresAt, claimOwner, id, status }: ModelCard, token: number): never => {
  throw new Refusal({ _tag: "ClaimLost", id, token, status, holder: claimOwner, expiresAt: claimExpiresAt })
}

const requireClaim = (cards: Cards, id: string, token: number): ModelCard => {
  const card = requireCard(cards, id)
  return card.claimToken === token ? card : failWithClaimLost(card, token)
}

const requireOpen = (cards: Cards, id: string): ModelCard => {
  const card = requireCard(cards, id)
  if (card.status === "done") throw new Refusal({ _tag: "CardIsDone", id })
  return card
}

const endClaim = (cards: Cards, card: ModelCard, now: number): ModelCard =>
  change(cards, card, now, { ...noClaim, status: "ready" })

const reclaim = (cards: Cards, card: ModelCard, now: number): ModelCard => {
  if (isExpired(card, now)) {
    cards.addFailure(card, now, `Attempt ${card.attempts} ended without a result: its lease expired.`)
  }
  return endClaim(cards, card, now)
}

/** Blocks a card at which `maxAttempts` attempts failed. Returns `undefined` if it has attempts left. */
const blockIfExhausted = (
  cards: Cards,
  card: ModelCard,
  maxAttempts: number | undefined,
  now: number
): ModelCard | undefined => {
  const failures = cards.failuresOf(card.id)
  if (maxAttempts === undefined || failures.length < maxAttempts) return undefined
  const earlier = failures.length - 10
  const blockedReason = [
    `${failures.length} of ${maxAttempts} attempts failed.`,
    ...(earlier > 0 ? [`The first ${earlier} are in the card's history.`] : []),
    ...failures.slice(-10)
  ].join("\n")
  return change(cards, card, now, { ...noClaim, status: "blocked", blockedReason, notBefore: null })
}

const reclaimExpired = (cards: Cards, now: number): ReadonlyArray<string> => {
  const expired = [...cards.values()].filter((card) => isExpired(card, now))
  for (const card of expired) reclaim(cards, card, now)
  return expired.map((card) => card.id).sort(byId)
}

/** Returns a shortest path from one card to another along dependencies, both included. */
const findPath = (cards: Cards, from: string, to: string): ReadonlyArray<string> | undefined => {
  const seen = new Set([from])
  const paths: Array<readonly [last: string, path: ReadonlyArray<string>]> = [[from, [from]]]
  for (const [last, path] of paths) {
    if (last === to) return path
    for (const id of cards.get(last)?.dependsOn ?? []) {
      if (seen.has(id)) continue
      seen.add(id)
      paths.push([id, [...path, id]])
    }
  }
  return undefined
}

const rejectCycle = (cards: Cards, id: string, dependsOn: string): void => {
  const back = findPath(cards, dependsOn, id)
  if (back !== undefined) throw new Refusal({ _tag: "DependencyCycle", id, dependsOn, path: [id, ...back] })
}

const apply = (cards: Cards, command: ModelCommand, now: number, generation: number): ModelAnswer => {
  switch (command._tag) {
    case "Create":
      return create(cards, [command], now)[0] ?? null
    case "CreateMany":
      return create(cards, command.cards, now)
    case "Revise":
      return revise(cards, command, now)
    case "Note": {
      const { id, text, token } = command
      return addNote(
        cards,
        token === undefined ? requireCard(cards, id) : requireClaim(cards, id, token),
        now,
        command.actor,
        text
      )
    }
    case "Claim":
      return claim(cards, command, now, generation)
    case "ClaimMany": {
      const claimed: Array<ModelCard> = []
      for (;;) {
        const next = claimed.length < command.limit ? claim(cards, command, now, generation) : null
        if (next === null) return claimed
        claimed.push(next)
      }
    }
    case "Renew": {
      const card = requireClaim(cards, command.id, command.token)
      const claimTtlSeconds = command.ttlSeconds ?? card.claimTtlSeconds
      const claimExpiresAt = iso(now + (claimTtlSeconds ?? 0) * 1000)
      const isRenewed = claimTtlSeconds !== card.claimTtlSeconds || claimExpiresAt !== card.claimExpiresAt
      const renewed = isRenewed ? change(cards, card, now, { claimTtlSeconds, claimExpiresAt }) : card
      return command.note == null ? renewed : addNote(cards, renewed, now, command.actor, command.note)
    }
    case "Release": {
      const card = requireClaim(cards, command.id, command.token)
      const wait = command.retryAfterSeconds ?? 0
      const notBefore = wait === 0 ? null : iso(now + wait * 1000)
      if (wait > 0) {
        cards.addFailure(card, now, command.reason ?? null)
        const blocked = blockIfExhausted(cards, card, command.maxAttempts, now)
        if (blocked !== undefined) return blocked
      }
      return change(cards, card, now, { ...noClaim, status: "ready", notBefore })
    }
    case "Reclaim": {
      if (command.id === undefined) return reclaimExpired(cards, now)
      const card = cards.get(command.id)
      if (card?.status !== "claimed") return []
      reclaim(cards, card, now)
      return [card.id]
    }
    case "Link": {
      const { from, to } = command
      const card = requireCard(cards, from)
      if (from === to) throw new Refusal({ _tag: "SelfDependency", id: from })
      if (card.dependsOn.includes(to)) return card
      if (!cards.has(to)) throw new Refusal({ _tag: "DependencyNotFound", id: from, dependsOn: to })
      rejectCycle(cards, from, to)
      return change(cards, card, now, { dependsOn: [...card.dependsOn, to].sort(byId) })
    }
    case "Unlink": {
      const card = requireCard(cards, command.from)
      if (!card.dependsOn.includes(command.to)) return card
      return change(cards, card, now, { dependsOn: card.dependsOn.filter((id) => id !== command.to) })
    }
    case "Block": {
      if (command.token !== undefined) requireClaim(cards, command.id, command.token)
      const card = requireOpen(cards, command.id)
      const blockedReason = command.reason ?? null
      if (card.status === "blocked" && card.blockedReason === blockedReason) return card
      return change(cards, card, now, { ...noClaim, status: "blocked", blockedReason, notBefore: null })
    }
    case "Unblock": {
      const card = requireOpen(cards, command.id)
      if (card.status !== "blocked") return card
      cards.failures.delete(card.id)
      return change(cards, card, now, { status: "ready", blockedReason: null })
    }
    case "Complete":
      return complete(cards, command, now, generation)
    case "Reopen": {
      const card = requireCard(cards, command.id)
      if (card.status !== "done") return card
      cards.failures.delete(card.id)
      return change(cards, card, now, { status: "ready", result: null, completedAt: null })
    }
  }
}

const addNote = (cards: Cards, card: ModelCard, now: number, actor: string, text: string): ModelCard =>
  change(cards, card, now, { noteCount: card.noteCount + 1, lastNote: { text, actor, at: iso(now) } })

const create = (cards: Cards, wanted: ReadonlyArray<typeof NewCard.Encoded>, now: number): ReadonlyArray<ModelCard> => {
  const withKey = (key: string | null | undefined): ModelCard | undefined =>
    key == null ? undefined : [...cards.values()].find((card) => card.idempotencyKey === key)
  const created: Array<ModelCard> = []
  for (const each of wanted) {
    if (withKey(each.idempotencyKey) !== undefined) continue
    const id = idOf(each)
    if (cards.has(id)) throw new Refusal({ _tag: "CardAlreadyExists", id })
    if (each.dependsOn?.includes(id) === true) throw new Refusal({ _tag: "SelfDependency", id })
    const createdAt = each.occurredAt === undefined ? iso(now) : DateTime.formatIso(each.occurredAt)
    const card: ModelCard = {
      id,
      title: each.title,
      body: each.body ?? null,
      phase: each.phase ?? null,
      labels: [...new Set(each.labels)].sort(byId),
      priority: each.priority ?? 0,
      status: each.status ?? "ready",
      dependsOn: [...new Set(each.dependsOn)].sort(byId),
      ...noClaim,
      attempts: 0,
      notBefore: each.notBefore == null ? null : DateTime.formatIso(each.notBefore),
      idempotencyKey: each.idempotencyKey ?? null,
      acceptance: each.acceptance ?? null,
      result: null,
      blockedReason: each.blockedReason ?? null,
      noteCount: 0,
      lastNote: null,
      createdAt,
      updatedAt: createdAt,
      completedAt: each.status === "done" ? createdAt : null,
      version: 1
    }
    cards.set(card.id, card)
    created.push(card)
  }
  for (const card of created) for (const id of card.dependsOn) rejectCycle(cards, card.id, id)
  return wanted.map((each) => withKey(each.idempotencyKey) ?? requireCard(cards, idOf(each)))
}

const idOf = ({ id, title }: typeof NewCard.Encoded): string => {
  if (id === undefined) throw new Error(`the new card ${JSON.stringify(title)} has no id: see withAnsweredIds`)
  return id
}

const revise = (cards: Cards, command: Extract<ModelCommand, { _tag: "Revise" }>, now: number): ModelCard => {
  const card = requireCard(cards, command.id)
  const { acceptance, addLabels = [], body, phase, priority, removeLabels = [], title } = command
  const labels = [...new Set([...card.labels.filter((label) => !removeLabels.includes(label)), ...addLabels])].sort(
    byId
  )
  if (labels.length > 32) throw new Refusal({ _tag: "TooManyLabels", id: card.id, count: labels.length })
  const notBefore = command.notBefore == null ? command.notBefore : DateTime.formatIso(command.notBefore)
  if (card.status === "claimed" && notBefore != null) {
    throw new Refusal({
      _tag: "CardIsClaimed",
      id: card.id,
      holder: card.claimOwner ?? "",
      expiresAt: card.claimExpiresAt ?? ""
    })
  }
  const given = Object.entries({ acceptance, body, labels, notBefore, phase, priority, title }).filter(
    ([field, value]) => value !== undefined && !sameJson(value, card[field as keyof ModelCard])
  )
  return given.length === 0 ? card : change(cards, card, now, Object.fromEntries(given))
}

/** A claim without an id reclaims every expired claim first; a claim by id reclaims that card's. */
const claim = (
  cards: Cards,
  input: Omit<Extract<ModelCommand, { _tag: "Claim" }>, "_tag" | "actor">,
  now: number,
  generation: number
): ModelCard | null => {
  const { id, maxAttempts, owner, ttlSeconds = 900 } = input
  if (id === undefined) {
    reclaimExpired(cards, now)
  } else {
    const card = cards.get(id)
    if (card !== undefined && isExpired(card, now)) reclaim(cards, card, now)
  }
  const candidates = [...cards.values()]
    .filter((card) => id === undefined || card.id === id)
    .filter((card) => matchesFilter(card, input))
    .filter((card) => isClaimable({ cards }, card, now))
    .sort(byClaimOrder)
  const best = candidates.find((card) => blockIfExhausted(cards, card, maxAttempts, now) === undefined)
  if (best === undefined) return null
  return change(cards, best, now, {
    status: "claimed",
    claimOwner: owner,
    claimTtlSeconds: ttlSeconds,
    claimedAt: iso(now),
    claimExpiresAt: iso(now + ttlSeconds * 1000),
    claimToken: generation + best.version + 1,
    notBefore: null,
    attempts: best.attempts + 1
  })
}

/** The next card is claimed after the completion. A refused completion claims nothing. */
const complete = (
  cards: Cards,
  command: Extract<ModelCommand, { _tag: "Complete" }>,
  now: number,
  generation: number
): ModelAnswer => {
  const completed = completeOnly(cards, command, now)
  return {
    ...completed,
    next: command.claimNext === undefined ? null : claim(cards, command.claimNext, now, generation)
  }
}

const completeOnly = (cards: Cards, command: Extract<ModelCommand, { _tag: "Complete" }>, now: number) => {
  const { force = false, id, result = null, token } = command
  const card = requireCard(cards, id)
  if (card.status === "done") return { ...card, madeClaimable: [] }
  if (!force && token !== undefined && card.claimToken !== token) failWithClaimLost(card, token)
  if (!force && token === undefined && card.status === "claimed") {
    throw new Refusal({
      _tag: "CardIsClaimed",
      id,
      holder: card.claimOwner ?? "",
      expiresAt: card.claimExpiresAt ?? ""
    })
  }
  const done = change(cards, card, now, {
    ...noClaim,
    status: "done",
    result,
    blockedReason: null,
    notBefore: null,
    completedAt: iso(now)
  })
  const madeClaimable = [...cards.values()]
    .filter((other) => other.dependsOn.includes(id) && isClaimable({ cards }, other, now))
    .map((other) => other.id)
    .sort(byId)
  return { ...done, madeClaimable }
}
