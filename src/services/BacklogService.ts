import { Context, Effect, Layer, Option, type Result } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import { CardId } from "../domain/CardId.ts"
import type { ClaimOutlook } from "../domain/ClaimOutlook.ts"
import { Command, CompleteMany } from "../domain/Command.ts"
import { explain, type Explanation } from "../domain/Explanation.ts"
import {
  type CardAlreadyExists,
  type CardIsClaimed,
  type CardIsDone,
  CardNotFound,
  type ClaimLost,
  type CommandIdConflict,
  type DependencyCycle,
  type DependencyNotFound,
  type SelfDependency
} from "../domain/Rejection.ts"
import type { Stats } from "../domain/Stats.ts"
import { withReplicaErrors } from "../events/replica.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import { decodeListOptions, type ListOptions } from "./ListOptions.ts"
import { CommandQueue } from "./commands/CommandQueue.ts"
import { Interpreter } from "./commands/Interpreter.ts"
import type { Answer, CompletedCard } from "./commands/Outcome.ts"
import { Receipts } from "./commands/Receipts.ts"
import { makeCommandMetrics } from "./commands/commandMetrics.ts"
import { makeCommandReadiness } from "./commands/commandReadiness.ts"
import { decodeInput, decodeTaggedInput, type InvalidInput } from "./decodeInput.ts"
import { layerBatchTransaction, layerEventLog } from "./driverLayers.ts"
import { type BacklogMissing, BacklogOpening } from "./schema/BacklogOpening.ts"
import { type MigrationRefused, Migrations } from "./schema/Migrations.ts"
import {
  type AwaitClaimable,
  type ClaimAmong,
  decodeAwaitClaimable,
  decodeClaimAmong,
  defaultWaitSeconds
} from "./waiting/ClaimWaiting.ts"
import { ClaimableWatch } from "./waiting/ClaimableWatch.ts"
import { withPromptAnswer, withoutAnswerTimeout } from "../sql/AnswerTimeout.ts"

/**
 * A function whose effects are spans when somebody traces. Without a tracer nobody would see them, and making one takes as
 * long as deciding on a command.
 */
const spanned =
  <Arguments extends ReadonlyArray<unknown>, A, E, R>(
    name: string,
    of: (...input: Arguments) => Effect.Effect<A, E, R>
  ): ((...input: Arguments) => Effect.Effect<A, E, R>) =>
  (...input) =>
    Effect.withFiber((fiber) => (fiber.cache.tracer === undefined ? of(...input) : Effect.withSpan(of(...input), name)))

/** What a command's method takes: the command without its tag. Ids and names are plain strings, checked on the way in. */
export type Input<Tag extends Command["_tag"]> = Omit<Extract<typeof Command.Encoded, { readonly _tag: Tag }>, "_tag">

type Failure = InvalidInput | SqlError.SqlError

type CommandFailure = CommandIdConflict | Failure

/** Why a card is not completed. */
export type CompletionRejection = CardNotFound | ClaimLost | CardIsClaimed | CommandIdConflict

/**
 * The backlog. Every command names its `actor`; input that is not valid fails with `InvalidInput` and a broken rule
 * with its own rejection, and then nothing was written; `SqlError` is the database's. An accepted command is durable
 * when it answers. Inside the caller's own `sql.withTransaction` a command becomes part of that transaction.
 *
 * A command with a `commandId` is carried out once: the same id with the same content again gets the first answer (the
 * cards as they stood then, the claim with its token, the refusal), also when nobody heard it. The same id with other
 * content fails with `CommandIdConflict`. An id belongs to the command's actor: another actor's command under the same id
 * is another command. After a redaction of a card, texts that may have been erased are not compared. Receipts are kept until
 * `AuditService.pruneReceipts`.
 */
