import { Effect, Fiber } from "effect"
import type { BacklogService } from "../services/BacklogService.ts"
import type { ModelCommand, ModelOutcome } from "./Model.ts"
import { execute } from "./execute.ts"

/**
 * Asks, and hangs up while the command is under way. Whatever comes of it has come when this ends: commands are carried
 * out in the order in which they were asked for, and one that changes nothing follows.
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
  const unheard: ModelOutcome | undefined = undefined
  return unheard
})
