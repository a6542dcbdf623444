import { Effect, Fiber, Option, Schema } from "effect"
import { Card } from "../domain/Card.ts"
import { Rejection } from "../domain/Rejection.ts"
import type { BacklogService } from "../services/BacklogService.ts"
import type { InvalidInput } from "../services/decodeInput.ts"
import type { BacklogFailure } from "../services/serverFailures.ts"
import type { ModelAnswer, ModelCommand, ModelOutcome } from "./Model.ts"
import { byId } from "./modelQueries.ts"

const encodeCard = Schema.encodeSync(Card)
const encodeRejection = Schema.encodeSync(Rejection)
const isRejection = Schema.is(Rejection)

/** Executes a command on a backlog, and returns its outcome in the model's terms. */
export const execute = (
  backlog: BacklogService["Service"],
  command: ModelCommand
): Effect.Effect<ModelOutcome, InvalidInput | BacklogFailure> =>
  send(backlog, command).pipe(
    Effect.map((answer): ModelOutcome => ({ _tag: "Answered", answer })),
    Effect.catchIf(isRejection, (rejection) =>
      Effect.succeed<ModelOutcome>({ _tag: "Refused", rejection: encodeRejection(rejection) })
    )
  )

const send = (
  backlog: BacklogService["Service"],
  command: ModelCommand
): Effect.Effect<ModelAnswer, Rejection | InvalidInput | BacklogFailure> => {
  switch (command._tag) {
    case "Create":
      return Effect.map(backlog.create(untagged(command)), encodeCard)
    case "CreateMany":
      return Effect.map(backlog.createMany(untagged(command)), (cards) => cards.map((card) => encodeCard(card)))
    case "Revise":
      return Effect.map(backlog.revise(untagged(command)), encodeCard)
    case "Note":
      return Effect.map(backlog.note(untagged(command)), encodeCard)
    case "Claim":
      return Effect.map(
        backlog.claim(untagged(command)),
        Option.match({ onNone: () => null, onSome: (card) => encodeCard(card) })
      )
    case "ClaimMany":
      return Effect.map(backlog.claimMany(untagged(command)), (cards) => cards.map((card) => encodeCard(card)))
    case "Renew":
      return Effect.map(backlog.renew(untagged(command)), encodeCard)
    case "Release":
      return Effect.map(backlog.release(untagged(command)), encodeCard)
    case "Reclaim":
      return Effect.map(backlog.reclaim(untagged(command)), (ids) => [...ids].sort(byId))
    case "Link":
      return Effect.map(backlog.link(untagged(command)), encodeCard)
    case "Unlink":
      return Effect.map(backlog.unlink(untagged(command)), encodeCard)
    case "Block":
      return Effect.map(backlog.block(untagged(command)), encodeCard)
    case "Unblock":
      return Effect.map(backlog.unblock(untagged(command)), encodeCard)
    case "Complete":
      return Effect.map(backlog.complete(untagged(command)), ({ madeClaimable, next, ...card }) => ({
        ...encodeCard(card),
        madeClaimable: [...madeClaimable].sort(byId),
        next: next === null ? null : encodeCard(next)
      }))
    case "Reopen":
      return Effect.map(backlog.reopen(untagged(command)), encodeCard)
  }
}

const untagged = <C extends ModelCommand>({ _tag, ...input }: C): Omit<C, "_tag"> => input

/**
 * Sends a command, and interrupts it while it runs. When this ends, the command has had its effect, if any: commands are
 * carried out in the order in which they were sent, and this waits for a later command without an effect.
 */
export const executeAndInterrupt = Effect.fnUntraced(function* (
  backlog: BacklogService["Service"],
  command: ModelCommand
) {
  const fiber = yield* Effect.forkChild(execute(backlog, command))
  yield* Effect.yieldNow
  yield* Effect.yieldNow
  yield* Fiber.interrupt(fiber)
  yield* execute(backlog, { _tag: "Reclaim", id: "no card", actor: "the next one" })
  const unknown: ModelOutcome | undefined = undefined
  return unknown
})
