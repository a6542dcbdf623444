import { Array, Effect, Option, Predicate, Result, Schema } from "effect"
import { HttpClientResponse } from "effect/http"
import { maxWaitSeconds } from "../api/BacklogGroup.ts"
import type { Endpoints } from "./connect.ts"
import { request, dieOnInvalidInput, toBacklogFailure, omitUndefined } from "./request.ts"
import {
  BacklogService,
  type ClaimedCard,
  CardId,
  Command,
  type CompletedCard,
  CompleteMany,
  type CompletionRejection,
  type CommandInputs,
  type ListInput,
  ListOptions
} from "../../index.ts"
import {
  decodeAwaitClaimable,
  decodeAwaitClaimEnd,
  decodeClaimFilter,
  decodeClaimsOptions,
  decodeCriticalPathOptions,
  decodeDependentsOptions,
  decodeNeighbourhoodOptions,
  decodeNotesOptions,
  defaultWaitSeconds
} from "../../services/BacklogInput.ts"
import { decodeInput, decodeTaggedInput } from "../../services/decodeInput.ts"
import { toArray } from "../../projections/listQueries.ts"

/** Makes `BacklogService` from the endpoints of a server. Checks input in the same way as the service. */
export const makeBacklogClient = ({ backlog: endpoints, ready }: Endpoints): BacklogService["Service"] => {
  const method = <Tag extends Command["_tag"], A, E>(tag: Tag, endpoint: (request: never) => Effect.Effect<A, E>) =>
    Effect.fn(`BacklogService.${tag}`)(function* (input: CommandInputs[Tag]) {
      const { _tag, ...payload } = yield* decodeCommand(tag, input)
      return yield* request(
        endpoint({ headers: {}, query: {}, payload: omitUndefined(payload) } as never),
        payload.commandId !== undefined
      )
    })

  const claim = method("Claim", endpoints.claim)

  return BacklogService.of({
    create: method("Create", endpoints.create),
    createMany: method("CreateMany", endpoints.createMany),
    revise: method("Revise", endpoints.revise),
    note: method("Note", endpoints.note),
    claim: (input) => Effect.map(claim(input), (card) => Option.fromUndefinedOr(card as ClaimedCard | undefined)),
    claimMany: method("ClaimMany", endpoints.claimMany),
    renew: method("Renew", endpoints.renew),
    release: method("Release", endpoints.release),
    reclaim: method("Reclaim", endpoints.reclaim),
    link: method("Link", endpoints.link),
    unlink: method("Unlink", endpoints.unlink),
    block: method("Block", endpoints.block),
    unblock: method("Unblock", endpoints.unblock),
    complete: method("Complete", endpoints.complete),
    completeMany: Effect.fn("BacklogService.CompleteMany")(function* (input) {
      const payload = yield* decodeCompleteMany(input)
      const outcomes = yield* request(
        endpoints.completeMany({ payload: omitUndefined(payload) as never }),
        payload.completions.every(({ commandId }) => commandId !== undefined)
      )
      return Array.map(outcomes, outcomeOf)
    }),
    reopen: method("Reopen", endpoints.reopen),
    get: Effect.fn("BacklogService.get")(function* (input) {
      const id = yield* decodeId(input)
      return yield* request(endpoints.get({ query: { id } }), true).pipe(
        Effect.asSome,
        Effect.catchTag("CardNotFound", () => Effect.succeedNone)
      )
    }),
    list: Effect.fn("BacklogService.list")(function* (input: ListInput = {}) {
      const { phase, status, ...query } = yield* decodeListOptions(input)
      const several = {
        phase: phase === undefined ? undefined : toArray(phase),
        status: status === undefined ? undefined : toArray(status)
      }
      return yield* request(endpoints.list({ query: omitUndefined({ ...query, ...several }) }), true)
    }) as BacklogService["Service"]["list"],
    notes: Effect.fn("BacklogService.notes")(function* (input) {
      const query = yield* decodeNotesOptions(input)
      return yield* request(endpoints.notes({ query: omitUndefined(query) }), true)
    }),
    claims: Effect.fn("BacklogService.claims")(function* (input = {}) {
      const query = yield* decodeClaimsOptions(input)
      return yield* request(endpoints.claims({ query: omitUndefined(query) }), true)
    }),
    dependents: Effect.fn("BacklogService.dependents")(function* (input) {
      const query = yield* decodeDependentsOptions(input)
      return yield* request(endpoints.dependents({ query: omitUndefined(query) }), true)
    }),
    neighbourhood: Effect.fn("BacklogService.neighbourhood")(function* (input) {
      const query = yield* decodeNeighbourhoodOptions(input)
      return yield* request(endpoints.neighbourhood({ query: omitUndefined(query) }), true)
    }),
    impact: Effect.fn("BacklogService.impact")(function* (input) {
      const id = yield* decodeId(input)
      return yield* request(endpoints.impact({ query: { id } }), true)
    }),
    criticalPath: Effect.fn("BacklogService.criticalPath")(function* (input = {}) {
      const query = yield* decodeCriticalPathOptions(input)
      return yield* request(endpoints.criticalPath({ query: omitUndefined(query) }), true)
    }),
    readiness: Effect.mapError(
      Effect.flatMap(ready, (response) =>
        response.status === 200 ? Effect.succeedNone : Effect.map(readinessProblem(response), Option.some)
      ),
      toBacklogFailure
    ),
    stats: Effect.withSpan(dieOnInvalidInput(request(endpoints.stats(), true)), "BacklogService.stats"),
    explain: Effect.fn("BacklogService.explain")(function* (input) {
      const id = yield* decodeId(input)
      return yield* request(endpoints.explain({ query: { id } }), true)
    }),
    whyNothingClaimable: Effect.fn("BacklogService.whyNothingClaimable")(function* (input = {}) {
      const query = yield* decodeClaimFilter(input)
      return yield* request(endpoints.whyNothingClaimable({ query: omitUndefined(query) }), true)
    }),
    awaitClaimable: Effect.fn("BacklogService.awaitClaimable")(function* (input = {}) {
      const { waitSeconds = defaultWaitSeconds, ...among } = yield* decodeAwaitClaimable(input)
      return yield* waitInSteps(waitSeconds, (seconds) =>
        request(endpoints.awaitClaimable({ query: omitUndefined({ ...among, waitSeconds: seconds }) }), true)
      )
    }),
    awaitClaimEnd: Effect.fn("BacklogService.awaitClaimEnd")(function* (input) {
      const { waitSeconds = defaultWaitSeconds, ...held } = yield* decodeAwaitClaimEnd(input)
      return yield* waitInSteps(waitSeconds, (seconds) =>
        request(endpoints.awaitClaimEnd({ query: { ...held, waitSeconds: seconds } }), true)
      )
    })
  })
}

