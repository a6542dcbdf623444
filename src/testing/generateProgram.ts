import { defaultPools } from "./arbitraries.ts"
import type { AnswerDelivery, Program, Step, TokenChoice, CommandTemplate } from "./Program.ts"
import { type SeededRandom, seededRandom } from "./seededRandom.ts"

const workers = ["w1", "w2", "w3"] as const
const idChoices = defaultPools.ids as readonly [string, ...ReadonlyArray<string>]
const hour = 3600

/** The size of a program. */
export interface ProgramSize {
  /** Steps after the one that creates the first cards. Defaults to 12. */
  readonly steps?: number | undefined
}

/** The kinds of commands, in the order in which programs retry them. */
const retriedKinds = [
  "Claim",
  "Complete",
  "Create",
  "Release",
  "Link",
  "CreateMany",
  "ClaimMany",
  "Renew",
  "Block",
  "Revise",
  "Reclaim",
  "Unlink",
  "Unblock",
  "Reopen",
  "Note"
] as const satisfies ReadonlyArray<CommandTemplate["_tag"]>

/**
 * Generates a program of three workers and seven cards. The same seed gives the same program. The first step creates some
 * cards. The others send every kind of command, advance the clock, crash workers, send old tokens and lose answers. A program
 * sends one kind of command again under its id, unchanged and with other content. The next seed does so with another kind, and
 * 15 successive seeds with every kind.
 */
export const generateProgram = (seed: number, size: ProgramSize = {}): Program => {
  const random = seededRandom(seed)
  const clocks = Object.fromEntries(workers.map((worker) => [worker, (random.below(13) - 6) * hour]))
  const steps: Array<Step> = [
    {
      _tag: "Send",
      worker: "w1",
      template: { _tag: "CreateMany", cards: chooseCards(random) },
      withCommandId: random.chance(20),
      delivery: "received",
      concurrent: false
    }
  ]
  const retry = retryUnderId(random, retriedKinds[(seed >>> 0) % retriedKinds.length] ?? "Claim")
  while (steps.length + retry.length <= (size.steps ?? 12))
    steps.push(...(random.chance(4) ? releaseForLater(random) : [chooseStep(random)]))
  return { seed, clocks, steps: steps.toSpliced(1 + random.below(steps.length), 0, ...retry) }
}

/** Sends a command with an id, then the same command again, then another command with the same id. */
const retryUnderId = (random: SeededRandom, kind: CommandTemplate["_tag"]): ReadonlyArray<Step> => {
  const worker = random.pick(workers)
  let template = chooseTemplate(random)
  while (template._tag !== kind) template = chooseTemplate(random)
  return [
    { _tag: "Send", worker, template, withCommandId: true, delivery: "received", concurrent: false },
    { _tag: "Retry", worker, as: "same", concurrent: false },
    { _tag: "Retry", worker, as: "changed", concurrent: false }
  ]
}

/** Releases a card with a retry time, and claims when it has passed: steps that are rarely generated in this order. */
const releaseForLater = (random: SeededRandom): ReadonlyArray<Step> => {
  const common = {
    _tag: "Send",
    worker: random.pick(workers),
    withCommandId: false,
    delivery: "received",
    concurrent: false
  } as const
  return [
    { ...common, template: { _tag: "Claim" } },
    { ...common, template: { _tag: "Release", id: "held", token: "held", retryAfterSeconds: 60 } },
    { _tag: "Advance", seconds: random.pick([59, 60]) },
    { ...common, template: { _tag: "Claim" } }
  ]
}

/**
 * Generates a program of one worker that claims, completes and releases thirty cards without dependencies. Some steps change
 * priorities. Such programs find violations of the claim order quickly.
 */
