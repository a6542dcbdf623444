import { Cause, Effect, Option, Ref, Result, Stream } from "effect"
import { describeHistory } from "../cli/describeEvent.ts"
import { AuditService, BacklogService, type Card, type ClaimedCard, layerPglite } from "../index.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"

/** The cards of a small release. Four of them are claimable at the start. */
const releasePlan = [
  { id: "design", title: "Write down what the release is for", priority: 5, phase: "plan" },
  { id: "schema", title: "Lay out the tables", priority: 4, phase: "build", dependsOn: ["design"] },
  { id: "api", title: "Serve the API", priority: 4, phase: "build", dependsOn: ["schema"] },
  { id: "client", title: "Write the client", priority: 3, phase: "build", dependsOn: ["api"] },
  { id: "docs", title: "Write the manual", priority: 1, phase: "publish", dependsOn: ["design"] },
  { id: "load-test", title: "Try it under load", priority: 2, phase: "prove", dependsOn: ["api", "machines"] },
  { id: "security", title: "Try to break in", priority: 2, phase: "prove", dependsOn: ["api"] },
  { id: "machines", title: "Order the machines", priority: 2, phase: "build" },
  { id: "license", title: "Choose a license", priority: 0, phase: "plan" },
  { id: "logo", title: "Draw a logo", priority: -1, phase: "publish" },
  { id: "announce", title: "Tell the world", priority: 0, phase: "publish", dependsOn: ["docs", "logo"] },
  {
    id: "release",
    title: "Release",
    priority: 5,
    phase: "publish",
    dependsOn: ["client", "load-test", "security", "docs", "license"]
  }
] as const

/** A property that the demonstration checks does not hold. */
class CheckFailed extends Error {
  override name = "CheckFailed"
}

const check = (isTrue: boolean, what: string) =>
  isTrue ? Effect.void : Effect.die(new CheckFailed(`Check failed: ${what}`))

const say = (line: string) => Effect.sync(() => console.log(line))

/** The worker that claims a card, dies, and returns after its lease expired. */
const dyingWorker = "worker-3"
const shortLease = 1

