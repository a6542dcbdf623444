import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { parseCardMoment, parseMoment } from "../../src/cli/moments.ts"

const iso = (at: unknown): unknown =>
  typeof at === "object" && at !== null && "time" in at && DateTime.isDateTime(at.time)
    ? DateTime.formatIso(at.time)
    : at

describe("the value of --at", () => {
  it.effect.each<[string, unknown]>([
    ["0", { position: 0 }],
    ["17", { position: 17 }],
    ["2026", { position: 2026 }],
    ["2026-01-22", "2026-01-22T00:00:00.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
    ["2026-01-22T12:04Z", "2026-01-22T12:04:00.000Z"],
    ["2026-01-22T12:04:05.123Z", "2026-01-22T12:04:05.123Z"],
    ["2026-01-22T12:04:05.123456Z", "2026-01-22T12:04:05.123Z"],
    ["2026-01-22t12:04:05z", "2026-01-22T12:04:05.000Z"],
    ["2026-01-22 12:04:05Z", "2026-01-22T12:04:05.000Z"],
    ["2026-01-22T12:04:05-08:00", "2026-01-22T20:04:05.000Z"],
    ["2026-01-22T12:04:05+0530", "2026-01-22T06:34:05.000Z"],
    ["0001-01-01", "0001-01-01T00:00:00.000Z"]
  ])("%s is a moment", ([written, moment]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(iso(yield* parseMoment(written)), moment)
      assert.deepStrictEqual(iso(yield* parseCardMoment(written)), moment)
    })
  )

  it.effect("a moment of a card may be a version, or missing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* parseCardMoment("v3"), { version: 3 })
      assert.isUndefined(yield* parseCardMoment(undefined))
      assert.isUndefined(yield* parseMoment(undefined))
    })
  )
})
