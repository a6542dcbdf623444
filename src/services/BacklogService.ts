import { Context, DateTime, Effect, Layer, Option, type Result } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { ActiveClaim } from "../domain/ActiveClaim.ts"
import type { Card, ClaimedCard } from "../domain/Card.ts"
import { type CardSummary, summarize } from "../domain/CardFilter.ts"
import type { GraphCard, Impact, Neighbourhood } from "../domain/CardGraph.ts"
import { CardId } from "../domain/CardId.ts"
import type { CardNote } from "../domain/CardNote.ts"
import type { ClaimOutlook } from "../domain/ClaimOutlook.ts"
import { type ClaimFilter, Command, CompleteMany } from "../domain/Command.ts"
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
  type SelfDependency,
  type TooManyLabels
} from "../domain/Rejection.ts"
import type { Stats } from "../domain/Stats.ts"
import { EventLog } from "../events/EventLog.ts"
import { ReadGate, type Shown } from "../events/ReadGate.ts"
import { withReplicaErrors } from "../events/replica.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import {
  type AwaitClaimableInput,
  type AwaitClaimEndInput,
  type BlockInput,
  type ClaimInput,
  type ClaimManyInput,
  type ClaimsInput,
  type CommandInputs,
  type CompleteInput,
  type CompleteManyInput,
  type CreateInput,
  type CreateManyInput,
  type CriticalPathInput,
  decodeAwaitClaimable,
  decodeAwaitClaimEnd,
  decodeClaimFilter,
  decodeClaimsOptions,
  decodeCriticalPathOptions,
  decodeDependentsOptions,
  decodeListOptions,
  decodeNeighbourhoodOptions,
  decodeNotesOptions,
  refuseLostPlace,
  defaultPageSize,
  defaultWaitSeconds,
  type DependentsInput,
  type LinkInput,
  type ListInput,
  type NeighbourhoodInput,
  type NoteInput,
  type NotesInput,
  type ReclaimInput,
  type ReleaseInput,
  type RenewInput,
  type ReopenInput,
  type ReviseInput,
  type UnblockInput,
  type UnlinkInput
} from "./BacklogInput.ts"
import { CommandQueue } from "./commands/CommandQueue.ts"
import { Interpreter } from "./commands/Interpreter.ts"
import type { Answer, CompletedCard } from "./commands/Outcome.ts"
import { Receipts } from "./commands/Receipts.ts"
import { makeCommandMetrics } from "./commands/commandMetrics.ts"
import { makeCommandReadiness } from "./commands/commandReadiness.ts"
import { decodeInput, decodeTaggedInput, type InvalidInput } from "./decodeInput.ts"
import { layerBatchTransaction, layerEventLog } from "./driverLayers.ts"
import { layerReadGate } from "./readGates.ts"
import type { BacklogMissing } from "./schema/BacklogOpening.ts"
import { type MigrationRefused, Migrations } from "./schema/Migrations.ts"
import { requireOneEffect } from "./requireOneEffect.ts"
import type { BacklogFailure } from "./serverFailures.ts"
import { ClaimableWatch } from "./waiting/ClaimableWatch.ts"
import { ClaimEndWatch } from "./waiting/ClaimEndWatch.ts"

/** The errors of every method that takes input. */
export type QueryFailure = InvalidInput | BacklogFailure

/** The errors of every command, in addition to its rejections. */
export type CommandFailure = CommandIdConflict | QueryFailure

/** The rejections of a completion. */
export type CompletionRejection = CardNotFound | ClaimLost | CardIsClaimed | CommandIdConflict

