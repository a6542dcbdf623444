import { DateTime, Effect, Schema } from "effect"
import { Rejection } from "../../../src/domain/Rejection.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { InvalidInput } from "../../../src/services/decodeInput.ts"
import { type Client, type TestBacklog, writesNothing } from "../../support/backlogs.ts"
import { plainCard } from "../../support/plainCard.ts"
import { expect } from "vitest"

/** Registers a test with its own empty backlog. */
export interface Test {
  /** Verifies the log and the read model after the test. */
  (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>): void
  /** Does not verify the backlog, for tests that damage it. */
  readonly unverified: (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) => void
}

/** The time at which a test's clock starts. */
export const start = "2026-01-01T00:00:00.000Z"

/** The given number of seconds after the start. */
export const after = (seconds: number): string => new Date(Date.parse(start) + seconds * 1000).toISOString()

export const utc = (time: string): DateTime.Utc => DateTime.makeUnsafe(time)

/** Minimal input of `create`. */
export const input = <More extends object = object>(id: string, more?: More) =>
  ({ id, title: `Card ${id}`, actor: "ann", ...more }) as { id: string; title: string; actor: string } & More

/** A new card created with `input`, as JSON. */
export const created = (id: string, more: object = {}) => ({
  ...plainCard,
  id,
  title: `Card ${id}`,
  createdAt: start,
  updatedAt: start,
  ...more
})

const isRejection = Schema.is(Rejection)
const encodeRejection = Schema.encodeSync(Rejection)

/** A rejection as plain JSON. */
export const refusalJson = (error: unknown): typeof Rejection.Encoded => {
  if (!isRejection(error)) throw error
  expect(error.message.length).toBeGreaterThan(10)
  return encodeRejection(error)
}

/** The rejection of a refused command as JSON. Checks that nothing was written. */
export const refusal = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  writesNothing(Effect.map(Effect.flip(effect), refusalJson))

/** The problem of invalid input. Checks that nothing was written. */
export const invalid = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  writesNothing(
    Effect.map(Effect.flip(effect), (error) => {
      if (!(error instanceof InvalidInput)) throw error
      return error.problem
    })
  )

export const ids = (cards: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> => cards.map(({ id }) => id)

/** Whether a card is claimable. Checks that list, stats and explain agree. */
export const isClaimable = (id: string) =>
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    const listed = ids(yield* backlog.list({ claimability: "claimable" }))
    const { claimable } = yield* backlog.stats
    const explained = yield* backlog.explain(id)
    expect(listed.length).toBe(claimable)
    expect(explained.claimable).toBe(listed.includes(id))
    expect(explained.obstacles.length === 0).toBe(explained.claimable)
    return explained.claimable
  })
