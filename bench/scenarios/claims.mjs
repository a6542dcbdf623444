/** The cost of claims and reads over backlogs of different sizes and in different states. */
import { Effect, Option } from "effect"
import { cardId, cardsIn, labelledCardsIn, states } from "../lib/population.mjs"
import { Random } from "../lib/random.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import * as mosaic from "../lib/systems/mosaic.mjs"
import * as mutableTable from "../lib/systems/mutableTable.mjs"
import { work } from "../lib/work.mjs"

/** A tenth of the smallest backlog is claimable. */
const claims = 100
const claimsBefore = 100
const mutableClaimsBefore = 10

/** A claim that finds nothing may read all claimable cards of a label, which takes a second. */
const claimsOfNothing = 10
const claimsOfNothingBefore = 2

const reads = 200
const readsBefore = 20
const pageSize = 100

/** Some of the states, for `--quick`. */
const statesFor = ({ quick }) =>
  quick ? ["all claimable", "50 % done", "90 % waiting, and first", "mixed"] : Object.keys(states)

const sizes = ({ quick }) => (quick ? [1000, 10_000] : [1000, 100_000, 1_000_000])

/** With a million cards it would take hours. */
const mutableSizes = ({ quick }) => (quick ? [10_000] : [1000, 100_000])

const timed = (count, before, call) =>
  Effect.gen(function* () {
    const latencies = []
    for (let number = -before; number < count; number++) {
      const started = performance.now()
      yield* call
      if (number >= 0) latencies.push(performance.now() - started)
    }
    return { operations: count, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
  })

/** Claims, and reverts the claims, so that the next repetition finds the same backlog. */
const measureOurs = (context, place, filter = {}) =>
  mosaic.withBacklog(context, place, (backlog) =>
    Effect.gen(function* () {
      const claim = Effect.map(backlog.claim({ owner: "bench", actor: "bench", ...filter }), mosaic.found)
      const release = ({ claimToken, id }) => backlog.release({ id, token: claimToken, actor: "bench" })
      for (let number = 0; number < claimsBefore; number++) yield* release(yield* claim)
      const claimed = []
      const measured = yield* timed(
        claims,
        0,
        Effect.map(claim, (card) => claimed.push(card))
      )
      for (const card of claimed) yield* release(card)
      return measured
    })
  )

const measureMutable = async (context, place) => {
  let measured
  await mutableTable.claiming(context, place, mutableClaimsBefore, async (claim) => {
    measured = await Effect.runPromise(timed(claims, 0, Effect.promise(claim)))
  })
  return measured
}

const expect = (what, found, expected) => {
  if (found !== expected) throw new Error(`${what}: ${found} instead of ${expected}`)
}

/** Claims that find nothing. */
const measureNothing = (context, place, filter) =>
  mosaic.withBacklog(context, place, (backlog) => {
    const claim = Effect.map(backlog.claim({ owner: "bench", actor: "bench", ...filter }), (found) =>
      expect("a claim", Option.isNone(found), true)
    )
    return timed(claimsOfNothing, claimsOfNothingBefore, claim)
  })

/** Claims with labels. The last two may read all claimable cards of a label, or all claimable cards. */
const labelFilters = {
  "no label": {},
  "a common label": { labels: ["common"] },
  "a rare label": { labels: ["rare"] },
  "an absent label": { labels: ["absent"] },
  "a common and a rare label": { labels: ["common", "rare"] },
  "a common label without another": { labels: ["common"], withoutLabels: ["third"] },
  "two common labels without both": { labels: ["common", "third"], withoutLabels: ["common"] },
  "without a common label": { withoutLabels: ["common"] }
}

const findsNothing = new Set(["an absent label", "two common labels without both"])

/** The beginning of the numbers of `count` cards, a power of ten. */
const beginningOf = (number, count) => cardId(number).slice("card-".length, -Math.log10(count))

/** Each read: its target, and its call. */
const readings = (size) => {
  const random = new Random(1)
  const any = () => cardId(random.integer(0, size - 1))
  const page = (backlog, options) =>
    Effect.map(backlog.list({ limit: pageSize, ...options }), (cards) => expect("a page", cards.length, pageSize))
  const tenMilliseconds = { p50Ms: { max: 10 } }
  const twentyMilliseconds = { p50Ms: { max: 20 } }
  return [
    {
      scenario: "get",
      call: (backlog) =>
        Effect.map(
          Effect.suspend(() => backlog.get(any())),
          Option.getOrThrow
        )
    },
    { scenario: "list, first page", target: tenMilliseconds, call: (backlog) => page(backlog, {}) },
    {
      scenario: "list, a page in the middle",
      target: tenMilliseconds,
      call: (backlog) => page(backlog, { after: cardId(size / 2) })
    },
    {
      scenario: "list, claimable ones",
      target: tenMilliseconds,
      call: (backlog) => page(backlog, { claimability: "claimable" })
    },
    ...Object.entries({
      "waiting ones": { claimability: "waiting" },
      "two statuses": { status: ["ready", "blocked"] },
      "a common label": { labels: ["common"] },
      "a rare label": { labels: ["rare"] },
      priorities: { minPriority: 1, maxPriority: 2 },
      summaries: { fields: "summary" },
      "last changed": { order: "changed" },
      "last created": { order: "created" },
      "last completed": { order: "completed" },
      "before a card": { before: cardId(size / 2) },
      "last changed, before a card": { order: "changed", before: cardId(size / 2) },
      "a word that all have": { text: "card" },
      "a word and a common label": { text: "card", labels: ["common"] }
    }).map(([what, options]) => ({
      scenario: `list, ${what}`,
      target: twentyMilliseconds,
      call: (backlog) => page(backlog, options)
    })),
    {
      // They are next to each other in the order of creation, far from the beginning.
      scenario: "search, a word of one of 100 cards",
      target: twentyMilliseconds,
      call: (backlog) => page(backlog, { text: beginningOf(size * 0.65, size / 100) })
    },
    {
      scenario: "search, a rare word",
      target: twentyMilliseconds,
      call: (backlog) =>
        Effect.map(
          Effect.suspend(() => backlog.list({ text: `${random.integer(size / 2, size - 1)}`, limit: pageSize })),
          (cards) => expect("a search", cards.length > 0, true)
        )
    },
    {
      scenario: "claims",
      target: twentyMilliseconds,
      call: (backlog) => Effect.map(backlog.claims(), (found) => expect("claims", found.length, 0))
    },
    {
      scenario: "neighbourhood, 2 hops",
      target: twentyMilliseconds,
      call: (backlog) => Effect.suspend(() => backlog.neighbourhood({ id: any(), hops: 2 }))
    },
    {
      scenario: "impact",
      target: twentyMilliseconds,
      call: (backlog) => Effect.suspend(() => backlog.impact(any()))
    },
    {
      scenario: "dependents",
      target: twentyMilliseconds,
      call: (backlog) => Effect.suspend(() => backlog.dependents({ id: any() }))
    },
    {
      scenario: "stats",
      target: tenMilliseconds,
      call: (backlog) => Effect.map(backlog.stats, ({ total }) => expect("stats", total, size))
    }
  ]
}

export const scenarios = (context, say = () => {}) => {
  const common = { database: "postgres", workers: 1, unit: "calls" }

  const claimsOf = (state, size, system) => {
    const place = { database: "postgres", schema: schemaOf("claims", system.name, size), keyframes: "off" }
    const scenario = `claim, ${state}`
    return {
      ...common,
      id: `${scenario}, ${system.name}, ${size} cards, postgres`,
      group: scenario,
      scenario,
      system: system.name,
      size,
      prepare: () => {
        say(`filling ${system.name} with ${size} cards, ${state}`)
        return system.fill(context, place, cardsIn(state, size))
      },
      measure: () => (system === mosaic ? measureOurs(context, place) : measureMutable(context, place)),
      cleanUp: () => system.remove(context, place)
    }
  }

  const ofStates = statesFor(context).flatMap((state) => [
    ...sizes(context).map((size) => claimsOf(state, size, mosaic)),
    ...mutableSizes(context).map((size) => claimsOf(state, size, mutableTable))
  ])

  /** Claims with labels over the largest backlog in each state, which is filled once. */
  const labelled = statesFor(context).flatMap((state) => {
    const size = Math.max(...sizes(context))
    const place = { database: "postgres", schema: schemaOf("labels", size), keyframes: "off" }
    const scenario = `claim by label, ${state}`
    const entries = Object.entries(labelFilters)
    return entries.map(([what, filter], index) => ({
      ...common,
      id: `${scenario}, ${what}, ${mosaic.name}, ${size} cards, postgres`,
      group: scenario,
      scenario: `${scenario}, ${what}`,
      system: mosaic.name,
      size,
      prepare: () => {
        if (index > 0) return undefined
        say(`filling ${mosaic.name} with ${size} cards with labels, ${state}`)
        return mosaic.fill(context, place, labelledCardsIn(state, size))
      },
      measure: () => (findsNothing.has(what) ? measureNothing : measureOurs)(context, place, filter),
      cleanUp: index === entries.length - 1 ? () => mosaic.remove(context, place) : undefined
    }))
  })

  /** The same with ten workers that claim concurrently, and complete what they claimed. */
  const togetherOf = (state, system) => {
    const workers = 10
    const size = Math.max(...mutableSizes(context))
    const place = { database: "postgres", schema: schemaOf("together", system.name) }
    const meter = context.quick
      ? { warmUpSeconds: 0.6, seconds: 0.6 }
      : { warmUpSeconds: 2, warmUpOperations: 1000, maxWarmUpSeconds: 5, seconds: 2.5 }
    const scenario = `claim + complete over a large backlog, ${state}`
    return {
      ...common,
      id: `claims together, ${state}, ${system.name}, ${size} cards, postgres`,
      group: scenario,
      scenario,
      system: system.name,
      size,
      workers,
      unit: "cards",
      beforeEach: () => system.fill(context, place, cardsIn(state, size)),
      measure: () => work(context, { system: system.name, place, workers, cards: size / 10, meter }),
      afterEach: () => system.remove(context, place)
    }
  }
  const together = statesFor(context).flatMap((state) => [togetherOf(state, mosaic), togetherOf(state, mutableTable)])

  const largest = Math.max(...sizes(context))
  const state = "mixed"
  const place = { database: "postgres", schema: schemaOf("reads", largest), keyframes: "off" }
  const ofReads = readings(largest).map(({ scenario, target, call }, index, all) => ({
    ...common,
    id: `${scenario}, ${mosaic.name}, ${largest} cards, postgres`,
    group: "reads",
    scenario,
    system: mosaic.name,
    size: largest,
    target,
    prepare: () => prepareReads(context, place, labelledCardsIn(state, largest), say),
    measure: () => mosaic.withBacklog(context, place, (backlog) => timed(reads, readsBefore, call(backlog))),
    cleanUp: index === all.length - 1 ? () => mosaic.remove(context, place) : undefined
  }))

  return [...ofStates, ...labelled, ...together, ...ofReads]
}

/** Whether the backlog for the reads exists. */
let isFilled = false

const prepareReads = async (context, place, cards, say) => {
  if (isFilled) return
  say("filling a backlog to read from")
  await mosaic.fill(context, place, cards)
  isFilled = true
}
