import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type Client, freshBacklog, type TestBacklog } from "../support/backlogs.ts"
import { verifiesItself, verifyBacklog } from "../support/verifyBacklog.ts"
import type { Test } from "./conformance/harness.ts"

/** What is different about the backlog that is tested. */
export interface Variation {
  /** Another backlog over the client. */
  readonly backlog?: typeof freshBacklog
  /** Tests that cannot hold of it, by title, each with the reason, which is printed. */
  readonly except?: Readonly<Record<string, string>>
  /** Runs the first of so many tests only; the others are skipped, with the reason. */
  readonly sample?: { readonly oneIn: number; readonly reason: string } | undefined
}

/**
 * Registers tests over a client of any Postgres. Every test has a schema of its own, and after it the whole log and read
 * model are checked where the test has not damaged them.
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
      const isLeftOut = sample !== undefined && count++ % sample.oneIn !== 0
      const reason = except[title] ?? (isLeftOut ? sample.reason : undefined)
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