/**
 * The backlog: creates, claims and completes cards, and reads them.
 *
 * **When to use**
 *
 * Use to work on cards: in workers, planners and services. To read what happened and to prove it, use `AuditService`.
 *
 * **Details**
 *
 * Every command takes one object that names its `actor`, and returns the card after the command, unless its documentation
 * says otherwise. When the effect succeeds, the command is durable. Inside the caller's own `sql.withTransaction` a command
 * is part of that transaction, and durable when that commits. A command that finds everything as requested succeeds without
 * an event.
 *
 * A command with a `commandId` is carried out once. When the same actor sends it again, it gets the first answer: the cards as
 * they were then, the claim with its token, or the refusal. Texts that were redacted since are not compared. Receipts are
 * kept until `AuditService.pruneReceipts` removes them.
 *
 * All methods may also fail with:
 *
 * - `InvalidInput`: the input does not fit its schema. Nothing was sent to the database.
 * - `SqlError`: the database failed. With the reason `ConnectionError` the command may have been committed; the message says
 *   whether it may. Send the command again with the same `commandId` to get its outcome.
 * - `Unauthorized`, `Forbidden`, `TooManyRequests`, `Unreachable` (`ServerFailure`): only over `layerHttp`, where the server
 *   refuses the caller or cannot be reached.
 *
 * After a rejection or `InvalidInput` nothing was written, except the receipt of a rejected command with a `commandId`.
 *
 * **Example** (Creating, claiming and completing a card)
 *
 * ```ts
 * import { Effect, Option } from "effect"
 * import { BacklogService, layerPglite } from "mosaic-backlog"
 *
 * const program = Effect.gen(function* () {
 *   const backlog = yield* BacklogService
 *   yield* backlog.create({ id: "design", title: "Design it", actor: "planner" })
 *   const claimed = yield* backlog.claim({ owner: "worker-1", actor: "worker-1" })
 *   if (Option.isSome(claimed)) {
 *     const { claimToken, id } = claimed.value
 *     yield* backlog.complete({ id, token: claimToken, actor: "worker-1" })
 *   }
 * })
 *
 * Effect.runPromise(Effect.provide(program, layerPglite()))
 * ```
 */