export const generateClaimProgram = (seed: number, size: ProgramSize = {}): Program => {
  const random = seededRandom(seed)
  const ids = Array.from({ length: 30 }, (_, index) => `c${index}`)
  const ask = (template: CommandTemplate): Step => ({
    _tag: "Send",
    worker: "w1",
    template,
    withCommandId: false,
    delivery: "received",
    concurrent: false
  })
  const cards = ids.map((id) => ({ id, title: "T", priority: random.below(4) }))
  const steps = [ask({ _tag: "CreateMany", cards })]
  while (steps.length <= (size.steps ?? 12)) {
    const kind = random.below(20)
    if (kind < 11) steps.push(ask({ _tag: "Claim" }))
    else if (kind < 15) steps.push(ask({ _tag: "Complete", id: "held", token: "held" }))
    else if (kind < 18) steps.push(ask({ _tag: "Release", id: "held", token: "held" }))
    else steps.push(ask({ _tag: "Revise", id: ids[random.below(ids.length)] ?? "c0", priority: random.below(4) }))
  }
  return { seed, clocks: {}, steps }
}

const chooseStep = (random: SeededRandom): Step => {
  const worker = random.pick(workers)
  const concurrent = random.chance(35)
  const kind = random.below(100)
  if (kind < 12) return { _tag: "Advance", seconds: random.pick([1, 1, 59, 60, 61, 900]) }
  if (kind < 17) return { _tag: "Crash", worker }
  if (kind < 27)
    return { _tag: "Retry", worker, as: random.pick(["same", "same", "same", "new", "changed"]), concurrent }
  const withCommandId = random.chance(45)
  const chosen: AnswerDelivery = random.chance(80) ? "received" : random.chance(80) ? "lost" : "interrupted"
  const template = chooseTemplate(random)
  // Only an answer has the id of a card that was created without one.
  const delivery = hasMissingId(template) ? "received" : chosen
  return {
    _tag: "Send",
    worker,
    template,
    withCommandId,
    delivery,
    concurrent: concurrent && delivery !== "interrupted"
  }
}

const hasMissingId = (template: CommandTemplate): boolean =>
  template._tag === "Create"
    ? template.id === undefined
    : template._tag === "CreateMany" && template.cards.some(({ id }) => id === undefined)

const labels = ["red", "blue", "𝒜"] as const

/** As many labels as a card can have. */
const chooseManyLabels = (random: SeededRandom): ReadonlyArray<string> => {
  const prefix = random.pick(["m", "n"])
  return Array.from({ length: 32 }, (_, index) => `${prefix}${index}`)
}

const chooseLabels = (random: SeededRandom): ReadonlyArray<string> =>
  Array.from({ length: random.pick([0, 1, 1, 2]) }, () => random.pick(labels))

const chooseFilter = (random: SeededRandom) => ({
  ...(random.chance(30) ? { minPriority: random.pick([0, 1]) } : {}),
  ...(random.chance(25) ? { labels: chooseLabels(random) } : {}),
  ...(random.chance(15) ? { withoutLabels: chooseLabels(random) } : {})
})

const chooseCard = (random: SeededRandom) => {
  const status = random.pick(["ready", "ready", "ready", "ready", "blocked", "done"] as const)
  return {
    id: random.pick(idChoices),
    title: random.pick(["T", "U"]),
    priority: random.pick([-1, 0, 0, 1]),
    status,
    dependsOn: Array.from({ length: random.pick([0, 0, 0, 1, 1, 2]) }, () => random.pick(idChoices)),
    ...(random.chance(15) ? { idempotencyKey: random.pick(["k1", "k2"]) } : {}),
    ...(random.chance(20) ? { body: "B" } : {}),
    ...(status === "blocked" && random.chance(50) ? { blockedReason: "legal" } : {}),
    ...(random.chance(40) ? { labels: chooseLabels(random) } : {})
  }
}

/** A card that may be created without an id. */
const chooseNewCard = (random: SeededRandom) => {
  const { id, ...card } = chooseCard(random)
  return random.chance(15) ? card : { ...card, id }
}

/** Chooses cards that can be created together: unique ids, and dependencies on earlier cards only. */
const chooseCards = (random: SeededRandom) => {
  const count = 2 + random.below(idChoices.length - 2)
  const ids = random.shuffle(idChoices).slice(0, count)
  return ids.map((id, index) => {
    const { idempotencyKey: _key, ...card } = chooseCard(random)
    const before = random.chance(30) && index > 0 ? [ids[random.below(index)] ?? id] : []
    return { ...card, id, dependsOn: before.filter((other) => other !== id) }
  })
}

