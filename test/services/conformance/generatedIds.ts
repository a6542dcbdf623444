import { Effect } from "effect"
import { createHash } from "node:crypto"
import { expect } from "vitest"
import { proposeIds } from "../../../src/domain/GeneratedId.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { ids, type Test } from "./harness.ts"

const pattern = /^[2-9a-hjkmnp-tw-z]{8}$/

const untitled = { title: "T", actor: "ann" }

/** Cards that are created without an id. */
export const generatedIds = (test: Test): void => {
  test(
    "a card without an id gets one of eight characters without look-alikes",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const one = yield* backlog.create(untitled)
      const other = yield* backlog.create(untitled)
      expect(one.id).toMatch(pattern)
      expect(other.id).toMatch(pattern)
      expect(other.id).not.toBe(one.id)
      expect(ids(yield* backlog.list()).toSorted()).toEqual([one.id, other.id].toSorted())
    })
  )

  test(
    "a command that is sent again returns the card with the same generated id",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const command = { ...untitled, commandId: "c1" }
      const one = yield* backlog.create(command)
      expect((yield* backlog.create(command)).id).toBe(one.id)
      expect((yield* backlog.create({ ...command, actor: "bob" })).id).not.toBe(one.id)
      expect((yield* backlog.list()).length).toBe(2)
    })
  )

  test(
    "the same idempotency key leads to the same generated id for every actor",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const one = yield* backlog.create({ ...untitled, idempotencyKey: "order 7" })
      expect((yield* backlog.create({ ...untitled, actor: "bob", idempotencyKey: "order 7" })).id).toBe(one.id)
      expect((yield* backlog.create({ ...untitled, idempotencyKey: "order 8" })).id).not.toBe(one.id)
    })
  )

  test(
    "a generated id that is in use becomes longer",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const [short = "", longer, longest] = proposeIds("", createHash("sha256").update("key\u0000order 7").digest())
      yield* backlog.create({ ...untitled, id: short })
      const card = yield* backlog.create({ ...untitled, idempotencyKey: "order 7" })
      expect(card.id).toBe(longer)
      expect(card.id.length).toBe(12)
      expect(longest?.length).toBe(20)
      expect((yield* backlog.create({ ...untitled, idempotencyKey: "order 7" })).id).toBe(longer)
    })
  )

  test(
    "createMany gives an id to every card that has none, also under one command id",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const command = {
        actor: "ann",
        commandId: "plan",
        cards: [{ title: "A" }, { id: "b", title: "B" }, { title: "C" }]
      }
      const cards = yield* backlog.createMany(command)
      expect(cards.map(({ title }) => title)).toEqual(["A", "B", "C"])
      expect(cards[1]?.id).toBe("b")
      expect(new Set(ids(cards)).size).toBe(3)
      expect(ids(yield* backlog.createMany(command))).toEqual(ids(cards))
    })
  )
}
