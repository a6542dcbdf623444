import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Result, Schema } from "effect"
import { Card } from "../../src/domain/Card.ts"
import type { CardId } from "../../src/domain/CardId.ts"
import { compareClaimOrder } from "../../src/domain/Claimability.ts"
import type { ClaimRequest, IdentifiedCommand } from "../../src/domain/Command.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { type DecidedEvent, Event } from "../../src/domain/Event.ts"
import { Rejection } from "../../src/domain/Rejection.ts"
import { decide } from "../../src/domain/decide.ts"
import { evolve, type StreamEvent } from "../../src/domain/evolve.ts"
import { commandOf, allIds, type Step, stepsArbitrary, stocked, timeOf } from "./commands.ts"
import { at, type TimedEvent, MemoryBacklog } from "./support.ts"

/*
 * Properties of any backlog after any commands. A failing property prints the fewest commands that still violate it and a
 * `Replay` token: `{ arbitrary: { replay: "…" } }` as the last argument repeats that run.
 */

const options = { arbitrary: { runs: 300, size: 100 } }

/** A step's decision and the backlog before it. */
interface Moment {
  readonly backlog: MemoryBacklog
  readonly command: IdentifiedCommand
  readonly now: DateTime.Utc
  readonly decision: Decision
}

/** The request of a command that claims the best card. */
const requestOf = (command: IdentifiedCommand): ClaimRequest | undefined => {
  if (command._tag === "Complete") return command.claimNext
  return command._tag === "ClaimMany" || (command._tag === "Claim" && command.id === undefined) ? command : undefined
}

const notes = (command: IdentifiedCommand): boolean =>
  command._tag === "Note" || (command._tag === "Renew" && command.note !== undefined)

const eventsOf = (decision: Decision): ReadonlyArray<DecidedEvent> =>
  Result.isSuccess(decision) ? decision.success : []

/** Executes steps in order. `before` and `after` check each step before and after its events are appended. */
const run = (
  steps: ReadonlyArray<Step>,
  checks: { readonly before?: (moment: Moment) => void; readonly after?: (moment: Moment) => void }
): MemoryBacklog => {
  const backlog = stocked()
  let now = at(0)
  for (const step of steps) {
    now = timeOf(now, step)
    const command = commandOf(backlog.state, step)
    const decision = decide(backlog.state, command, now)
    checks.before?.({ backlog, command, now, decision })
    for (const event of eventsOf(decision)) backlog.append(event, now)
    checks.after?.({ backlog, command, now, decision })
  }
  return backlog
}

const cardsOf = (backlog: MemoryBacklog): ReadonlyArray<Card> =>
  allIds.flatMap((cardId) => backlog.state.card(cardId) ?? [])

const unmetOf = (backlog: MemoryBacklog, card: Card): number =>
  card.dependsOn.filter((cardId) => backlog.state.card(cardId)?.status !== "done").length

const streamOf = (log: ReadonlyArray<StreamEvent>, cardId: CardId): ReadonlyArray<StreamEvent> =>
  log.filter((occurrence) => occurrence.cardId === cardId)

const claimsOf = (backlog: MemoryBacklog, card: Card): ReadonlyArray<StreamEvent> =>
  streamOf(backlog.log, card.id).filter(({ event }) => event._tag === "CardClaimed")

describe("the arbitrary commands", () => {
  it.effect("produce every event and every rejection", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      for (const steps of yield* Arbitrary.sampleEffect(stepsArbitrary, { count: 100, size: 100, seed: 1 })) {
        run(steps, {
          after: ({ decision }) => {
            if (Result.isFailure(decision)) seen.add(decision.failure._tag)
            else for (const { event } of decision.success) seen.add(event._tag)
          }
        })
      }
      // No command of `decide` produces a redaction, which depends on the content of the log.
      seen.add("CardRedacted")
      // Command id conflicts come from receipts, which are checked before `decide`.
      seen.add("CommandIdConflict")
      const all = [
        ...Event.members.map((member) => member.fields._tag.schema.literal),
        ...Rejection.members.map((member) => member.fields._tag.schema.literal)
      ]
      expect([...seen].sort()).toEqual(all.sort())
    })
  )
})

