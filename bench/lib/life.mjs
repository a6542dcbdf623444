import { Random } from "./random.mjs"

/** Events of a long-running card. A few of them are always in progress. */
export const longHistory = 1000
const longAtWork = 5

const workers = 200
const dependencyWindow = 2000
const ttlSeconds = 900
const millisecondsBetweenEvents = 500
/** Share of the cards that are created before any work starts. */
const planned = 0.1
const began = Date.UTC(2026, 0, 1)

/** Every n-th card is a long-running one. Together they have one event in 25. */
export const longEvery = ({ cards, events }) => Math.max(1, Math.floor((cards * longHistory * 25) / events))

export const cardId = (number) => `card-${String(number).padStart(6, "0")}`

/**
 * Generates the events of a backlog's life in the order of positions, as valid commands would have caused them: cards are
 * created with texts and dependencies, claimed when they are claimable, renewed, released, reclaimed, revised, linked,
 * blocked, completed with results, and sometimes reopened. A card has about 10 events, a few have 1,000; the events of
 * different cards are interleaved. The same sizes give the same events.
 */
export function* lifeOf({ cards: cardCount, events: eventCount }) {
  const random = new Random(cardCount)
  const cards = []
  const pools = { ready: new Pool(), claimed: new Pool(), long: new Pool(), blocked: new Pool(), done: new Pool() }
  const longToDo = []
  const every = longEvery({ cards: cardCount, events: eventCount })
  let now = began
  let runs = 0

  /** The cards by state, from which the next events are chosen. Cards with unmet dependencies are never claimed. */
  const poolOf = ({ isLong, status, unmet }) => {
    if (status === "ready") return unmet === 0 ? pools.ready : undefined
    return status === "claimed" && isLong ? pools.long : pools[status]
  }
  const move = (card, status) => {
    card.pool?.remove(card)
    card.status = status
    card.pool = poolOf(card)
    card.pool?.add(card)
  }
  const waitFor = (card, difference) => {
    card.unmet += difference
    if (card.status === "ready") move(card, "ready")
  }
  const event = (card, type, data, actor) => ({
    cardId: card.id,
    version: ++card.version,
    type,
    data,
    actor,
    correlationId: card.run,
    at: now
  })
  const expiry = () => new Date(now + ttlSeconds * 1000).toISOString()
  const heldBy = (card) => (card.owner === null ? null : { owner: card.owner, token: card.token })
  const letGo = (card, status) => {
    card.owner = null
    card.run = null
    move(card, status)
  }

  const create = () => {
    const number = cards.length
    const isLong = number % every === 0
    const reach = Math.min(number, dependencyWindow)
    const dependsOn = new Set()
    for (let most = isLong || reach === 0 ? 0 : 3; most > 0 && random.chance(0.35); most--) {
      dependsOn.add(cards[number - random.integer(1, reach)])
    }
    const targets = [...dependsOn].sort((a, b) => (a.id < b.id ? -1 : 1))
    const isBlocked = !isLong && random.chance(0.02)
    const card = {
      id: cardId(number),
      number,
      isLong,
      version: 0,
      status: "",
      pool: undefined,
      owner: null,
      token: 0,
      expires: 0,
      notBefore: 0,
      run: null,
      unmet: targets.filter(({ status }) => status !== "done").length,
      dependsOn: targets,
      dependents: []
    }
    for (const target of targets) target.dependents.push(card)
    cards.push(card)
    const data = {
      title: sentence(random, 4, 9).slice(0, -1),
      body: random.chance(0.7) ? paragraph(random, 1, 6) : null,
      phase: random.chance(0.8) ? random.pick(phases) : null,
      priority: random.integer(0, 9),
      status: isBlocked ? "blocked" : "ready",
      dependsOn: targets.map(({ id }) => id),
      acceptance: random.chance(0.25)
        ? { tests: true, reviewers: random.integer(1, 3), checks: [random.pick(words), random.pick(words)] }
        : null,
      idempotencyKey: random.chance(0.5) ? `plan-${number}` : null,
      blockedReason: isBlocked ? sentence(random, 3, 8) : null
    }
    const created = event(card, "CardCreated", data, random.pick(planners))
    if (isLong) {
      card.status = "ready"
      longToDo.push(card)
    } else move(card, data.status)
    return created
  }

  const claim = (card) => {
    if (card.notBefore > now) return undefined
    const owner = workerName(random.integer(1, workers))
    card.run = `run-${++runs}`
    const claimed = event(card, "CardClaimed", { owner, ttlSeconds, expiresAt: expiry() }, owner)
    Object.assign(card, { owner, token: card.version, expires: now + ttlSeconds * 1000, notBefore: 0 })
    move(card, "claimed")
    return claimed
  }

  const renew = (card) => {
    card.expires = now + ttlSeconds * 1000
    return event(card, "ClaimRenewed", { ...heldBy(card), ttlSeconds, expiresAt: expiry() }, card.owner)
  }

  const release = (card) => {
    card.notBefore = random.chance(0.3) ? now + 1000 * random.integer(10, 900) : 0
    const data = {
      ...heldBy(card),
      reason: random.chance(0.7) ? sentence(random, 3, 12) : null,
      notBefore: card.notBefore === 0 ? null : new Date(card.notBefore).toISOString()
    }
    const released = event(card, "CardReleased", data, card.owner)
    letGo(card, "ready")
    return released
  }

  const reclaim = (card) => {
    const why = card.expires <= now ? "expired" : "requested"
    const data = { ...heldBy(card), expiresAt: new Date(card.expires).toISOString(), why }
    const reclaimed = event(card, "CardReclaimed", data, "sweeper")
    letGo(card, "ready")
    return reclaimed
  }

  const complete = (card) => {
    const held = heldBy(card)
    const data = {
      result: { ok: true, summary: sentence(random, 5, 14), commit: random.hex(20), seconds: random.integer(5, 3600) },
      overrode: card.dependsOn.filter(({ status }) => status !== "done").map(({ id }) => id),
      forced: false,
      claim: held
    }
    const completed = event(card, "CardCompleted", data, held?.owner ?? random.pick(planners))
    letGo(card, "done")
    for (const dependent of card.dependents) waitFor(dependent, -1)
    return completed
  }

  const reopen = (card) => {
    const reopened = event(card, "CardReopened", { reason: sentence(random, 3, 10) }, random.pick(planners))
    move(card, "ready")
    for (const dependent of card.dependents) waitFor(dependent, 1)
    return reopened
  }

  const block = (card) => {
    card.notBefore = 0
    const data = { reason: sentence(random, 3, 10), endedClaim: heldBy(card) }
    const blocked = event(card, "CardBlocked", data, card.owner ?? random.pick(planners))
    letGo(card, "blocked")
    return blocked
  }

  const unblock = (card) => {
    const unblocked = event(
      card,
      "CardUnblocked",
      { reason: random.chance(0.5) ? sentence(random, 2, 6) : null },
      random.pick(planners)
    )
    move(card, "ready")
    return unblocked
  }

  const revise = (card) => {
    const data = random.chance(0.5)
      ? { priority: random.integer(0, 9) }
      : { title: sentence(random, 4, 9).slice(0, -1), body: paragraph(random, 1, 6) }
    return event(card, "CardRevised", data, random.pick(planners))
  }

  /** Links lead to older cards only, so that no cycle can close. */
  const link = (card) => {
    const reach = Math.min(card.number, dependencyWindow)
    const target = reach === 0 ? undefined : cards[card.number - random.integer(1, reach)]
    if (target === undefined || card.dependsOn.includes(target)) return undefined
    const linked = event(card, "CardLinked", { dependsOn: target.id }, random.pick(planners))
    card.dependsOn.push(target)
    target.dependents.push(card)
    if (target.status !== "done") waitFor(card, 1)
    return linked
  }

  const unlink = (card) => {
    const target = card.dependsOn.at(-1)
    if (target === undefined) return undefined
    const unlinked = event(card, "CardUnlinked", { dependsOn: target.id }, random.pick(planners))
    card.dependsOn.pop()
    target.dependents.splice(target.dependents.indexOf(card), 1)
    if (target.status !== "done") waitFor(card, -1)
    return unlinked
  }

  const anyOpen = () => {
    for (let tries = 0; tries < 5; tries++) {
      const card = cards[Math.max(0, cards.length - random.integer(1, dependencyWindow))]
      if (card !== undefined && card.status !== "done" && !card.isLong) return card
    }
    return undefined
  }
  /** The weight of each command, its cards and its effect. An expired claim is reclaimed, not renewed. */
  const actions = [
    [38, () => pools.claimed.pick(random), (card) => (card.expires <= now ? reclaim(card) : renew(card))],
    [17, () => pools.ready.pick(random), claim],
    [8, () => pools.claimed.pick(random), complete],
    [4, () => pools.claimed.pick(random), release],
    [1, () => pools.claimed.pick(random), reclaim],
    [1, () => pools.claimed.pick(random), block],
    [1, () => pools.ready.pick(random), block],
    [3, () => pools.blocked.pick(random), unblock],
    [4, anyOpen, revise],
    [2, anyOpen, link],
    [1, anyOpen, unlink],
    [0.3, () => pools.done.pick(random), reopen]
  ]
  const weights = actions.reduce((sum, [weight]) => sum + weight, 0)
  const act = () => {
    let left = random.fraction() * weights
    for (const [weight, choose, carryOut] of actions) {
      left -= weight
      if (left > 0) continue
      if (carryOut === claim && pools.claimed.size >= workers) return undefined
      const card = choose()
      return card === undefined ? undefined : carryOut(card)
    }
    return undefined
  }
  const workOnLong = () => {
    const next = pools.long.size < longAtWork ? longToDo.pop() : undefined
    if (next !== undefined) return claim(next)
    const held = pools.long.pick(random)
    return held === undefined ? undefined : held.version >= longHistory - 1 ? complete(held) : renew(held)
  }

  let position = 1
  while (position <= eventCount) {
    now += random.integer(1, 2 * millisecondsBetweenEvents)
    const isTimeToCreate =
      cards.length < cardCount && cards.length / cardCount <= planned + position / (eventCount * 0.97)
    const made = isTimeToCreate ? create() : random.chance(0.05) ? workOnLong() : act()
    if (made === undefined) continue
    position++
    yield made
  }
}

