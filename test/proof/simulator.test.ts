import { describe, expect, it, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Event } from "../../src/domain/Event.ts"
import { Rejection } from "../../src/domain/Rejection.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { checkInvariants, LogChecker, simulate } from "../../src/testing/index.ts"
import { freshBacklog, plain } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { amount, report, seed } from "../support/soak.ts"
import { verifiesItself, verifyBacklog } from "../support/verifyBacklog.ts"
import { layerMemory } from "./memoryBacklog.ts"

/** Seeds of programs. Rounds of a soak use disjoint seeds. */
const firstSeed = seed * 100_000

/** Reads the log from its beginning, and checks every state. */
const checkLog = Effect.gen(function* () {
  const audit = yield* AuditService
  const check = new LogChecker()
  const violations: Array<string> = []
  yield* Stream.runForEach(audit.events(), (event) =>
    Effect.sync(() => {
      violations.push(...check.add(event))
    })
  )
  expect(violations).toEqual([])
  report({
    "states checked against the log": check.position,
    "double claims": check.doubleClaims,
    "commands applied twice": check.repeatedCommands
  })
  return check
})

describe("programs in memory", () => {
  /** A new backlog for every few programs, since sorting slows down as cards accumulate. */
  const together = 10

  it.effect(
    "every answer is the model's",
    () =>
      Effect.gen(function* () {
        const rounds = amount(30, 1000)
        for (let round = 0; round < rounds; round++) {
          const { operations, programs } = yield* Effect.provide(
            simulate({ seed: firstSeed + round * together, programs: together, steps: 10 }),
            Layer.fresh(layerMemory())
          )
          report({ programs, operations })
        }
      }),
    amount(600_000, 1_800_000)
  )

  it.effect("programs cause every event and every rejection", () =>
    Effect.gen(function* () {
      const seen = new Set<string>(["CardRedacted", "accepted"])
      const note = (what: string) => seen.add(what)
      yield* Effect.provide(simulate({ seed: 1, programs: 400 }), Layer.fresh(layerMemory(note)))
      const all = [
        ...Event.members.map((member) => member.fields._tag.schema.literal),
        ...Rejection.members.map((member) => member.fields._tag.schema.literal),
        "accepted"
      ]
      expect([...seen].sort()).toEqual(all.sort())
    })
  )
})

layer(layerPgliteClient(), { timeout: "60 seconds", excludeTestServices: true })("programs on PGlite", (onPglite) => {
  onPglite.effect(
    "every answer is the model's",
    () =>
      Effect.gen(function* () {
        report({ ...(yield* simulate({ seed: firstSeed, programs: amount(25, 1000) })) })
      }).pipe(Effect.provide(Layer.fresh(freshBacklog))),
    amount(600_000, 1_800_000)
  )

  onPglite.effect("every position of the log keeps the invariants", () =>
    Effect.gen(function* () {
      const { operations, programs } = yield* simulate({ seed: firstSeed, programs: amount(4, 12) })
      report({ programs, operations })
      const check = yield* checkLog
      const audit = yield* AuditService
      for (let position = 1; position <= check.position; position++) {
        const past = yield* audit.backlogAt({ position })
        const cards = (yield* past.list()).map(plain)
        const claimable = (yield* past.list({ claimability: "claimable" })).map((card) => card.id)
        const time = past.time.epochMilliseconds
        expect([position, checkInvariants({ cards, claimable, stats: past.stats, time })]).toEqual([position, []])
      }
    }).pipe(Effect.andThen(verifyBacklog), Effect.andThen(verifiesItself), Effect.provide(Layer.fresh(freshBacklog)))
  )
})
