import { type History, type Operation, overlaps, possibleTimes } from "./History.ts"
import {
  claimedCards,
  type Model,
  type ModelCard,
  type ModelCommand,
  type ModelCompletedCard,
  type ModelOutcome,
  namedCards,
  noClaim,
  receiptKey
} from "./Model.ts"
import { describeCommand, describeOutcome, outcomeDifferences } from "./describeProblem.ts"
import { describeValue } from "./differences.ts"
import { isExpired } from "./modelQueries.ts"
import { step } from "./step.ts"
import { stepObserved } from "./stepObserved.ts"

/** The result of `checkLinearizability`. */
export interface LinearizabilityReport {
  /** The number of cards that were checked. */
  readonly cards: number
  /** One text for each card whose operations no order explains. */
  readonly violations: ReadonlyArray<string>
}

/**
 * Checks that a history is linearizable card by card: the operations on each card have an order in which every answer is the
 * model's, and in which no operation comes before one that had ended when it was sent. It uses the search of Wing and Gong,
 * and memoizes states without a solution.
 *
 * Operations on a card are the commands that name it, the claims without an id that returned it, and the reclaims that
 * returned its id. A command with an unknown outcome was carried out at some time or never. Other cards appear only through
 * their effects on this card, which may occur at any time:
 *
 * - its dependencies may be done or not, and exist or not (`LogChecker` checks whether they were when it was claimed);
 * - a refused link may have closed a cycle through other cards;
 * - a claim of another card may have reclaimed this card's claim, at a time at which it had expired;
 * - a claim by id returns nothing when it finds its card locked, if another operation overlapped it.
 *
 * Claims without an id that returned nothing are checked by `checkClaimOrder`. The cards of the history are created in it,
 * without idempotency keys.
 */
export const checkLinearizability = (history: History): LinearizabilityReport => {
  const ids = new Set(history.operations.flatMap(({ command, outcome }) => cardsOf(command, outcome)))
  const violations = [...ids].flatMap((id) => findViolation(history, id) ?? [])
  return { cards: ids.size, violations }
}

const cardsOf = (command: ModelCommand, outcome: ModelOutcome | undefined): ReadonlyArray<string> => {
  const claimed = outcome?._tag === "Answered" ? claimedCards(command, outcome.answer).map(({ id }) => id) : []
  return [...namedCards(command), ...claimed]
}

/** An operation from one card's point of view. */
interface CardOperation extends Operation {
  readonly times: ReadonlyArray<number>
  readonly isOverlapped: boolean
  /** Whether it reclaims only expired claims. */
  readonly reclaimsExpired: boolean
}

interface CardState {
  readonly card: ModelCard | undefined
  readonly receipts: Model["receipts"]
}

const findViolation = (history: History, id: string): string | undefined => {
  const operations = history.operations
    .flatMap((operation): ReadonlyArray<CardOperation> => {
      const seen = projectOntoCard(history, id, operation)
      if (seen === undefined) return []
      const isOverlapped = history.operations.some((other) => other !== operation && overlaps(operation, other))
      const reclaimsExpired = operation.command._tag === "Reclaim" && operation.command.id === undefined
      return [{ ...seen, times: possibleTimes(history, operation), isOverlapped, reclaimsExpired }]
    })
    .sort((left, right) => left.invoked - right.invoked)
  const allTimes = history.clock.map(({ time }) => time)
  const visited = new Set<string>()
  let longest: ReadonlyArray<CardOperation> = []
  let stuckAt: CardState | undefined

  const search = (
    left: ReadonlyArray<CardOperation>,
    state: CardState,
    done: ReadonlyArray<CardOperation>
  ): boolean => {
    if (left.every(({ outcome }) => outcome === undefined)) return true
    const key = JSON.stringify([left.map(({ invoked }) => invoked), state.card, [...state.receipts]])
    if (visited.has(key)) return false
    visited.add(key)
    if (stuckAt === undefined || done.length > longest.length) {
      longest = done
      stuckAt = state
    }
    const firstAnswer = Math.min(...left.map(({ responded }) => responded))
    for (const operation of left) {
      if (operation.invoked > firstAnswer) break
      const others = left.filter((other) => other !== operation)
      // A command with an unknown outcome may never have been carried out.
      if (operation.outcome === undefined && search(others, state, done)) return true
      for (const after of statesAfter(state, operation, allTimes)) {
        if (search(others, after, [...done, operation])) return true
      }
    }
    return false
  }

  if (search(operations, { card: undefined, receipts: new Map() }, [])) return undefined
  const rest = operations.filter((operation) => !longest.includes(operation)).slice(0, 8)
  return [
    `no order of the operations on card ${id} explains their answers. In the longest order tried, after`,
    ...longest.slice(-8).map(describe),
    `there is ${describeValue(stuckAt?.card ?? null)}, and none of these can come next:`,
    ...rest.flatMap((operation) => [describe(operation), ...describeMismatch(stuckAt, operation)])
  ].join("\n")
}

