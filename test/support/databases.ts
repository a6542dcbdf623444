import { it as vitest, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type Client, freshBacklog, postgresClient, type TestBacklog } from "./backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { verifiesItself, verifyBacklog } from "./verifyBacklog.ts"

type Body = Effect.Effect<void, unknown, TestBacklog | Client>

/** What a test needs to say that it is skipped, and why. */
interface SkipContext {
  readonly skip: (reason: string) => never
}

/** Registers a test with its own empty backlog, which is verified after the test. */
export type Test = (title: string, body: Body | ((context: SkipContext) => Body)) => void

const suite = (name: string, client: Layer.Layer<Client, unknown>, register: (test: Test) => void): void =>
  layer(client, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    register((title, body) =>
      it.effect(title, (context) =>
        // Closes the scope of the body before its schema is dropped, which would wait for open transactions.
        Effect.scoped(Effect.isEffect(body) ? body : body(context)).pipe(
          Effect.andThen(verifyBacklog),
          Effect.andThen(verifiesItself),
          Effect.provide(Layer.fresh(freshBacklog))
        )
      )
    )
  })

/** Registers tests that need a server: several connections at once. */
export const onServer = (name: string, register: (test: Test) => void): void =>
  suite(`${name}, on a Postgres server`, postgresClient(10), register)

/** Whether this run includes the attacks that take too long for `npm test`: `npm run test:security`. */
export const isLong = process.env["BACKLOG_TEST_SECURITY"] === "long"

/** Registers tests for both databases. */
export const onBothDatabases = (name: string, register: (test: Test) => void): void => {
  suite(`${name}, on PGlite`, layerPgliteClient(), register)
  onServer(name, register)
}

const onServerOnly = (name: string, register: (test: Test) => void): void => {
  onServer(name, register)
  vitest.effect.skip(`${name}, on PGlite (npm run test:security runs these)`, () => Effect.void)
}

/** Registers tests for both databases; those on PGlite run only in `npm run test:security`. */
export const onServerFirst = isLong ? onBothDatabases : onServerOnly
