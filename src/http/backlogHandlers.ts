import { Array, Effect, Option, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { BacklogService, CardNotFound } from "../index.ts"
import { BacklogApi } from "./api/BacklogApi.ts"
import { withDatabaseTrouble } from "./DatabaseTrouble.ts"
import { handleCommand } from "./handleCommand.ts"

/** `BacklogService` behind its endpoints. */
export const layerBacklogHandlers = HttpApiBuilder.group(
  BacklogApi,
  "backlog",
  Effect.fnUntraced(function* (handlers) {
    const backlog = yield* BacklogService
    return handlers.handleAll({
      create: handleCommand(backlog.create),
      createMany: handleCommand(backlog.createMany),
      revise: handleCommand(backlog.revise),
      get: ({ query }) =>
        withDatabaseTrouble(
          Effect.flatMap(
            backlog.get(query.id),
            Option.match({
              onNone: () => Effect.fail(new CardNotFound({ id: query.id })),
              onSome: (card) => Effect.succeed(card)
            })
          )
        ),
      list: ({ query }) => withDatabaseTrouble(backlog.list(query)),
      claim: (request) => Effect.map(handleCommand(backlog.claim)(request), Option.getOrUndefined),
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
      stats: () => withDatabaseTrouble(backlog.stats),
      explain: ({ query }) => withDatabaseTrouble(backlog.explain(query.id)),
      whyNothingClaimable: ({ query }) => withDatabaseTrouble(backlog.whyNothingClaimable(query)),
      awaitClaimable: ({ query }) => withDatabaseTrouble(backlog.awaitClaimable(query))
    })
  })
)