/** Waits for a number of seconds, in requests that each wait at most `maxWaitSeconds`. */
const waitInSteps = Effect.fnUntraced(function* <E, R>(
  waitSeconds: number,
  wait: (seconds: number) => Effect.Effect<boolean, E, R>
) {
  for (let left = waitSeconds; ; left -= maxWaitSeconds) {
    if (yield* wait(Math.min(left, maxWaitSeconds))) return true
    if (left <= maxWaitSeconds) return false
  }
})

const outcomeOf = (outcome: CompletedCard | CompletionRejection): Result.Result<CompletedCard, CompletionRejection> =>
  Predicate.isError(outcome) ? Result.fail(outcome) : Result.succeed(outcome)

const decodeCommand = decodeTaggedInput(Command)
const decodeId = decodeInput(CardId)
const decodeCompleteMany = decodeInput(CompleteMany)
const decodeListOptions = decodeInput(ListOptions)

const readinessProblem = HttpClientResponse.matchStatus({
  503: (response: HttpClientResponse.HttpClientResponse) =>
    Effect.map(
      HttpClientResponse.schemaBodyJson(Schema.Struct({ detail: Schema.String }))(response),
      ({ detail }) => detail
    ),
  orElse: (response: HttpClientResponse.HttpClientResponse) =>
    Effect.succeed(`the server returned the status ${response.status} for its readiness`)
})
