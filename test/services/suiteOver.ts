import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type Client, freshBacklog, type TestBacklog } from "../support/backlogs.ts"
import { verifiesItself, verifyBacklog } from "../support/verifyBacklog.ts"
import type { Test } from "./conformance/harness.ts"

/** Options of a suite. */
export interface Variation {
  /** The layer of each test's backlog. Defaults to `freshBacklog`. */
  readonly backlog?: typeof freshBacklog
  /** Tests that are skipped, by title, with the reason that is printed. */
  readonly except?: Readonly<Record<string, string>>
  /** Runs one of every `oneIn` tests and skips the others with the reason. Defaults to all tests. */
  readonly sample?: { readonly oneIn: number; readonly reason: string } | undefined
}

/**
 * Registers tests over a database client. Every test has its own schema. The whole log and read model are verified after
 * each test, except after `test.unverified`.
 */
export const suiteOver = (
  name: string,
  clientLayer: Layer.Layer<Client, unknown>,
  parts: ReadonlyArray<(test: Test) => void>,
  { backlog = freshBacklog, except = {}, sample }: Variation = {}
): void =>
  layer(clientLayer, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    let count = 0
    const unverified = (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) => {
      const isOutsideSample = sample !== undefined && count++ % sample.oneIn !== 0
      const reason = except[title] ?? (isOutsideSample ? sample.reason : undefined)
      if (reason !== undefined) return it.effect.skip(`${title} (${reason})`, () => Effect.void)
      it.effect(title, () => Effect.provide(body, Layer.fresh(backlog)))
    }
    const test: Test = Object.assign(
      (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) =>
        unverified(title, Effect.andThen(body, Effect.andThen(verifyBacklog, verifiesItself))),
      { unverified }
    )
    for (const part of parts) part(test)
  })
