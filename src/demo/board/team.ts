import { DateTime, Effect, Option, Random, Schema } from "effect"
import { AuditService, BacklogService, type ClaimedCard, Rejection } from "../../index.ts"
import { projectPlan, requestOf } from "./projectPlan.ts"

/** A simulated worker. */
interface Worker {
  readonly name: string
  /** Claims only cards with these labels. Defaults to all cards. */
  readonly labels?: ReadonlyArray<string>
  /** How many of 100 attempts end with the death of the worker, a failure, a question, or a return of the card. */
  readonly dies: number
  readonly fails: number
  readonly asks: number
  readonly returns: number
}

const workers: ReadonlyArray<Worker> = [
  { name: "ada", dies: 2, fails: 8, asks: 6, returns: 3 },
  { name: "grace", dies: 3, fails: 12, asks: 8, returns: 3 },
  { name: "linus", labels: ["backend"], dies: 4, fails: 15, asks: 6, returns: 5 },
  { name: "margaret", labels: ["frontend"], dies: 2, fails: 10, asks: 10, returns: 4 },
  { name: "flaky-agent", dies: 30, fails: 25, asks: 5, returns: 5 }
]

const planner = "planner"
const auditor = "auditor"

/** Lease of a claim in seconds. */
const ttlSeconds = 20

/** Attempts that may fail before a card is blocked. */
const maxAttempts = 4

/** The number of open cards below which the planner adds new ones. */
const openCards = 24

const isRejection = Schema.is(Rejection)

/** Continues after a refused command: the person at the board may have been faster. */
const tolerate = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.catchIf(
    Effect.asVoid(command),
    (error): error is Extract<E, Rejection> => isRejection(error),
    () => Effect.void
  )

const sleepBetween = (from: number, to: number) =>
  Effect.flatMap(Random.nextBetween(from, to), (seconds) => Effect.sleep(seconds * 1000))

const chance = (percent: number) => Effect.map(Random.nextBetween(0, 100), (value) => value < percent)

const progressNotes = [
  "Read the card and the ones that it depends on.",
  "The first version works on my machine.",
  "Half of the tests pass.",
  "Found a case that the card does not mention, and covered it.",
  "Only the documentation is missing."
] as const

const failures = [
  "The test environment did not start.",
  "A test fails that passed an hour ago.",
  "The carrier's server does not respond.",
  "The disk of the build machine is full."
] as const

const questions = [
  "Which of the two address formats is right?",
  "The card contradicts the design. What should it do?",
  "This needs access that I do not have."
] as const

/** Creates the cards of the plan. One of them is for later. */
export const createPlan = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const now = yield* DateTime.now
  yield* backlog.createMany({ actor: planner, cards: projectPlan })
  yield* backlog.create({
    id: "press-release",
    title: "Write the press release",
    phase: "launch",
    labels: ["content"],
    priority: 0,
    notBefore: DateTime.add(now, { minutes: 4 }),
    actor: planner
  })
  yield* backlog.note({
    id: "hosting-contract",
    text: "Sent to finance. They answer within a few days.",
    actor: planner
  })
})

/** Works on a claimed card, and ends the claim in one of several ways, or dies with it. */
const attempt = Effect.fnUntraced(function* ({ asks, dies, fails, name, returns }: Worker, card: ClaimedCard) {
  const backlog = yield* BacklogService
  const claim = { id: card.id, token: card.claimToken, actor: name }
  const steps = yield* Random.nextIntBetween(1, 3)
  for (let step = 0; step < steps; step++) {
    yield* sleepBetween(2, 5)
    yield* backlog.renew({ ...claim, note: yield* Random.choice(progressNotes) })
  }
  if (yield* chance(dies)) return yield* sleepBetween(ttlSeconds, 2 * ttlSeconds)
  if (yield* chance(fails)) {
    const retryAfterSeconds = yield* Random.nextIntBetween(10, 40)
    return yield* backlog.release({ ...claim, reason: yield* Random.choice(failures), retryAfterSeconds })
  }
  if (yield* chance(asks)) return yield* backlog.block({ ...claim, reason: yield* Random.choice(questions) })
  if (yield* chance(returns)) return yield* backlog.release({ ...claim, reason: "Something more urgent came up." })
  return yield* backlog.complete({ ...claim, result: { by: name, steps, branch: `parcels/${card.id}` } })
})

const runWorker = Effect.fnUntraced(function* (worker: Worker) {
  const backlog = yield* BacklogService
  const { labels, name } = worker
  const choice = labels === undefined ? {} : { labels }
  for (;;) {
    yield* sleepBetween(0.5, 2)
    const claimed = yield* backlog.claim({ owner: name, actor: name, ttlSeconds, maxAttempts, ...choice })
    if (Option.isSome(claimed)) yield* tolerate(attempt(worker, claimed.value))
    else yield* backlog.awaitClaimable({ ...choice, waitSeconds: 5 })
  }
})

/** Adds the cards that users ask for, answers questions, and reopens a card now and then. */
const runPlanner = Effect.gen(function* () {
  const backlog = yield* BacklogService
  for (let number = 0; ; number++) {
    yield* sleepBetween(3, 7)
    const { counts } = yield* backlog.stats
    if (counts.ready + counts.claimed + counts.blocked < openCards) yield* tolerate(addRequest(number))
    if (number % 6 === 5) yield* tolerate(answerQuestion)
    if (number % 12 === 11) yield* tolerate(reopenLatest)
  }
})

const addRequest = Effect.fnUntraced(function* (number: number) {
  const backlog = yield* BacklogService
  const { labels, phase, title } = requestOf(number)
  const open = yield* backlog.list({ status: ["ready", "claimed"], order: "created", limit: 5, fields: "summary" })
  const dependsOn = open.length > 0 && (yield* chance(35)) ? [(yield* Random.choice(open)).id] : []
  const isForLater = yield* chance(15)
  const seconds = yield* Random.nextIntBetween(30, 120)
  yield* backlog.create({
    id: `request-${number + 1}`,
    title,
    phase,
    labels,
    dependsOn,
    priority: yield* Random.nextIntBetween(-1, 4),
    ...(isForLater ? { notBefore: DateTime.add(yield* DateTime.now, { seconds }) } : {}),
    actor: planner
  })
})

const answerQuestion = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const [oldest] = yield* backlog.list({ status: "blocked", limit: 1, fields: "summary" })
  if (oldest === undefined) return
  yield* backlog.note({ id: oldest.id, text: "Answered in the planning meeting.", actor: planner })
  yield* backlog.unblock({ id: oldest.id, reason: "The question has an answer.", actor: planner })
})

const reopenLatest = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const done = yield* backlog.list({ status: "done", order: "completed", limit: 5, fields: "summary" })
  const [card] = yield* Random.shuffle(done)
  if (card !== undefined)
    yield* backlog.reopen({ id: card.id, reason: "The pilot shops found a regression.", actor: planner })
})

/** Anchors the log and verifies it against the anchor. */
const runAuditor = Effect.gen(function* () {
  const audit = yield* AuditService
  for (;;) {
    yield* Effect.sleep("30 seconds")
    const anchor = yield* audit.anchor({ actor: auditor })
    yield* Effect.sleep("30 seconds")
    yield* audit.verify({ actor: auditor, anchor })
  }
})

/** Runs the team until it is interrupted. Each member draws from a generator of its own, whose seed is the name. */
export const runTeam = Effect.all(
  [
    ...workers.map((worker) => Random.withSeed(runWorker(worker), worker.name)),
    Random.withSeed(runPlanner, planner),
    runAuditor
  ],
  { concurrency: "unbounded", discard: true }
)
