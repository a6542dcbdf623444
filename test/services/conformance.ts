import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type Client, freshBacklog, type TestBacklog } from "../support/backlogs.ts"
import { verifiesItself, verifyBacklog } from "../support/verifyBacklog.ts"
import { cards } from "./conformance/cards.ts"
import { claims } from "./conformance/claims.ts"
import { completion } from "./conformance/completion.ts"
import { dependencies } from "./conformance/dependencies.ts"
import type { Test } from "./conformance/harness.ts"
import { invalidInput } from "./conformance/invalidInput.ts"
import { log } from "./conformance/log.ts"
import { migrations } from "./conformance/migrations.ts"
import { queries } from "./conformance/queries.ts"
import { transactions } from "./conformance/transactions.ts"

/**
 * What the backlog does, end to end, over a client of any Postgres: the services' promises as tests. Every test has a
 * schema of its own, and after it the whole log and read model are checked.
 */
export const suite = (name: string, clientLayer: Layer.Layer<Client, unknown>): void =>
  layer(clientLayer, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    const unverified = (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) =>
      it.effect(title, () => Effect.provide(body, Layer.fresh(freshBacklog)))
    const test: Test = Object.assign(
      (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) =>
        unverified(title, Effect.andThen(body, Effect.andThen(verifyBacklog, verifiesItself))),
      { unverified }
    )
    cards(test)
    claims(test)
    completion(test)
    dependencies(test)
    queries(test)
    log(test)
    transactions(test)
    invalidInput(test)
    migrations(test)
  })