describe("after any commands", () => {
  const isEvent = Schema.is(Event)
  const isRejection = Schema.is(Rejection)
  const isCard = Schema.is(Card)

  it.prop(
    "a decision is events or a rejection, and does not change the backlog",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        before: ({ backlog, command, decision, now }) => {
          if (Result.isFailure(decision)) expect(isRejection(decision.failure)).toBe(true)
          else for (const { event } of decision.success) expect(isEvent(event)).toBe(true)
          expect(decide(backlog.state, command, now)).toEqual(decision)
        },
        after: ({ backlog }) => {
          for (const card of cardsOf(backlog)) expect(isCard(card)).toBe(true)
        }
      })
    },
    options
  )

  /*
   * The second Create of an id is refused because the id is used; the second Release or Complete with a token has a token
   * that is no longer current. Refusals append nothing either. Claims of the best card and notes are excluded: a repeated claim
   * takes another card, and a repeated note is another one.
   */
  it.prop(
    "a command repeated at the same time appends nothing, except claims of the best card and notes",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        after: ({ backlog, command, now }) => {
          if (requestOf(command) !== undefined || notes(command)) return
          expect(eventsOf(decide(backlog.state, command, now))).toEqual([])
        }
      })
    },
    options
  )

  it.prop(
    "the count of a card's unmet dependencies is correct",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        after: ({ backlog }) => {
          for (const card of cardsOf(backlog)) {
            expect([card.id, backlog.state.unmetDependencies(card.id)]).toEqual([card.id, unmetOf(backlog, card)])
          }
        }
      })
    },
    options
  )

  it.prop(
    "no card depends on itself, directly or indirectly",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        after: ({ backlog }) => {
          // Repeatedly removes cards without remaining dependencies. Only cards of a cycle would remain.
          let left = cardsOf(backlog)
          for (let count = -1; count !== left.length;) {
            count = left.length
            const ids = new Set(left.map((card) => card.id))
            left = left.filter((card) => card.dependsOn.some((cardId) => ids.has(cardId)))
          }
          expect(left.map((card) => card.id)).toEqual([])
        }
      })
    },
    options
  )

  it.prop(
    "a card has a claim if and only if it is claimed, and a completion time if and only if it is done",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        after: ({ backlog }) => {
          for (const card of cardsOf(backlog)) {
            const { claimExpiresAt, claimOwner, claimToken, claimTtlSeconds, claimedAt } = card
            for (const part of [claimOwner, claimTtlSeconds, claimedAt, claimExpiresAt, claimToken]) {
              expect([card.status, part === null]).toEqual([card.status, card.status !== "claimed"])
            }
            expect([card.status, card.completedAt === null]).toEqual([card.status, card.status !== "done"])
            if (card.status !== "done") expect(card.result).toBeNull()
            if (card.status !== "blocked") expect(card.blockedReason).toBeNull()
            if (card.status === "claimed") expect(card.notBefore).toBeNull()
          }
        }
      })
    },
    options
  )

  it.prop(
    "a token is the version of the last claim, tokens only grow, and attempts counts the claims",
    [stepsArbitrary],
    ([steps]) => {
      const backlog = run(steps, {
        after: ({ backlog: current }) => {
          for (const card of cardsOf(current)) {
            const claims = claimsOf(current, card)
            if (card.claimToken !== null) expect(card.claimToken).toBe(claims.at(-1)?.version)
            expect(card.attempts).toBe(claims.length)
          }
        }
      })
      for (const card of cardsOf(backlog)) {
        const versions = streamOf(backlog.log, card.id).map(({ version }) => version)
        expect(versions).toEqual(versions.map((_, index) => index + 1))
        expect(card.version).toBe(versions.length)
      }
    },
    options
  )

  it.prop(
    "dependencies are ordered by id without duplicates",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        after: ({ backlog }) => {
          for (const card of cardsOf(backlog)) {
            expect(card.dependsOn).toEqual(allIds.filter((cardId) => card.dependsOn.includes(cardId)))
          }
        }
      })
    },
    options
  )

  it.prop(
    "a card never has two claims at once",
    [stepsArbitrary],
    ([steps]) => {
      const backlog = run(steps, {})
      for (const card of cardsOf(backlog)) {
        let holder: StreamEvent | undefined
        for (const occurrence of streamOf(backlog.log, card.id)) {
          const { event } = occurrence
          if (event._tag === "CardClaimed") {
            expect(holder).toBeUndefined()
            holder = occurrence
          } else if (event._tag === "CardReclaimed" || event._tag === "CardReleased") {
            expect(event.token).toBe(holder?.version)
            holder = undefined
          } else if (event._tag === "CardBlocked" || event._tag === "CardCompleted") {
            const ended = event._tag === "CardBlocked" ? event.endedClaim : event.claim
            expect(ended?.token).toBe(holder?.version)
            holder = undefined
          } else if (event._tag === "ClaimRenewed") {
            expect(event.token).toBe(holder?.version)
          }
        }
      }
    },
    options
  )

  it.prop(
    "a claim takes the first claimable card in claim order",
    [stepsArbitrary],
    ([steps]) => {
      run(steps, {
        before: ({ backlog, command, decision, now }) => {
          const claimRequest = requestOf(command)
          if (claimRequest === undefined || Result.isFailure(decision)) return
          const completed = command._tag === "Complete" ? command.id : undefined
          const limit = command._tag === "ClaimMany" ? command.limit : 1
          const hasPassed = (time: DateTime.Utc | null) =>
            time !== null && DateTime.toEpochMillis(time) <= DateTime.toEpochMillis(now)
          const best = cardsOf(backlog)
            .filter(
              (card) =>
                card.id !== completed &&
                card.priority >= (claimRequest.minPriority ?? -Infinity) &&
                (claimRequest.labels ?? []).every((label) => card.labels.includes(label)) &&
                !(claimRequest.withoutLabels ?? []).some((label) => card.labels.includes(label)) &&
                (card.status === "ready" || (card.status === "claimed" && hasPassed(card.claimExpiresAt))) &&
                unmetOf(backlog, { ...card, dependsOn: card.dependsOn.filter((id) => id !== completed) }) === 0 &&
                (card.notBefore === null || hasPassed(card.notBefore))
            )
            .sort(compareClaimOrder)
          const taken = eventsOf(decision).filter(({ event }) => event._tag === "CardClaimed")
          expect(taken.map(({ cardId }) => cardId)).toEqual(best.slice(0, limit).map(({ id }) => id))
        }
      })
    },
    options
  )

  it.prop(
    "an idempotency key belongs to one card permanently",
    [stepsArbitrary],
    ([steps]) => {
      const owners = new Map<string, CardId>()
      run(steps, {
        after: ({ backlog }) => {
          for (const { id, idempotencyKey: key } of cardsOf(backlog)) {
            if (key === null) continue
            expect(owners.get(key) ?? id).toBe(id)
            owners.set(key, id)
            expect(backlog.state.cardWithKey(key)?.id).toBe(id)
          }
        }
      })
    },
    options
  )

  it.prop(
    "folding the log produces the same backlog",
    [stepsArbitrary],
    ([steps]) => {
      const backlog = run(steps, {})
      const again = new MemoryBacklog()
      for (const event of backlog.log as ReadonlyArray<TimedEvent>) again.append(event, event.occurredAt)
      for (const cardId of allIds) {
        const card = backlog.state.card(cardId)
        // One card's own events are enough for the card.
        const folded = streamOf(backlog.log, cardId).reduce(evolve, undefined)
        expect(folded).toEqual(card)
        expect(again.state.card(cardId)).toEqual(card)
        expect(again.state.summary(cardId)).toEqual(backlog.state.summary(cardId))
        const dependents = allIds.filter((other) => backlog.state.card(other)?.dependsOn.includes(cardId) === true)
        expect([...backlog.state.dependentsOf(cardId)].sort()).toEqual([...dependents].sort())
        expect([...again.state.dependentsOf(cardId)].sort()).toEqual([...dependents].sort())
      }
      expect(again.log).toEqual(backlog.log)
    },
    options
  )
})