/** A set of cards from which any can be chosen and removed in constant time. */
class Pool {
  #cards = []
  #places = new Map()

  get size() {
    return this.#cards.length
  }

  add(card) {
    this.#places.set(card, this.#cards.length)
    this.#cards.push(card)
  }

  remove(card) {
    const place = this.#places.get(card)
    const last = this.#cards.pop()
    this.#places.delete(card)
    if (last === card) return
    this.#cards[place] = last
    this.#places.set(last, place)
  }

  pick(random) {
    return this.#cards.length === 0 ? undefined : random.pick(this.#cards)
  }
}

const workerName = (number) => `worker-${String(number).padStart(3, "0")}`
const planners = ["planner", "ana", "ben", "chris"]
const phases = ["design", "build", "test", "release"]
const words = (
  "the a of to and in that it is was for on are with as at be this from or by have not but what all were when we there " +
  "card worker lease event log parser index query schema migration build test release client server cache queue retry token " +
  "timeout error report page table column export import check review rename remove split move measure document"
).split(" ")

const sentence = (random, low, high) => {
  const text = Array.from({ length: random.integer(low, high) }, () => random.pick(words)).join(" ")
  return `${text[0].toUpperCase()}${text.slice(1)}.`
}

const paragraph = (random, low, high) =>
  Array.from({ length: random.integer(low, high) }, () => sentence(random, 6, 18)).join(" ")
