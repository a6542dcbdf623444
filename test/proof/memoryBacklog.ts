import { Context, DateTime, Deferred, Effect, Layer, Option, Result, Schema } from "effect"
import type { Card } from "../../src/domain/Card.ts"
import type { Claimability } from "../../src/domain/CardFilter.ts"
import { CardId, compareIds } from "../../src/domain/CardId.ts"
import { matchesFilter } from "../../src/domain/decide.ts"
import { compareClaimOrder, isClaimable, isDue, isExpired } from "../../src/domain/Claimability.ts"
import { claimOutlook, type OpenCounts } from "../../src/domain/ClaimOutlook.ts"
import { type ClaimFilter, Command } from "../../src/domain/Command.ts"
import { explain } from "../../src/domain/Explanation.ts"
import { CardNotFound, CommandIdConflict } from "../../src/domain/Rejection.ts"
import { ReadModelState } from "../../src/projections/ReadModelState.ts"
import { BacklogService, type CompletionRejection } from "../../src/services/BacklogService.ts"
import type { CommandInputs } from "../../src/services/BacklogInput.ts"
import { decideBatch, type FirstOutcome } from "../../src/services/commands/Interpreter.ts"
import { proposeMissingIds } from "../../src/services/commands/generateIds.ts"
import type { Answer, Outcome } from "../../src/services/commands/Outcome.ts"
import { computeDigests, receiptKey, haveSameContent } from "../../src/services/commands/Receipt.ts"
import { BacklogTestClock, makeTestClock } from "../../src/services/layers.ts"

const byTime = (one: DateTime.Utc, other: DateTime.Utc): number =>
  DateTime.toEpochMillis(one) - DateTime.toEpochMillis(other)

/** Methods that the testing kit does not call. */
const unused = Effect.die(new Error("the backlog in memory has no such query"))

const decodeCommand = Schema.decodeUnknownSync(Command, { onExcessProperty: "error" })

/**
 * A backlog without a database: the program's own code decides batches over a read model in memory. A thousand simulated
 * programs take a second. `note` is called with every outcome and event.
 */