const chooseTemplate = (random: SeededRandom): CommandTemplate => {
  const id = random.pick(idChoices)
  const mine = random.chance(75) ? "held" : id
  const held = random.pick<TokenChoice>(["held", "held", "held", "from before a crash", "guessed"])
  const ttlSeconds = random.pick([1, 60, 60, 900])
  const reason = random.pick(["legal", "spam"])
  const attempts = random.chance(30) ? { maxAttempts: random.pick([1, 1, 2, 3]) } : {}
  const choice = { ...chooseFilter(random), ...attempts }
  switch (random.below(27)) {
    case 0: {
      const card = chooseNewCard(random)
      return {
        _tag: "Create",
        ...card,
        byOwnClock: random.chance(20),
        ...(card.status === "ready" && random.chance(20) ? { notBeforeSeconds: random.pick([-60, 60]) } : {})
      }
    }
    case 1:
      return { _tag: "CreateMany", cards: Array.from({ length: random.below(4) }, () => chooseNewCard(random)) }
    case 25:
    case 26:
      return { _tag: "Note", id: mine, token: random.chance(60) ? "none" : held, text: random.pick(["found it", "N"]) }
    case 2:
      return {
        _tag: "Revise",
        id,
        ...(random.chance(60) ? { priority: random.pick([-1, 0, 1, 2]) } : {}),
        ...(random.chance(30) ? { title: random.pick(["T", "U"]) } : {}),
        ...(random.chance(30) ? { body: random.pick([null, "B"]) } : {}),
        ...(random.chance(30) ? { acceptance: random.pick([null, { b: 1, a: [2, "x"] }, { a: [2, "x"], b: 1 }]) } : {}),
        ...(random.chance(50)
          ? { addLabels: random.chance(50) ? chooseManyLabels(random) : chooseLabels(random) }
          : {}),
        ...(random.chance(30) ? { removeLabels: chooseLabels(random) } : {}),
        ...(random.chance(20) ? { notBeforeSeconds: random.pick([null, 60]) } : {})
      }
    case 3:
    case 4:
    case 5:
    case 6:
      return random.chance(80) ? { _tag: "Claim", ttlSeconds, ...choice } : { _tag: "Claim", ...choice }
    case 7:
      return { _tag: "Claim", id, ttlSeconds, ...attempts }
    case 8:
      return {
        _tag: "Renew",
        id: mine,
        token: held,
        ...(random.chance(60) ? { ttlSeconds } : {}),
        ...(random.chance(30) ? { note: "half done" } : {})
      }
    case 9:
    case 20:
    case 21:
      return {
        _tag: "Release",
        id: mine,
        token: held,
        ...(random.chance(40) ? { reason } : {}),
        ...(random.chance(70) ? { retryAfterSeconds: random.pick([0, 1, 1, 60]) } : {}),
        ...attempts
      }
    case 10:
      return random.chance(50) ? { _tag: "Reclaim" } : { _tag: "Reclaim", id }
    case 11:
    case 12:
      return { _tag: "Link", from: id, to: random.pick(idChoices) }
    case 13:
      return { _tag: "Unlink", from: id, to: random.pick(idChoices) }
    case 14:
      return { _tag: "Block", id, ...(random.chance(50) ? { reason } : {}) }
    case 15:
      return { _tag: "Unblock", id, ...(random.chance(50) ? { reason } : {}) }
    case 16:
    case 17:
    case 18:
      return {
        _tag: "Complete",
        id: mine,
        token: random.chance(25) ? "none" : held,
        ...(random.chance(20) ? { force: true } : {}),
        ...(random.chance(40) ? { result: random.pick([null, 1, { ok: true }]) } : {}),
        ...(random.chance(40) ? { claimNext: choice } : {})
      }
    case 23:
    case 24:
      return { _tag: "ClaimMany", limit: random.pick([1, 2, 3]), ttlSeconds, ...choice }
    default:
      return { _tag: "Reopen", id }
  }
}
