import { Effect, Option } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { eventsOf, plain, writesNothing } from "../../support/backlogs.ts"
import { after, created, ids, input, isClaimable, refusal, type Test } from "./harness.ts"

/** Dependencies between cards. */
export const dependencies = (test: Test): void => {
  test(
    "link adds a dependency and unlink removes it",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      for (const id of ["a", "b", "c"]) yield* backlog.create(input(id))
      yield* clock.advance("1 second")
      yield* backlog.link({ from: "a", to: "c", actor: "ann" })
      const linked = yield* backlog.link({ from: "a", to: "b", actor: "ann" })
      expect(plain(linked)).toEqual(created("a", { dependsOn: ["b", "c"], updatedAt: after(1), version: 3 }))
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(plain(linked)))
      expect(yield* isClaimable("a")).toBe(false)
      yield* writesNothing(backlog.link({ from: "a", to: "b", actor: "ann" }))
      yield* backlog.unlink({ from: "a", to: "b", actor: "ann" })
      yield* writesNothing(backlog.unlink({ from: "a", to: "b", actor: "ann" }))
      yield* writesNothing(backlog.unlink({ from: "a", to: "nowhere", actor: "ann" }))
      const unlinked = yield* backlog.unlink({ from: "a", to: "c", actor: "ann" })
      expect(plain(unlinked)).toEqual(created("a", { updatedAt: after(1), version: 5 }))
      expect(yield* isClaimable("a")).toBe(true)
      expect((yield* eventsOf("a")).slice(1)).toEqual([
        { type: "CardLinked", version: 2, dependsOn: "c" },
        { type: "CardLinked", version: 3, dependsOn: "b" },
        { type: "CardUnlinked", version: 4, dependsOn: "b" },
        { type: "CardUnlinked", version: 5, dependsOn: "c" }
      ])
    })
  )

  test(
    "a link to a done card keeps a card claimable, and a link to an open card keeps its claim",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("done", { status: "done" as const }))
      yield* backlog.create(input("open", { priority: -1 }))
      yield* backlog.create(input("a"))
      yield* backlog.link({ from: "a", to: "done", actor: "ann" })
      expect(yield* isClaimable("a")).toBe(true)
      yield* backlog.claim({ id: "a", owner: "w", actor: "w" })
      const linked = yield* backlog.link({ from: "a", to: "open", actor: "ann" })
      expect([linked.status, linked.claimToken]).toEqual(["claimed", 3])
      yield* backlog.release({ id: "a", token: 3, actor: "w" })
      expect(yield* isClaimable("a")).toBe(false)
    })
  )

  test(
    "refuses links from or to a missing card, to the card itself, and in a cycle",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (const id of ["a", "b", "c"]) yield* backlog.create(input(id))
      const link = (from: string, to: string) => backlog.link({ from, to, actor: "ann" })
      expect(yield* refusal(link("x", "a"))).toEqual({ _tag: "CardNotFound", id: "x" })
      expect(yield* refusal(link("a", "x"))).toEqual({ _tag: "DependencyNotFound", id: "a", dependsOn: "x" })
      expect(yield* refusal(link("a", "a"))).toEqual({ _tag: "SelfDependency", id: "a" })
      expect(yield* refusal(backlog.unlink({ from: "x", to: "a", actor: "ann" }))).toEqual({
        _tag: "CardNotFound",
        id: "x"
      })
      yield* link("a", "b")
      expect(yield* refusal(link("b", "a"))).toEqual({
        _tag: "DependencyCycle",
        id: "b",
        dependsOn: "a",
        path: ["b", "a", "b"]
      })
      yield* link("b", "c")
      expect(yield* refusal(link("c", "a"))).toEqual({
        _tag: "DependencyCycle",
        id: "c",
        dependsOn: "a",
        path: ["c", "a", "b", "c"]
      })
      yield* backlog.complete({ id: "a", actor: "ann" })
      expect(yield* refusal(link("c", "a"))).toMatchObject({ _tag: "DependencyCycle" })
      yield* backlog.unlink({ from: "a", to: "b", actor: "ann" })
      expect((yield* link("c", "a")).dependsOn).toEqual(["a"])
    })
  )

  test(
    "a cycle through a long chain is refused and a diamond is accepted",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const length = 300
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length }, (_, index) => ({
          id: `c${index}`,
          title: "T",
          dependsOn: index === 0 ? [] : [`c${index - 1}`, `c${Math.floor(index / 2)}`]
        }))
      })
      const error = yield* refusal(backlog.link({ from: "c0", to: `c${length - 1}`, actor: "ann" }))
      if (error._tag !== "DependencyCycle") throw new Error(error._tag)
      expect([error.path[0], error.path[1], error.path.at(-1)]).toEqual(["c0", `c${length - 1}`, "c0"])
      yield* backlog.link({ from: `c${length - 1}`, to: "c0", actor: "ann" })
    })
  )

  test(
    "concurrent links in one batch close no cycle",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const count = 10
      const id = (index: number) => `c${index % count}`
      for (let index = 0; index < count; index++) yield* backlog.create(input(id(index)))
      const results = yield* Effect.all(
        Array.from({ length: count }, (_, index) =>
          Effect.result(backlog.link({ from: id(index), to: id(index + 1), actor: "ann" }))
        ),
        { concurrency: "unbounded" }
      )
      const refused = results.flatMap((result) => (result._tag === "Failure" ? [result.failure._tag] : []))
      expect(refused).toEqual(["DependencyCycle"])
    })
  )

  test(
    "accepts dependencies on cards that do not exist yet",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { dependsOn: ["ghost", "ghost too"] }))
      expect((yield* backlog.explain("a")).obstacles).toEqual([
        {
          _tag: "UnmetDependencies",
          dependencies: [
            { id: "ghost", status: null },
            { id: "ghost too", status: null }
          ]
        }
      ])
      yield* backlog.create(input("ghost", { priority: -1 }))
      expect((yield* backlog.explain("a")).obstacles).toEqual([
        {
          _tag: "UnmetDependencies",
          dependencies: [
            { id: "ghost", status: "ready" },
            { id: "ghost too", status: null }
          ]
        }
      ])
      expect((yield* backlog.complete({ id: "ghost", actor: "ann" })).madeClaimable).toEqual([])
      expect(yield* isClaimable("a")).toBe(false)
      yield* backlog.create(input("ghost too", { status: "done" as const }))
      expect(yield* isClaimable("a")).toBe(true)
      expect(Option.map(yield* backlog.claim({ owner: "w", actor: "w" }), ({ id }) => id)).toEqual(Option.some("a"))
    })
  )

  test(
    "makes a card claimable when its dependency on a missing card is removed",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { dependsOn: ["ghost"] }))
      yield* backlog.unlink({ from: "a", to: "ghost", actor: "ann" })
      expect(yield* isClaimable("a")).toBe(true)
      yield* backlog.create(input("ghost", { dependsOn: ["a"] }))
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["a"])
    })
  )

  test(
    "every counter stays correct when concurrent commands change the same few cards",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const names = ["a", "b", "c", "d"]
      for (const id of names) yield* backlog.create(input(id))
      for (let round = 0; round < 5; round++) {
        yield* Effect.all(
          names.flatMap((from, index) => {
            const to = names[(index + round) % names.length] ?? "a"
            return [
              Effect.ignore(backlog.link({ from, to, actor: "ann" })),
              Effect.ignore(backlog.complete({ id: to, actor: "ann" })),
              Effect.ignore(backlog.create(input(`${from}${round}`, { dependsOn: [to, `${to}${round + 1}`] }))),
              Effect.ignore(backlog.reopen({ id: from, actor: "ann" })),
              Effect.ignore(backlog.unlink({ from: to, to: from, actor: "ann" }))
            ]
          }),
          { concurrency: "unbounded" }
        )
      }
      expect((yield* backlog.stats).total).toBe(24)
    })
  )
}
