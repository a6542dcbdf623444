import { Effect, Option, Stream } from "effect"
import { expect } from "vitest"
import type { Connected } from "./support.ts"

/** Work of every kind that services and workers do. */
export const work = ({ audit, backlog, sql }: Connected, prefix: string) =>
  Effect.gen(function* () {
    const actor = "worker"
    const id = (name: string) => `${prefix} ${name}`
    yield* backlog.create({ id: id("a"), title: "A", body: "B", acceptance: [1], commandId: id("create"), actor })
    yield* backlog.createMany({
      cards: [
        { id: id("b"), title: "B" },
        { id: id("c"), title: "C" }
      ],
      actor
    })
    yield* backlog.link({ from: id("b"), to: id("a"), actor })
    yield* backlog.link({ from: id("c"), to: id("a"), actor })
    yield* backlog.unlink({ from: id("c"), to: id("a"), actor })
    yield* backlog.revise({ id: id("a"), title: "Better", actor })
    yield* backlog.block({ id: id("c"), reason: "why", actor })
    yield* backlog.unblock({ id: id("c"), reason: "why", actor })
    const claim = { owner: "w", commandId: id("claim"), id: id("a"), actor }
    const claimed = Option.getOrThrow(yield* backlog.claim(claim))
    // The first answer, reconstructed from the log.
    expect(Option.getOrThrow(yield* backlog.claim(claim))).toEqual(claimed)
    const token = claimed.claimToken ?? 0
    yield* backlog.renew({ id: id("a"), token, actor })
    const done = yield* backlog.complete({ id: id("a"), token, result: { fine: true }, actor })
    expect(done.madeClaimable).toEqual([id("b")])
    yield* backlog.reopen({ id: id("a"), actor })
    const next = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor }))
    yield* backlog.release({ id: next.id, token: next.claimToken ?? 0, retryAfterSeconds: 0, actor })
    yield* backlog.claim({ owner: "w", id: id("c"), actor })
    expect(yield* backlog.reclaim({ id: id("c"), actor })).toEqual([id("c")])
    // A caller's own transaction.
    yield* sql.withTransaction(backlog.create({ id: id("d"), title: "D", actor }))
    yield* backlog.claim({ owner: "w", id: id("d"), actor })
    expect((yield* audit.restored({ actor })).reclaimed).toEqual([id("d")])
    yield* backlog.explain(id("b"))
    yield* backlog.list({ claimability: "claimable" })
    yield* backlog.stats

    // Consumers of events are services too.
    let taken = 0
    yield* audit.consume({
      consumer: prefix,
      parkAfter: 1,
      handler: (event) =>
        event.position % 5 === 0 ? Effect.fail("not this one") : Effect.sync(() => void (taken += 1))
    })
    expect(taken).toBeGreaterThan(0)
    const parked = yield* audit.parked(prefix)
    expect(yield* audit.unpark(prefix, parked[0]?.position ?? 0)).toBe(true)
  })

/** Everything that an auditor does. */
export const audited = ({ audit, backlog }: Connected) =>
  Effect.gen(function* () {
    const { divergences, position } = yield* audit.verify()
    expect(divergences).toEqual([])
    const anchor = yield* audit.anchor()
    expect((yield* audit.verify({ anchor })).anchoredPosition).toBe(position)
    const events = yield* Stream.runCollect(audit.events())
    expect(events.length).toBe(position)
    const { cardId } = events[0] ?? { cardId: "" }
    expect((yield* Stream.runCollect(audit.history(cardId))).length).toBeGreaterThan(1)
    expect(Option.isSome(yield* audit.cardAt(cardId, { version: 1 }))).toBe(true)
    yield* audit.explainAt(cardId, { position })
    const past = yield* audit.backlogAt({ position: position - 1 })
    expect((yield* past.list()).length).toBeGreaterThan(0)
    const now = yield* audit.backlogAt({ position })
    expect(now.stats.total).toBe((yield* backlog.stats).total)
    expect((yield* Stream.runCollect(audit.exportLog)).length).toBe(position + 1)
    expect(Option.isSome(yield* backlog.get(cardId))).toBe(true)
    yield* backlog.explain(cardId)
    yield* backlog.list({ limit: 5 })
    yield* audit.checkpoints
    yield* audit.parked()
  })
