import { Array, Effect, Option, Result } from "effect"
import { requireValidToken } from "./Caller.ts"
import { claimOrWait, makeAwaitClaimable, makeAwaitClaimEnd } from "./claimWaiting.ts"
import { withDatabaseErrors } from "./errors.ts"
import { handleCommand } from "./handleCommand.ts"
import type { Handlers } from "./handleEndpoint.ts"
import { BacklogService, CardNotFound, type ClaimInput, type ListInput } from "../index.ts"

/** Makes the handlers of the endpoints of `BacklogService`. */
export const makeBacklogHandlers = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const awaitClaimable = yield* makeAwaitClaimable
  const awaitClaimEnd = yield* makeAwaitClaimEnd
  const claim = (input: ClaimInput) => Effect.andThen(requireValidToken, backlog.claim(input))
  return {
    create: handleCommand(backlog.create),
    createMany: handleCommand(backlog.createMany),
    revise: handleCommand(backlog.revise),
    note: handleCommand(backlog.note),
    get: ({ query }) =>
      withDatabaseErrors(
        Effect.flatMap(
          backlog.get(query.id),
          Option.match({
            onNone: () => Effect.fail(new CardNotFound({ id: query.id })),
            onSome: (card) => Effect.succeed(card)
          })
        )
      ),
    list: ({ query }) => withDatabaseErrors(backlog.list(query as ListInput & { readonly fields?: "all" })),
    notes: ({ query }) => withDatabaseErrors(backlog.notes(query)),
    claims: ({ query }) => withDatabaseErrors(backlog.claims(query)),
    dependents: ({ query }) => withDatabaseErrors(backlog.dependents(query)),
    neighbourhood: ({ query }) => withDatabaseErrors(backlog.neighbourhood(query)),
    impact: ({ query }) => withDatabaseErrors(backlog.impact(query.id)),
    criticalPath: ({ query }) => withDatabaseErrors(backlog.criticalPath(query)),
    claim: (request) =>
      Effect.map(
        handleCommand((input: ClaimInput) => claimOrWait(claim, awaitClaimable, input, request.query.wait ?? 0))(
          request
        ),
        Option.getOrUndefined
      ),
    claimMany: handleCommand(backlog.claimMany),
    renew: handleCommand(backlog.renew),
    release: handleCommand(backlog.release),
    reclaim: handleCommand(backlog.reclaim),
    link: handleCommand(backlog.link),
    unlink: handleCommand(backlog.unlink),
    block: handleCommand(backlog.block),
    unblock: handleCommand(backlog.unblock),
    complete: handleCommand(backlog.complete),
    completeMany: (request) => Effect.map(handleCommand(backlog.completeMany)(request), Array.map(Result.merge)),
    reopen: handleCommand(backlog.reopen),
    stats: () => withDatabaseErrors(backlog.stats),
    explain: ({ query }) => withDatabaseErrors(backlog.explain(query.id)),
    whyNothingClaimable: ({ query }) => withDatabaseErrors(backlog.whyNothingClaimable(query)),
    awaitClaimable: ({ query }) => withDatabaseErrors(awaitClaimable(query)),
    awaitClaimEnd: ({ query }) => withDatabaseErrors(awaitClaimEnd(query))
  } satisfies Handlers<"backlog">
})