export const layerMemory = (note: (what: string) => void = () => undefined) =>
  Layer.effectContext(
    Effect.sync(() => {
      const state = new ReadModelState()
      const cards = new Map<CardId, Card>()
      const receipts = new Map<string, FirstOutcome>()
      const { clock, read } = makeTestClock()
      let waiting: Array<{ readonly command: Command; readonly answer: Deferred.Deferred<Outcome> }> = []

      /** Commands of one turn of the event loop form a batch. */
      const runBatch = (): void => {
        const batch = waiting
        waiting = []
        const commands = batch.map(({ command }) => command)
        const known = new Map<Command, Outcome>()
        for (const command of commands) {
          const { actor, commandId } = command
          const earlier = commandId === undefined ? undefined : receipts.get(receiptKey({ actor, commandId }))
          if (earlier === undefined) continue
          const isSame = haveSameContent(earlier.digests, computeDigests(command))
          known.set(
            command,
            isSame ? earlier.outcome : Result.fail(new CommandIdConflict({ commandId: earlier.commandId }))
          )
        }
        const { changes, first, outcomes, pending } = decideBatch(
          { state, now: read() },
          commands,
          known,
          proposeMissingIds(commands, "")
        )
        for (const change of changes) if (change._tag === "CardChanged") cards.set(change.card.id, change.card)
        for (const one of first) receipts.set(receiptKey({ ...one, actor: one.command.actor }), one)
        for (const { event } of pending) note(event._tag)
        for (const [index, { answer }] of batch.entries()) {
          const outcome = outcomes[index] as Outcome
          note(outcome._tag === "Failure" ? outcome.failure._tag : "accepted")
          Deferred.doneUnsafe(answer, Effect.succeed(outcome))
        }
      }

      const method =
        <Tag extends Command["_tag"], Rejected>(tag: Tag) =>
        (input: CommandInputs[Tag]) =>
          Effect.gen(function* () {
            const answer = yield* Deferred.make<Outcome>()
            waiting.push({ command: decodeCommand({ ...input, _tag: tag }), answer })
            if (waiting.length === 1) queueMicrotask(runBatch)
            const outcome = yield* Deferred.await(answer)
            return yield* Effect.fromResult(outcome as Result.Result<Answer<Tag>, Rejected>)
          })

      const claimabilityOf = (card: Card): Claimability | undefined => {
        if (card.status === "claimed") return isExpired(card, read()) ? "expired" : undefined
        if (card.status !== "ready") return undefined
        if (unmetOf(card).length > 0) return "waiting"
        return isDue(card.notBefore, read()) ? "claimable" : "deferred"
      }
      const claimable = (card: Card): boolean => isClaimable(card, state.unmetDependencies(card.id), read())
      const unmetOf = (card: Card) =>
        card.dependsOn
          .map((dependency) => ({ id: dependency, status: cards.get(dependency)?.status ?? null }))
          .filter(({ status }) => status !== "done")
      const outlookAmong = (filter: ClaimFilter) => {
        const open = [...cards.values()].filter(({ status }) => status !== "done").sort(compareClaimOrder)
        const chosen = open.filter((card) => matchesFilter(card, filter))
        const standing = (card: Card): keyof OpenCounts => {
          if (card.status === "blocked") return "blocked"
          if (card.status === "claimed" && !isExpired(card, read())) return "claimed"
          if (unmetOf(card).length > 0) return "waiting"
          return isDue(card.notBefore, read()) ? "claimable" : "deferred"
        }
        const those = (which: keyof OpenCounts) => chosen.filter((card) => standing(card) === which)
        const expiries = those("claimed").flatMap((card) =>
          card.claimOwner === null || card.claimExpiresAt === null || unmetOf(card).length > 0
            ? []
            : { id: card.id, holder: card.claimOwner, expiresAt: card.claimExpiresAt }
        )
        const retries = those("deferred").flatMap(({ id, notBefore }) => (notBefore === null ? [] : { id, notBefore }))
        const stuck = those("waiting").map((card) => ({ id: card.id, unmet: unmetOf(card) }))
        const [nearest] = stuck.sort((one, other) => one.unmet.length - other.unmet.length)
        return claimOutlook(
          {
            counts: {
              claimable: those("claimable").length,
              claimed: those("claimed").length,
              deferred: retries.length,
              waiting: stuck.length,
              blocked: those("blocked").length
            },
            soonestExpiry:
              expiries.sort(
                (one, other) => byTime(one.expiresAt, other.expiresAt) || compareIds(one.id, other.id)
              )[0] ?? null,
            soonestRetry:
              retries.sort((one, other) => byTime(one.notBefore, other.notBefore) || compareIds(one.id, other.id))[0] ??
              null,
            nearest:
              nearest === undefined
                ? null
                : { id: nearest.id, unmetDependencies: nearest.unmet.length, waitsFor: nearest.unmet.slice(0, 10) }
          },
          { hasCards: cards.size > 0, hasOpenCards: open.length > 0 }
        )
      }
      const backlog = BacklogService.of({
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
        completeMany: ({ completions, ...origin }) =>
          Effect.forEach(
            completions,
            (completion) =>
              Effect.result(method<"Complete", CompletionRejection>("Complete")({ ...completion, ...origin })),
            { concurrency: "unbounded" }
          ),
        reopen: method("Reopen"),
        note: method("Note"),
        get: (id) => Effect.sync(() => Option.fromUndefinedOr(cards.get(CardId.make(id)))),
        list: ({ claimability, labels, maxPriority = Infinity, minPriority, owner, status, withoutLabels } = {}) =>
          Effect.sync(() =>
            [...cards.values()]
              .filter((card) => status === undefined || [status].flat().includes(card.status))
              .filter((card) => owner === undefined || card.claimOwner === owner)
              .filter(
                (card) => matchesFilter(card, { labels, minPriority, withoutLabels }) && card.priority <= maxPriority
              )
              .filter((card) => claimability === undefined || claimabilityOf(card) === claimability)
              .sort(compareClaimOrder)
          ),
        notes: () => unused,
        claims: () => unused,
        dependents: () => unused,
        neighbourhood: () => unused,
        impact: () => unused,
        criticalPath: () => unused,
        readiness: Effect.succeedNone,
        stats: Effect.sync(() => {
          const everything = [...cards.values()]
          const count = (holds: (card: Card) => boolean): number => everything.filter(holds).length
          const of = (status: Card["status"]): number => count((card) => card.status === status)
          const readySince = everything.flatMap(({ createdAt, status }) =>
            status === "ready" ? [DateTime.toEpochMillis(createdAt)] : []
          )
          return {
            counts: { ready: of("ready"), claimed: of("claimed"), blocked: of("blocked"), done: of("done") },
            total: cards.size,
            claimable: count(claimable),
            waiting: count((card) => card.status === "ready" && state.unmetDependencies(card.id) > 0),
            oldestReadyAgeSeconds:
              readySince.length === 0 ? null : (DateTime.toEpochMillis(read()) - Math.min(...readySince)) / 1000,
            expiredClaimCount: count((card) => isExpired(card, read()))
          }
        }),
        explain: (input) =>
          Effect.suspend(() => {
            const id = CardId.make(input)
            const card = cards.get(id)
            if (card === undefined) return Effect.fail(new CardNotFound({ id }))
            return Effect.succeed(explain(card, unmetOf(card), read()))
          }),
        whyNothingClaimable: (among = {}) => Effect.sync(() => outlookAmong(among)),
        awaitClaimable: (options = {}) => Effect.sync(() => outlookAmong(options).counts.claimable > 0),
        awaitClaimEnd: Effect.fnUntraced(function* ({ id, token, waitSeconds = 30 }) {
          const hasEnded = () => cards.get(CardId.make(id))?.claimToken !== token
          for (let left = waitSeconds; !hasEnded() && left > 0; left--) yield* Effect.sleep("1 second")
          return hasEnded()
        })
      })
      return Context.make(BacklogService, backlog).pipe(Context.add(BacklogTestClock, clock))
    })
  )