const describe = ({ command, invoked, outcome, responded }: Operation): string =>
  `  [${invoked}, ${responded}] ${describeCommand(command)} returned ${outcome === undefined ? "nothing yet" : describeOutcome(outcome)}`

/** Describes how an answer differs from what the model returns in a state, in the surroundings that come closest. */
const describeMismatch = (state: CardState | undefined, operation: CardOperation): ReadonlyArray<string> => {
  const { command, outcome, times } = operation
  if (state === undefined || outcome === undefined) return []
  const [closest = []] = modelsAround(state, operation)
    .flatMap((model) =>
      times.map((now) => outcomeDifferences(step(model, command, now)[1], answerAlone(command, outcome)))
    )
    .sort((one, other) => one.length - other.length)
  return closest.map((line) => `      ${line}`)
}

/** Returns the part of an operation that concerns a card, or `undefined`. */
const projectOntoCard = (history: History, id: string, operation: Operation): Operation | undefined => {
  const { command, outcome } = operation
  switch (command._tag) {
    case "CreateMany": {
      const { cards, ...origin } = command
      const card = cards.find((each) => each.id === id)
      if (card === undefined || outcome?._tag === "Refused") return undefined
      const created = (outcome?.answer as ReadonlyArray<ModelCard> | undefined)?.find((each) => each.id === id)
      return {
        ...operation,
        command: { ...card, ...origin, _tag: "Create" },
        outcome: created === undefined ? undefined : { _tag: "Answered", answer: created }
      }
    }
    case "Claim":
      if (command.id !== undefined) return command.id === id ? operation : undefined
      return claimOf(history, id, operation, { ...command, id })
    case "ClaimMany": {
      const { limit: _limit, ...input } = command
      return claimOf(history, id, operation, { ...input, _tag: "Claim", id })
    }
    case "Reclaim": {
      if (command.id !== undefined) return command.id === id ? operation : undefined
      const ids = outcome?._tag === "Answered" ? (outcome.answer as ReadonlyArray<string>) : []
      if (!ids.includes(id)) return undefined
      return { ...operation, command: { ...command, id }, outcome: { _tag: "Answered", answer: [id] } }
    }
    case "Complete": {
      const { claimNext, ...completion } = command
      if (completion.id === id) {
        if (outcome?._tag !== "Answered") return { ...operation, command: completion }
        const { madeClaimable: _others, next: _next, ...card } = outcome.answer as ModelCompletedCard
        return { ...operation, command: completion, outcome: { _tag: "Answered", answer: card } }
      }
      if (claimNext === undefined || outcome?._tag === "Refused") return undefined
      const { force: _force, result: _result, token: _token, ...origin } = completion
      return claimOf(history, id, operation, { ...origin, ...claimNext, _tag: "Claim", id })
    }
    default:
      return cardsOf(command, outcome).includes(id) ? operation : undefined
  }
}

/** Returns a claim without an id as the claim of one card that it took, or may have taken when its outcome is unknown. */
const claimOf = (
  history: History,
  id: string,
  operation: Operation,
  claim: Extract<ModelCommand, { _tag: "Claim" }>
): Operation | undefined => {
  const { command, outcome } = operation
  const known = outcome ?? outcomeOfRetry(history, command)
  if (known === undefined) return { ...operation, command: claim }
  const claimed =
    known._tag === "Answered" ? claimedCards(command, known.answer).find((card) => card.id === id) : undefined
  if (claimed === undefined) return undefined
  return { ...operation, command: claim, outcome: outcome && { _tag: "Answered", answer: claimed } }
}

/** Returns the known outcome of a command that was sent several times with the same id. */
const outcomeOfRetry = ({ operations }: History, retried: ModelCommand): ModelOutcome | undefined => {
  const key = receiptKey(retried)
  return key === undefined
    ? undefined
    : operations.find(
        ({ command, outcome }) => receiptKey(command) === key && outcome !== undefined && !isIdConflict(outcome)
      )?.outcome
}

const isIdConflict = (outcome: ModelOutcome): boolean =>
  outcome._tag === "Refused" && outcome.rejection._tag === "CommandIdConflict"