export class BacklogService extends Context.Service<
  BacklogService,
  {
    /** Creates a card. The same `idempotencyKey` again answers the card that is there, unchanged. */
    readonly create: (
      input: Input<"Create">
    ) => Effect.Effect<Card, CardAlreadyExists | SelfDependency | DependencyCycle | CommandFailure>
    /** Creates cards, all or none, in any order; at most 200,000 at once. */
    readonly createMany: (
      input: Input<"CreateMany">
    ) => Effect.Effect<ReadonlyArray<Card>, CardAlreadyExists | SelfDependency | DependencyCycle | CommandFailure>
    /** Changes title, body, phase, priority or acceptance: what is given, `null` to clear. */
    readonly revise: (input: Input<"Revise">) => Effect.Effect<Card, CardNotFound | CommandFailure>
    /** A card, if there is one with this id. */
    readonly get: (id: string) => Effect.Effect<Option.Option<Card>, Failure>
    /** Cards in claim order. `CardNotFound` when there is no card `after`. */
    readonly list: (options?: typeof ListOptions.Encoded) => Effect.Effect<ReadonlyArray<Card>, CardNotFound | Failure>
    /**
     * Takes the best claimable card (of those in `phase` and of `minPriority` or more, where these are given), or the
     * one named, under a lease of `ttlSeconds` (900 unless told otherwise). `none` when there is nothing to take. The
     * card's `claimToken` is what the holder shows from then on.
     */
    readonly claim: (input: Input<"Claim">) => Effect.Effect<Option.Option<Card>, CommandFailure>
    /** Takes the best claimable cards, `limit` at most (1 to 1,000), the best first; none when there is nothing to take. */
    readonly claimMany: (input: Input<"ClaimMany">) => Effect.Effect<ReadonlyArray<Card>, CommandFailure>
    /** Extends a claim, from now on. */
    readonly renew: (input: Input<"Renew">) => Effect.Effect<Card, CardNotFound | ClaimLost | CommandFailure>
    /** Gives a card back, if asked not to be claimed again for `retryAfterSeconds`. */
    readonly release: (input: Input<"Release">) => Effect.Effect<Card, CardNotFound | ClaimLost | CommandFailure>
    /** Takes back every expired claim, or the claim on one card, expired or not. Answers the ids. */
    readonly reclaim: (input: Input<"Reclaim">) => Effect.Effect<ReadonlyArray<CardId>, CommandFailure>
    /** Makes card `from` depend on card `to`. */
    readonly link: (
      input: Input<"Link">
    ) => Effect.Effect<Card, CardNotFound | DependencyNotFound | SelfDependency | DependencyCycle | CommandFailure>
    /** Removes that dependency. */
    readonly unlink: (input: Input<"Unlink">) => Effect.Effect<Card, CardNotFound | CommandFailure>
    /** Sets a card aside; ends its claim. */
    readonly block: (input: Input<"Block">) => Effect.Effect<Card, CardNotFound | CardIsDone | CommandFailure>
    /** Makes a blocked card ready again. */
    readonly unblock: (input: Input<"Unblock">) => Effect.Effect<Card, CardNotFound | CardIsDone | CommandFailure>
    /**
     * Completes a card: a claimed one with its current token, or with `force`; any other directly. Answers also which
     * cards that made claimable. With `claimNext` it claims the best card in the same transaction, those included.
     */
    readonly complete: (input: Input<"Complete">) => Effect.Effect<CompletedCard, CompletionRejection | Failure>
    /**
     * Completes cards in one transaction, at most 1,000, in order. Each has an outcome of its own, in its place: one that
     * is refused leaves the others as they are.
     */
    readonly completeMany: (
      input: typeof CompleteMany.Encoded
    ) => Effect.Effect<ReadonlyArray<Result.Result<CompletedCard, CompletionRejection>>, Failure>
    /** Makes a done card ready again. Cards that depend on it and are not done wait for it again. */
    readonly reopen: (input: Input<"Reopen">) => Effect.Effect<Card, CardNotFound | CommandFailure>
    /**
     * Why commands would not get through to the database now; none when they do. Commits a write that leaves nothing
     * behind. Returns within about four seconds, also when the database does not answer.
     */
    readonly readiness: Effect.Effect<Option.Option<string>, SqlError.SqlError>
    /** The backlog in numbers. */
    readonly stats: Effect.Effect<Stats, SqlError.SqlError>
    /** Why a card can or cannot be claimed. */
    readonly explain: (id: string) => Effect.Effect<Explanation, CardNotFound | Failure>
    /** Why a claim among these cards finds nothing, and when that may change. */
    readonly whyNothingClaimable: (among?: typeof ClaimAmong.Encoded) => Effect.Effect<ClaimOutlook, Failure>
    /**
     * Waits until a claim among these cards may find one, `waitSeconds` at most (30 unless told otherwise, 3,600 at most;
     * 0 looks once), and answers whether it may: another may be faster. It hears of commits in any process as they happen,
     * and knows when leases run out and retry times come. Of those who wait in a process about as many are
     * called as there are cards. What the caller's own open transaction has changed does not count.
     */
    readonly awaitClaimable: (options?: typeof AwaitClaimable.Encoded) => Effect.Effect<boolean, Failure>
  }