export class BacklogService extends Context.Service<
  BacklogService,
  {
    /**
     * Creates a card and returns it.
     *
     * **When to use**
     *
     * Use to add one card. To add several that depend on each other, use `createMany`.
     *
     * **Details**
     *
     * Without an `id` the card gets a generated one: see `GeneratedIdPrefix`.
     *
     * `dependsOn` may name cards that do not exist yet. The card is not claimable until they exist and are done. When a card
     * with the same `idempotencyKey` exists, returns that card unchanged and records no event, also when two programs create
     * it at the same time.
     *
     * **Example** (Creating a card with a dependency)
     *
     * ```ts
     * yield* backlog.create({ id: "design", title: "Design it", actor: "planner" })
     * yield* backlog.create({ id: "build", title: "Build it", dependsOn: ["design"], actor: "planner" })
     * ```
     *
     * **Rejections**
     *
     * - `CardAlreadyExists`: a card has this id, or had it before.
     * - `SelfDependency`: `dependsOn` names the card itself.
     * - `DependencyCycle`: the dependencies would close a cycle. The error has its path.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly create: (
      input: CreateInput
    ) => Effect.Effect<Card, CardAlreadyExists | SelfDependency | DependencyCycle | CommandFailure>

    /**
     * Creates several cards, all or none, and returns them in the order of the input.
     *
     * **When to use**
     *
     * Use to add a plan of cards with their dependencies, or to import cards.
     *
     * **Details**
     *
     * Takes at most 200,000 cards, in any order: a card may depend on a later one. Cards whose `idempotencyKey` is in use are
     * not created; the existing cards are returned in their places.
     *
     * **Rejections**
     *
     * The same as those of `create`. No card is created then.
     */
    readonly createMany: (
      input: CreateManyInput
    ) => Effect.Effect<ReadonlyArray<Card>, CardAlreadyExists | SelfDependency | DependencyCycle | CommandFailure>

    /**
     * Changes title, body, phase, priority, acceptance criteria, labels or the time before which a card cannot be claimed, and
     * returns the card.
     *
     * **Details**
     *
     * Changes the given fields and leaves absent fields as they are; `null` removes a value. When nothing differs, records no
     * event. Works in every status and does not end a claim. A label in both `addLabels` and `removeLabels` is added.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `TooManyLabels`: the card would have more than 32 labels.
     * - `CardIsClaimed`: `notBefore` is a time, and the card is claimed. Its holder can release it with `retryAfterSeconds`.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly revise: (
      input: ReviseInput
    ) => Effect.Effect<Card, CardNotFound | TooManyLabels | CardIsClaimed | CommandFailure>

    /**
     * Appends a note to a card and returns the card, whose `lastNote` it is.
     *
     * **When to use**
     *
     * Use to record progress, a finding or a hand-over, which the next worker on the card reads with `notes`. `renew` can carry a
     * note too.
     *
     * **Details**
     *
     * Works in every status, and does not change it. With a `token`, only if that is the token of the current claim.
     *
     * **Gotchas**
     *
     * The same text again is another note. Set a `commandId` when a command may be sent again.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `ClaimLost`: `token` is given, and is not the token of the current claim.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly note: (input: NoteInput) => Effect.Effect<Card, CardNotFound | ClaimLost | CommandFailure>

    /**
     * Claims the best claimable card, or the card with the given `id`, and returns it with its `claimToken`.
     *
     * **When to use**
     *
     * Use in a worker that takes one card at a time. `Worker.run` of `mosaic-backlog/worker` contains the whole loop: it
     * claims, renews, completes and retries.
     *
     * **Details**
     *
     * A card is claimable when its status is `ready`, all its dependencies exist and are done, and its `notBefore` is past.
     * The best card is the one with the greatest priority, then the oldest, then the first by id. `phase`, `minPriority`, `labels`
     * and `withoutLabels` limit the choice. A claim with one label costs as much as one without. With several, it reads at most the
     * claimable cards that have the rarest of them; with only `withoutLabels`, at most all claimable cards. The claim is a lease of
     * `ttlSeconds`, which defaults to 900 seconds. Leases that expired are reclaimed in the same transaction, so their cards
     * are candidates. Returns `Option.none()` when no card is claimable, or when the card with the given `id` is not.
     *
     * With `maxAttempts`, a card at which that many attempts failed is blocked, and the next one is claimed. One call blocks
     * at most 100 such cards in place of each claim.
     *
     * **Gotchas**
     *
     * The lease expires by the clock of the database. Then another worker can claim the card, and the first worker's token
     * is refused with `ClaimLost`. Renew the lease while the work continues.
     *
     * **Example** (Claiming and completing a card)
     *
     * ```ts
     * const claimed = yield* backlog.claim({ owner: "worker-1", ttlSeconds: 300, actor: "worker-1" })
     * if (Option.isSome(claimed)) {
     *   const { claimToken, id } = claimed.value
     *   yield* backlog.complete({ id, token: claimToken, result: "done", actor: "worker-1" })
     * }
     * ```
     *
     * **Rejections**
     *
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly claim: (input: ClaimInput) => Effect.Effect<Option.Option<ClaimedCard>, CommandFailure>

    /**
     * Claims the best claimable cards, at most `limit`, and returns them, the best first.
     *
     * **When to use**
     *
     * Use in a worker that works on several cards at the same time, or that claims ahead.
     *
     * **Details**
     *
     * All cards are claimed in one transaction, each with a token of its own. Returns an empty array when no card is
     * claimable. See `claim` for the order and the lease.
     *
     * **Rejections**
     *
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly claimMany: (input: ClaimManyInput) => Effect.Effect<ReadonlyArray<ClaimedCard>, CommandFailure>

    /**
     * Extends the lease of a claim and returns the card.
     *
     * **When to use**
     *
     * Use while the work on a card continues, before the lease expires: after a third of it, for example.
     *
     * **Details**
     *
     * The new lease lasts `ttlSeconds` from now, by the clock of the database. A lease that expired can be renewed as long as
     * no other worker has claimed the card and nothing has reclaimed it.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `ClaimLost`: the token is not the current one. The error has the current holder and the expiry.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly renew: (input: RenewInput) => Effect.Effect<ClaimedCard, CardNotFound | ClaimLost | CommandFailure>

    /**
     * Ends a claim, makes the card ready again and returns it.
     *
     * **When to use**
     *
     * Use when a worker cannot finish a card: it shuts down, or an attempt failed and is to be tried again later.
     *
     * **Details**
     *
     * Without `retryAfterSeconds` the card returns to its place in the claim order at once, and the attempt does not count as
     * failed. With it, the attempt failed, and the card is not claimable for that time. If it was the last of `maxAttempts`,
     * the card is blocked instead, and the answer is the blocked card. `reason` is recorded with the event.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `ClaimLost`: the token is not the current one. The error has the current holder and the expiry.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly release: (input: ReleaseInput) => Effect.Effect<Card, CardNotFound | ClaimLost | CommandFailure>

    /**
     * Ends all expired claims, or the claim on one card, and returns the ids of their cards.
     *
     * **When to use**
     *
     * Use with an `id` to take a card from a worker that no longer works. Claims reclaim expired leases by themselves, so no
     * program has to call this regularly.
     *
     * **Details**
     *
     * Returns no ids when there is no such claim or no card with the given `id`.
     *
     * **Gotchas**
     *
     * With an `id` the claim ends also when its lease has not expired. The next command of the worker that held it is refused with
     * `ClaimLost`.
     *
     * **Rejections**
     *
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly reclaim: (input: ReclaimInput) => Effect.Effect<ReadonlyArray<CardId>, CommandFailure>

    /**
     * Makes the card `from` depend on the card `to` and returns the card `from`.
     *
     * **Details**
     *
     * When it depends on that card already, records no event. A claim on `from` does not end.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has the id `from`.
     * - `DependencyNotFound`: no card has the id `to`.
     * - `SelfDependency`: `from` and `to` are the same card.
     * - `DependencyCycle`: `to` depends on `from`. The error has the path.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly link: (
      input: LinkInput
    ) => Effect.Effect<Card, CardNotFound | DependencyNotFound | SelfDependency | DependencyCycle | CommandFailure>

    /**
     * Removes the dependency of the card `from` on the card `to` and returns the card `from`.
     *
     * **Details**
     *
     * When there is no such dependency, records no event.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has the id `from`.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly unlink: (input: UnlinkInput) => Effect.Effect<Card, CardNotFound | CommandFailure>

    /**
     * Blocks a card, so that no claim takes it, and returns it.
     *
     * **When to use**
     *
     * Use when a card needs a decision or help before work on it can continue. `unblock` makes it ready again.
     *
     * **Gotchas**
     *
     * Ends the claim on the card. Its holder's token is refused with `ClaimLost` from then on. A worker that blocks the card
     * that it holds passes `token`.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `CardIsDone`: the card is done. Reopen it first.
     * - `ClaimLost`: `token` is given, and is not the token of the current claim.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly block: (input: BlockInput) => Effect.Effect<Card, CardNotFound | CardIsDone | ClaimLost | CommandFailure>

    /**
     * Makes a blocked card ready again and returns it.
     *
     * **Details**
     *
     * When the card is ready or claimed, returns it as it is and records no event.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `CardIsDone`: the card is done. Reopen it first.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly unblock: (input: UnblockInput) => Effect.Effect<Card, CardNotFound | CardIsDone | CommandFailure>

    /**
     * Completes a card and returns it, with the ids of the cards that became claimable (`madeClaimable`).
     *
     * **When to use**
     *
     * Use to finish a claimed card with its token, or to mark an unclaimed card as done.
     *
     * **Details**
     *
     * A claimed card needs its current `token` or `force: true`. A card that is not claimed needs neither, also when it is
     * blocked or has dependencies that are not done: those are recorded with the event. A card that is done is returned as it
     * is, with its first result, whatever token is given. With `claimNext`, claims the best card in the same transaction and
     * returns it as `next`, or null when no card is claimable.
     *
     * **Example** (Completing a card and claiming the next one)
     *
     * ```ts
     * const { madeClaimable, next } = yield* backlog.complete({
     *   id: "design",
     *   token: 2,
     *   claimNext: { owner: "worker-1" },
     *   actor: "worker-1"
     * })
     * ```
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `ClaimLost`: the token is not the current one. The error has the current holder and the expiry.
     * - `CardIsClaimed`: the card is claimed, and the command has neither a token nor `force`.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly complete: (input: CompleteInput) => Effect.Effect<CompletedCard, CompletionRejection | QueryFailure>

    /**
     * Completes several cards in one transaction and returns a result for each, in the order of the input.
     *
     * **When to use**
     *
     * Use in a worker that finishes several cards at the same time.
     *
     * **Details**
     *
     * Takes at most 1,000 completions and decides them in order. A completion that is refused does not affect the others:
     * its result is the failure, one of the rejections of `complete`.
     *
     * **Gotchas**
     *
     * The effect succeeds also when every completion is refused. Check each `Result`.
     */
    readonly completeMany: (
      input: CompleteManyInput
    ) => Effect.Effect<ReadonlyArray<Result.Result<CompletedCard, CompletionRejection>>, QueryFailure>

    /**
     * Makes a card that is done ready again and returns it.
     *
     * **Details**
     *
     * Open cards that depend on it are not claimable until it is done again. Dependents that are done stay done. When the
     * card is not done, returns it as it is and records no event.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly reopen: (input: ReopenInput) => Effect.Effect<Card, CardNotFound | CommandFailure>

    /** Returns the card with an id, or `Option.none()` when no card has it. */
    readonly get: (id: string) => Effect.Effect<Option.Option<Card>, QueryFailure>

    /**
     * Lists and searches cards. Defaults to the order in which claims take them: greatest priority first, then the oldest, then
     * by id.
     *
     * **When to use**
     *
     * Use with `limit` and `after`, or `before`, to read a large backlog page by page; with `text` to search.
     *
     * **Details**
     *
     * A list with a `limit` reads an index in its order until it has enough cards. Words, labels, an owner, `changedSince` and the
     * claimabilities `deferred` and `expired` have an index of their own, which is used when at most 5,000 cards match.
     *
     * **Gotchas**
     *
     * Each page is read as of its own moment: a card whose priority changes in between may appear twice or not at all.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has the id `after` or `before`.
     * - `InvalidInput`: also if a list by completion continues at a card that is no longer done.
     */
    readonly list: {
      (
        options?: ListInput & { readonly fields?: "all" | undefined }
      ): Effect.Effect<ReadonlyArray<Card>, CardNotFound | QueryFailure>
      (
        options: ListInput & { readonly fields: "summary" }
      ): Effect.Effect<ReadonlyArray<CardSummary>, CardNotFound | QueryFailure>
    }

    /**
     * Returns the notes on a card, the last one first.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     */
    readonly notes: (input: NotesInput) => Effect.Effect<ReadonlyArray<CardNote>, CardNotFound | QueryFailure>

    /**
     * Returns the claims on cards, with holder, beginning, expiry, renewals and attempt. The claim that expires first comes first.
     * Expired claims that are not reclaimed yet are included.
     */
    readonly claims: (options?: ClaimsInput) => Effect.Effect<ReadonlyArray<ActiveClaim>, QueryFailure>

    /**
     * Returns the cards that depend on a card, in the order of their ids. The card need not exist yet.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id, and no card depends on it.
     */
    readonly dependents: (
      input: DependentsInput
    ) => Effect.Effect<ReadonlyArray<GraphCard>, CardNotFound | QueryFailure>

    /**
     * Returns the cards around a card, at most `hops` edges away in any direction, with the edges between them.
     *
     * **Details**
     *
     * Returns at most `limit` cards, the nearest first. `omitted` lists the cards that have other neighbors.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     */
    readonly neighbourhood: (input: NeighbourhoodInput) => Effect.Effect<Neighbourhood, CardNotFound | QueryFailure>

    /**
     * Returns what the completion of a card would make claimable now, and how many open cards wait for it.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     */
    readonly impact: (id: string) => Effect.Effect<Impact, CardNotFound | QueryFailure>

    /**
     * Returns a longest chain of open cards in which each card depends on the one before it: the minimum number of steps that
     * remain. Considers all open cards, those of a phase, or those with a label. The cost grows with the number of open cards.
     */
    readonly criticalPath: (options?: CriticalPathInput) => Effect.Effect<ReadonlyArray<GraphCard>, QueryFailure>

    /** Counts the cards by status, and the cards that are claimable, wait for dependencies, or have an expired claim. */
    readonly stats: Effect.Effect<Stats, BacklogFailure>

    /**
     * Explains why a card can or cannot be claimed now.
     *
     * **Details**
     *
     * Returns all obstacles: dependencies that are not done, the claim with its holder and expiry, the block with its reason,
     * the retry time. A card without obstacles is claimable.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     */
    readonly explain: (id: string) => Effect.Effect<Explanation, CardNotFound | QueryFailure>

    /**
     * Explains why a claim finds no card, and when that may change.
     *
     * **When to use**
     *
     * Use after `claim` returned `Option.none()`, to decide whether to wait, to retry at a time, or to end.
     *
     * **Details**
     *
     * Returns the reason, the counts of the open cards, the claim that expires first, the card that is retried first, and the
     * waiting card with the fewest unmet dependencies.
     */
    readonly whyNothingClaimable: (filter?: ClaimFilter) => Effect.Effect<ClaimOutlook, QueryFailure>

    /**
     * Waits until a claim may find a card. Returns true then, and false after `waitSeconds`.
     *
     * **When to use**
     *
     * Use after `claim` returned `Option.none()`, instead of polling.
     *
     * **Details**
     *
     * `waitSeconds` defaults to 30 and is at most 3,600; with 0 it checks once. Wakes up after commits in any process, when
     * leases expire and when retry times pass. When a card becomes claimable, about as many waiters of this process wake up
     * as there are cards. Commit notifications can be lost; waiters also poll at `PollInterval`, which defaults to 1 second.
     *
     * **Gotchas**
     *
     * True does not reserve a card: another worker may claim it first. Changes in the caller's own open transaction do not
     * count.
     *
     * **Example** (Claiming in a loop)
     *
     * ```ts
     * const claimed = yield* backlog.claim({ owner: "worker-1", actor: "worker-1" })
     * if (Option.isNone(claimed)) yield* backlog.awaitClaimable({ waitSeconds: 60 })
     * ```
     */
    readonly awaitClaimable: (options?: AwaitClaimableInput) => Effect.Effect<boolean, QueryFailure>

    /**
     * Waits until a claim has ended. Returns true then, and false after `waitSeconds`.
     *
     * **When to use**
     *
     * Use in a worker that should stop soon after another client ended its claim: blocked or completed the card, or reclaimed
     * the claim. `Worker.run` does this. Without it, the next renewal of the worker is refused.
     *
     * **Details**
     *
     * `waitSeconds` defaults to 30 and is at most 3,600; with 0 it checks once. Returns true also when no card has this id,
     * or the card never had this token. An expired claim has not ended until it is reclaimed. Wakes up after commits in any process,
     * at most ten times a second. Commit notifications can be lost; waiters also poll at `PollInterval`, which defaults to
     * 1 second. All waiters of a process share these checks.
     */
    readonly awaitClaimEnd: (input: AwaitClaimEndInput) => Effect.Effect<boolean, QueryFailure>

    /**
     * Checks whether commands reach the database. Returns the reason why they do not, or `Option.none()` when they do.
     *
     * **When to use**
     *
     * Use in readiness probes.
     *
     * **Details**
     *
     * Commits a transaction that takes the lock of the log and changes nothing. Returns within about four seconds, also when
     * the database does not respond.
     */
    readonly readiness: Effect.Effect<Option.Option<string>, BacklogFailure>
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
      yield* requireOneEffect
      const readModel = yield* ReadModel
      const log = yield* EventLog
      const gate = yield* ReadGate
      const commands = yield* CommandQueue
      const mapReplicaErrors = withReplicaErrors(yield* SqlClient.SqlClient)
      const submit: typeof commands.submit = (batch) => mapReplicaErrors(commands.submit(batch))
      const metrics = makeCommandMetrics(yield* Effect.context())
      const claimable = yield* ClaimableWatch
      const claimEnds = yield* ClaimEndWatch

      /** What is found at a card, which must exist. `get` reads the card, if nothing is found. */
      const ofCard = <A, E, E2>(
        id: CardId,
        find: Effect.Effect<Shown<ReadonlyArray<A>>, E>,
        get: Effect.Effect<Shown<Option.Option<Card>>, E2>
      ) =>
        Effect.tap(find, ({ value }) =>
          value.length > 0
            ? Effect.void
            : Effect.flatMap(get, (card) =>
                Option.isNone(card.value) ? Effect.fail(new CardNotFound({ id })) : Effect.void
              )
        )

      const requireFound = <A, E>(id: CardId, find: Effect.Effect<Shown<Option.Option<A>>, E>) =>
        Effect.flatMap(find, ({ position, value }) =>
          Option.isNone(value)
            ? Effect.fail(new CardNotFound({ id }))
            : Effect.succeed({ value: value.value, position } satisfies Shown<A>)
        )

      const measuredAs = <Input, A, E, R>(command: string, of: (input: Input) => Effect.Effect<A, E, R>) => {
        const measure = metrics.measured(command)
        return (input: Input) => measure(of(input))
      }

      /** Every command: decodes its input, submits it, and returns its outcome. */
      const method = <Tag extends Command["_tag"], Rejected>(tag: Tag) =>
        withLazySpan(
          `BacklogService.${tag}`,
          measuredAs(
            tag,
            // Without a generator: a command costs little else.
            (input: CommandInputs[Tag]) =>
              Effect.flatMap(decodeCommand(tag, input), (command) =>
                Effect.flatMap(submit([command]), ([outcome]) =>
                  Effect.fromResult(outcome as Result.Result<Answer<Tag>, Rejected>)
                )
              )
          )
        )

      return BacklogService.of({
        create: method("Create"),
        createMany: method("CreateMany"),
        revise: method("Revise"),
        note: method("Note"),
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
        completeMany: withLazySpan(
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
        get: gate.read("BacklogService.get", (id: string) => Effect.flatMap(decodeId(id), readModel.get)),
        list: gate.read(
          "BacklogService.list",
          Effect.fnUntraced(function* (options: ListInput = {}) {
            const { changedSince, fields, ...conditions } = yield* decodeListOptions(options)
            const isSummary = fields === "summary"
            const changedAfter =
              changedSince === undefined ? undefined : yield* log.read.positionBefore(DateTime.toDateUtc(changedSince))
            const list = readModel.list({ ...conditions, changedAfter, isSummary })
            const place = conditions.after ?? conditions.before
            const found = yield* place === undefined ? list : ofCard(place, list, readModel.get(place))
            if (place !== undefined && found.value.length === 0) {
              yield* refuseLostPlace(
                conditions,
                Effect.map(readModel.get(place), (card) => card.value)
              )
            }
            const value: ReadonlyArray<Card | CardSummary> = isSummary ? found.value.map(summarize) : found.value
            return { ...found, value }
          })
        ) as BacklogService["Service"]["list"],
        notes: gate.read(
          "BacklogService.notes",
          Effect.fnUntraced(function* (input: NotesInput) {
            const filter = yield* decodeNotesOptions(input)
            const notes = readModel.notes({ ...filter, limit: filter.limit ?? defaultPageSize })
            return yield* ofCard(filter.id, notes, readModel.get(filter.id))
          })
        ),
        claims: gate.read(
          "BacklogService.claims",
          Effect.fnUntraced(function* (input: ClaimsInput = {}) {
            const { after, afterExpiresAt, limit = defaultPageSize, owner } = yield* decodeClaimsOptions(input)
            return yield* readModel.claims({
              owner,
              limit,
              after:
                after === undefined || afterExpiresAt === undefined
                  ? undefined
                  : { id: after, expiresAt: afterExpiresAt }
            })
          })
        ),
        dependents: gate.read(
          "BacklogService.dependents",
          Effect.fnUntraced(function* (input: DependentsInput) {
            const filter = yield* decodeDependentsOptions(input)
            const dependents = readModel.dependents({ ...filter, limit: filter.limit ?? defaultPageSize })
            return yield* ofCard(filter.id, dependents, readModel.get(filter.id))
          })
        ),
        neighbourhood: gate.read(
          "BacklogService.neighbourhood",
          Effect.fnUntraced(function* (input: NeighbourhoodInput) {
            const { hops = 1, id, limit = defaultPageSize } = yield* decodeNeighbourhoodOptions(input)
            return yield* requireFound(id, readModel.neighbourhood({ id, hops, limit }))
          })
        ),
        impact: gate.read(
          "BacklogService.impact",
          Effect.fnUntraced(function* (input: string) {
            const id = yield* decodeId(input)
            return yield* requireFound(id, readModel.impact(id))
          })
        ),
        criticalPath: gate.read("BacklogService.criticalPath", (input: CriticalPathInput = {}) =>
          Effect.flatMap(decodeCriticalPathOptions(input), readModel.criticalPath)
        ),
        readiness: yield* makeCommandReadiness(yield* Interpreter),
        stats: gate.read("BacklogService.stats", () => readModel.stats)(),
        explain: gate.read(
          "BacklogService.explain",
          Effect.fnUntraced(function* (input: string) {
            const id = yield* decodeId(input)
            const { position, value: found } = yield* readModel.getWithUnmet(id)
            if (Option.isNone(found)) return yield* new CardNotFound({ id })
            const { card, now, unmet } = found.value
            return { value: explain(card, unmet, now), position }
          })
        ),
        whyNothingClaimable: gate.read("BacklogService.whyNothingClaimable", (among: ClaimFilter = {}) =>
          Effect.flatMap(decodeClaimFilter(among), readModel.outlook)
        ),
        awaitClaimable: Effect.fn("BacklogService.awaitClaimable")(function* (options = {}) {
          const { waitSeconds = defaultWaitSeconds, ...among } = yield* decodeAwaitClaimable(options)
          return yield* claimable.wait(among, waitSeconds)
        }),
        awaitClaimEnd: Effect.fn("BacklogService.awaitClaimEnd")(function* (input) {
          const { waitSeconds = defaultWaitSeconds, ...claim } = yield* decodeAwaitClaimEnd(input)
          return yield* claimEnds.wait(claim, waitSeconds)
        })
      })
    })
  ).pipe(
    Layer.provide([CommandQueue.layer, ClaimableWatch.layer, ClaimEndWatch.layer]),
    Layer.provide(Interpreter.layer),
    Layer.provide([Receipts.layer, layerBatchTransaction, layerReadGate]),
    Layer.provide([layerEventLog, ReadModel.layer]),
    Layer.provide(Migrations.layer)
  )
}

const decodeCommand = decodeTaggedInput(Command)
const decodeCompleteMany = decodeInput(CompleteMany)
const decodeId = decodeInput(CardId)

/** A function whose effects are spans where a tracer is installed. Creating a span takes as long as deciding a command. */
const withLazySpan =
  <Arguments extends ReadonlyArray<unknown>, A, E, R>(
    name: string,
    of: (...input: Arguments) => Effect.Effect<A, E, R>
  ): ((...input: Arguments) => Effect.Effect<A, E, R>) =>
  (...input) =>
    Effect.withFiber((fiber) => (fiber.cache.tracer === undefined ? of(...input) : Effect.withSpan(of(...input), name)))