/** Returns the states of a card after an operation that its answer allows. */
const statesAfter = (
  state: CardState,
  operation: CardOperation,
  allTimes: ReadonlyArray<number>
): ReadonlyArray<CardState> => {
  const latest = operation.times.at(-1) ?? -Infinity
  const before = [
    state,
    ...statesAfterReclaim(
      state,
      allTimes.filter((time) => time <= latest)
    )
  ]
  const states = before.flatMap((from) => [
    ...operation.times.flatMap((now) => statesByModel(from, operation, now)),
    ...statesUnchanged(from, operation)
  ])
  return [...new Map(states.map((each) => [JSON.stringify([each.card, [...each.receipts]]), each])).values()]
}

/** Returns the states after a claim of another card reclaimed this card's expired claim. */
const statesAfterReclaim = ({ card, receipts }: CardState, times: ReadonlyArray<number>): ReadonlyArray<CardState> =>
  card === undefined
    ? []
    : times.flatMap((now) => {
        if (!isExpired(card, now)) return []
        const [after] = step(
          { cards: new Map([[card.id, card]]), receipts },
          { _tag: "Reclaim", actor: "another" },
          now
        )
        return [{ card: after.cards.get(card.id), receipts }]
      })

const statesByModel = (state: CardState, operation: CardOperation, now: number): ReadonlyArray<CardState> => {
  const { card, receipts } = state
  const { command, outcome, reclaimsExpired } = operation
  const id = cardsOf(command, outcome)[0] ?? ""
  if (reclaimsExpired && !(card !== undefined && isExpired(card, now)) && !receipts.has(receiptKey(command) ?? ""))
    return []
  return modelsAround(state, operation).flatMap((model) => {
    const after =
      outcome === undefined
        ? step(model, command, now)[0]
        : stepObserved(model, command, now, answerAlone(command, outcome))
    return after === undefined ? [] : [{ card: after.cards.get(id), receipts: after.receipts }]
  })
}

/** Returns the models of one card that an operation may find, which differ in the states of the other cards. */
const modelsAround = ({ card, receipts }: CardState, { command, outcome }: Operation): ReadonlyArray<Model> => {
  const id = cardsOf(command, outcome)[0] ?? ""
  return surroundings(id, card, command).map((others) => {
    const cards = new Map(others.map((other) => [other.id, other]))
    if (card !== undefined) cards.set(card.id, card)
    return { cards, receipts }
  })
}

/** Returns an outcome as the model returns it when there are no cards that depend on this one, or can be claimed next. */
const answerAlone = (command: ModelCommand, outcome: ModelOutcome): ModelOutcome =>
  command._tag !== "Complete" || outcome._tag === "Refused"
    ? outcome
    : { _tag: "Answered", answer: { ...(outcome.answer as ModelCard), madeClaimable: [], next: null } }

/** Returns the possible states of the other cards: all done, none done, or missing. */
const surroundings = (
  id: string,
  card: ModelCard | undefined,
  command: ModelCommand
): ReadonlyArray<ReadonlyArray<ModelCard>> => {
  const ids = [
    ...(card?.dependsOn ?? []),
    ...(command._tag === "Create" ? (command.dependsOn ?? []) : command._tag === "Link" ? [command.to] : [])
  ].filter((other) => other !== id)
  const such = (status: "ready" | "done") => ids.map((other): ModelCard => ({ ...blank, id: other, status }))
  return ids.length === 0 ? [[]] : [such("done"), such("ready"), []]
}

const blank: ModelCard = {
  id: "",
  title: "T",
  body: null,
  phase: null,
  labels: [],
  priority: 0,
  status: "ready",
  dependsOn: [],
  ...noClaim,
  attempts: 0,
  notBefore: null,
  idempotencyKey: null,
  acceptance: null,
  result: null,
  blockedReason: null,
  noteCount: 0,
  lastNote: null,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:00:00.000Z",
  completedAt: null,
  version: 1
}

/** Returns the state after an answer that other cards caused, which leaves this card unchanged. */
const statesUnchanged = (state: CardState, operation: CardOperation): ReadonlyArray<CardState> => {
  const { command, isOverlapped, outcome } = operation
  if (outcome === undefined) return []
  const key = receiptKey(command)
  const receipt = key === undefined ? undefined : state.receipts.get(key)
  if (receipt !== undefined) return []
  const isCycle = outcome._tag === "Refused" && outcome.rejection._tag === "DependencyCycle"
  const isLocked = command._tag === "Claim" && outcome._tag === "Answered" && outcome.answer === null && isOverlapped
  if (!isCycle && !isLocked) return []
  return [key === undefined ? state : { ...state, receipts: new Map([...state.receipts, [key, { command, outcome }]]) }]
}