const demo = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const lost = yield* Ref.make<ClaimedCard | null>(null)
  const refusals = yield* Ref.make(0)

  yield* say(`Creating a release plan of ${releasePlan.length} cards …`)
  yield* backlog.createMany({ actor: "planner", cards: releasePlan })
  yield* backlog.link({ from: "announce", to: "release", actor: "planner" })
  yield* say("  announce now waits for release as well")
  const cycle = yield* Effect.result(backlog.link({ from: "design", to: "release", actor: "planner" }))
  yield* check(Result.isFailure(cycle) && cycle.failure._tag === "DependencyCycle", "a cycle is refused")
  if (Result.isFailure(cycle)) yield* say(`  refused: ${cycle.failure.message}`)

  /** The dead worker returns while another worker holds its card, and tries to complete it with its old token. */
  const completeLate = Effect.fnUntraced(function* (reclaimed: Card, stale: ClaimedCard | null) {
    yield* check(stale?.id === reclaimed.id, "only the dead worker's card is reclaimed")
    const late = yield* Effect.result(
      backlog.complete({ id: reclaimed.id, token: stale?.claimToken ?? 0, actor: dyingWorker, result: "late" })
    )
    yield* check(Result.isFailure(late) && late.failure._tag === "ClaimLost", "a late completion is refused")
    if (Result.isFailure(late)) yield* say(`  ${dyingWorker} returns and is refused: ${late.failure.message}`)
    const now = yield* backlog.get(reclaimed.id)
    yield* check(
      Option.isSome(now) && now.value.claimToken === reclaimed.claimToken,
      "the refused completion changed nothing"
    )
    yield* Ref.update(refusals, (count) => count + 1)
  })

  const claimFor = (owner: string) =>
    backlog.claim({ owner, actor: owner, ttlSeconds: owner === dyingWorker ? shortLease : 60 })

  const finish = Effect.fnUntraced(function* (owner: string, card: ClaimedCard) {
    if (card.attempts > 1) {
      yield* say(`  ${owner} reclaims ${card.id}: attempt ${card.attempts}, token ${card.claimToken}`)
      yield* completeLate(card, yield* Ref.get(lost))
    }
    const done = yield* backlog.complete({
      id: card.id,
      token: card.claimToken,
      actor: owner,
      result: { by: owner }
    })
    const freed = done.madeClaimable.length === 0 ? "" : `, which makes claimable: ${done.madeClaimable.join(", ")}`
    yield* say(`  ${owner} completes ${card.id}${freed}`)
  })

  const work = Effect.fnUntraced(function* (owner: string, first: ClaimedCard) {
    if (owner === dyingWorker) return
    yield* finish(owner, first)
    while (true) {
      const claimed = yield* claimFor(owner)
      if (Option.isSome(claimed)) {
        yield* finish(owner, claimed.value)
      } else {
        const { counts, total } = yield* backlog.stats
        if (counts.done === total) return
        yield* Effect.sleep("50 millis")
      }
    }
  })

  yield* say("Four workers claim cards concurrently …")
  const workers = ["worker-1", "worker-2", dyingWorker, "worker-4"]
  const first = yield* Effect.forEach(workers, claimFor, { concurrency: "unbounded" })
  const held = first.flatMap(Option.toArray)
  for (const card of held) yield* say(`  ${card.claimOwner} claims ${card.id}`)
  yield* check(new Set(held.map((card) => card.id)).size === workers.length, "each worker claimed a different card")
  yield* Ref.set(lost, held.find((card) => card.claimOwner === dyingWorker) ?? null)
  yield* say(`  ${dyingWorker} dies; its lease is ${shortLease} second`)
  yield* Effect.forEach(held, (card) => work(card.claimOwner ?? "", card), { concurrency: "unbounded" }).pipe(
    Effect.timeout("60 seconds")
  )

  yield* say("\nThe board")
  const board = yield* backlog.list()
  for (const card of board) {
    yield* say(
      `  ${card.status.padEnd(8)} ${card.id.padEnd(10)} priority ${String(card.priority).padStart(2)}  attempts ${card.attempts}  ${card.title}`
    )
  }
  const lostId = (yield* Ref.get(lost))?.id ?? ""
  yield* say(`\nThe history of ${lostId}`)
  const history = yield* Stream.runCollect(audit.history(lostId))
  for (const line of describeHistory(history)) yield* say(`  ${line}`)
  yield* say("\nThe numbers")
  const stats = yield* backlog.stats
  yield* say(
    `  ${stats.total} cards: ${stats.counts.done} done, ${stats.counts.ready} ready, ${stats.counts.claimed} claimed, ${stats.counts.blocked} blocked`
  )

  yield* check(stats.counts.done === releasePlan.length, "every card is done")
  yield* check((yield* Ref.get(refusals)) === 1, "the dead worker returned once and was refused")
  yield* check(
    board.every((card) => card.attempts === (card.id === lostId ? 2 : 1)),
    "every card was claimed once, and the dead worker's card twice"
  )
  yield* check(
    history.map((event) => event.type).join(" ") === "CardCreated CardClaimed CardReclaimed CardClaimed CardCompleted",
    "the history contains both claims of the dead worker's card"
  )
  for (const card of board) {
    for (const id of card.dependsOn) {
      const dependency = board.find((other) => other.id === id)
      const started = yield* Stream.runCollect(audit.history(card.id))
      const finished = yield* Stream.runCollect(audit.history(id))
      const claim = started.findLast((event) => event.type === "CardClaimed")
      const completion = finished.findLast((event) => event.type === "CardCompleted")
      yield* check(
        dependency !== undefined && (claim?.position ?? 0) > (completion?.position ?? Number.MAX_SAFE_INTEGER),
        `${card.id} was claimed only after ${id} was done`
      )
    }
  }
  yield* say("\nAll checks passed.")
})

/** Lets four workers share a release plan in a temporary backlog, checks what they did, and returns the exit code. */
export const runReleasePlan: Effect.Effect<number> = Effect.gen(function* () {
  yield* say("Opening an embedded backlog in a temporary directory …")
  yield* Effect.provide(demo, layerPglite({ dataDir: yield* temporaryDirectory }))
  return 0
}).pipe(
  Effect.scoped,
  Effect.catchCause((cause) =>
    Effect.sync(() => {
      console.error(Cause.pretty(cause))
      return 1
    })
  )
)