>()("mosaic-backlog/services/BacklogService") {
  /**
   * The backlog over any Postgres client, in the schema that `BacklogSchema` names. Applies the migrations that are
   * missing.
   */
  static readonly layer: Layer.Layer<
    BacklogService,
    BacklogMissing | MigrationRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > = Layer.effect(
    BacklogService,
    Effect.gen(function* () {
      const readModel = yield* ReadModel
      const commands = yield* CommandQueue
      const named = withReplicaErrors(yield* SqlClient.SqlClient)
      const submit: typeof commands.submit = (batch) => named(commands.submit(batch))
      const metrics = makeCommandMetrics(yield* Effect.context())
      const watch = yield* ClaimableWatch
      if ((yield* BacklogOpening).opening === "create") yield* withoutAnswerTimeout(readModel.catchUpCounts)

      /** The way of every command: checked here, carried out by the interpreter, answered by its outcome. */
      const method = <Tag extends Command["_tag"], Rejected>(tag: Tag) =>
        spanned(
          `BacklogService.${tag}`,
          Effect.fnUntraced(function* (input: Input<Tag>) {
            const command = yield* decodeCommand(tag, input)
            const [outcome] = yield* submit([command])
            return yield* Effect.fromResult(outcome as Result.Result<Answer<Tag>, Rejected>)
          }, metrics.measured(tag))
        )

      return BacklogService.of({
        create: method("Create"),
        createMany: method("CreateMany"),
        revise: method("Revise"),
        claim: method("Claim"),
        claimMany: method("ClaimMany"),
        renew: method("Renew"),
        release: method("Release"),
        reclaim: method("Reclaim"),
        link: method("Link"),
        unlink: method("Unlink"),
        block: method("Block"),
        unblock: method("Unblock"),
        complete: method("Complete"),
        completeMany: spanned(
          "BacklogService.CompleteMany",
          Effect.fnUntraced(function* (input) {
            const { actor, causationId, completions, correlationId } = yield* decodeCompleteMany(input)
            if (completions.length === 0) return []
            const outcomes = yield* submit(
              completions.map((completion) => ({
                ...completion,
                _tag: "Complete",
                actor,
                causationId,
                correlationId
              }))
            )
            metrics.countEach("Complete", outcomes)
            return outcomes as ReadonlyArray<Result.Result<CompletedCard, CompletionRejection>>
          }, metrics.measured("CompleteMany"))
        ),
        reopen: method("Reopen"),
        get: Effect.fn("BacklogService.get")(
          function* (id) {
            return yield* readModel.get(yield* decodeId(id))
          },
          withPromptAnswer,
          named
        ),
        list: Effect.fn("BacklogService.list")(
          function* (options = {}) {
            const filter = yield* decodeListOptions(options)
            const cards = yield* readModel.list(filter)
            if (filter.after !== undefined && cards.length === 0 && Option.isNone(yield* readModel.get(filter.after))) {
              return yield* new CardNotFound({ id: filter.after })
            }
            return cards
          },
          withPromptAnswer,
          named
        ),
        readiness: yield* makeCommandReadiness(yield* Interpreter),
        stats: Effect.withSpan(named(withPromptAnswer(readModel.stats)), "BacklogService.stats"),
        explain: Effect.fn("BacklogService.explain")(
          function* (input) {
            const id = yield* decodeId(input)
            const found = yield* readModel.getWithUnmet(id)
            if (Option.isNone(found)) return yield* new CardNotFound({ id })
            return explain(found.value.card, found.value.unmet, found.value.now)
          },
          withPromptAnswer,
          named
        ),
        whyNothingClaimable: Effect.fn("BacklogService.whyNothingClaimable")(
          function* (among = {}) {
            return yield* readModel.outlook(yield* decodeClaimAmong(among))
          },
          withPromptAnswer,
          named
        ),
        awaitClaimable: Effect.fn("BacklogService.awaitClaimable")(function* (options = {}) {
          const { waitSeconds = defaultWaitSeconds, ...among } = yield* decodeAwaitClaimable(options)
          return yield* watch.wait(among, waitSeconds)
        }, named)
      })
    })
  ).pipe(
    Layer.provide([CommandQueue.layer, ClaimableWatch.layer]),
    Layer.provide(Interpreter.layer),
    Layer.provide([Receipts.layer, layerBatchTransaction]),
    Layer.provide([layerEventLog, ReadModel.layer]),
    Layer.provide(Migrations.layer)
  )
}

const decodeCommand = decodeTaggedInput(Command)
const decodeCompleteMany = decodeInput(CompleteMany)
const decodeId = decodeInput(CardId)
