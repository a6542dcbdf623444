import type { EventRow } from "../../support/verifyBacklog.ts"
import { breachesOf, tokenOf } from "../../support/claimRules.ts"

/** What a worker reported about an acknowledged command. */
export interface Acknowledged {
  /** The command's id. */
  readonly id: string
  readonly op: string
  /** How many of its attempts ended without a response. */
  readonly unknown: number
  /** The rejection, if the command was refused. */
  readonly refused?: string
  /** Whether nothing was claimable. */
  readonly none?: boolean
  readonly card?: string
  readonly version?: number
  readonly token?: number
  readonly result?: unknown
}

/** The parts of an event that show whether commands were lost or applied twice. */
export type LoggedEvent = Pick<
  EventRow,
  "position" | "cardId" | "version" | "type" | "commandId" | "data" | "occurredAt"
>

/** The violations in a log, given the acknowledged commands. All lists are empty when there are none. */
export interface Findings {
  /** Acknowledged commands whose effect is missing or different in the log, and refused ones with an effect. */
  readonly lost: ReadonlyArray<string>
  /** Commands with events of more than one execution. */
  readonly twice: ReadonlyArray<string>
  /** Claims and ends of claims that break the rules. */
  readonly claims: ReadonlyArray<string>
}

const eventOf: Readonly<Record<string, string>> = {
  create: "CardCreated",
  claim: "CardClaimed",
  renew: "ClaimRenewed",
  release: "CardReleased",
  complete: "CardCompleted",
  block: "CardBlocked",
  unblock: "CardUnblocked",
  link: "CardLinked",
  unlink: "CardUnlinked",
  revise: "CardRevised",
  reclaim: "CardReclaimed"
}

/** Commands that always change something when they are accepted. The others may have no effect. */
const alwaysChange = new Set(["create", "claim", "renew", "release", "revise"])

/** Compares a log, in order of position, with the responses that its writers received. */
export const checkCommands = (log: ReadonlyArray<LoggedEvent>, acknowledged: ReadonlyArray<Acknowledged>): Findings => {
  const byCommand = new Map<string, Array<LoggedEvent>>()
  for (const event of log) {
    if (event.commandId === null) continue
    const events = byCommand.get(event.commandId)
    if (events === undefined) byCommand.set(event.commandId, [event])
    else events.push(event)
  }
  return {
    lost: acknowledged.flatMap((answer) => {
      const events = (byCommand.get(answer.id) ?? []).filter((event) => isOwn(answer.op, event))
      return isAsAnswered(answer, events) ? [] : [`${JSON.stringify(answer)} has ${describe(events)}`]
    }),
    twice: [...byCommand]
      .filter(([, events]) => !isOneExecution(events))
      .map(([id, events]) => `${id}: ${describe(events)}`),
    claims: breachesOf(log as ReadonlyArray<EventRow>)
  }
}

/** A claim also reclaims expired claims, which are not part of its response. */
const isOwn = (op: string, { type }: LoggedEvent): boolean => type !== "CardReclaimed" || op === "reclaim"

const isAsAnswered = (answer: Acknowledged, events: ReadonlyArray<LoggedEvent>): boolean => {
  if (answer.refused !== undefined || answer.none === true) return events.length === 0
  if (events.some(({ type }) => type !== eventOf[answer.op])) return false
  if (answer.op === "reclaim") return true
  const changed = alwaysChange.has(answer.op) || (answer.op === "complete" && answer.result === answer.id)
  const [event] = events
  if (event === undefined) return !changed
  return (
    events.length === 1 &&
    event.cardId === answer.card &&
    event.version === answer.version &&
    (answer.op !== "claim" || tokenOf(event) === answer.token)
  )
}

/** The events of one command are adjacent, and at most one of them is not a reclaim. */
const isOneExecution = (events: ReadonlyArray<LoggedEvent>): boolean =>
  events.filter(({ type }) => type !== "CardReclaimed").length <= 1 &&
  new Set(events.map(({ cardId, type }) => `${type} ${cardId}`)).size === events.length &&
  events.every(({ position }, index) => position === (events[0]?.position ?? 0) + index)

const describe = (events: ReadonlyArray<LoggedEvent>): string =>
  events.length === 0
    ? "no event"
    : events.map(({ cardId, position, type, version }) => `${position}: ${type} ${cardId} ${version}`).join(", ")
