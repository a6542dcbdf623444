import { layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { makeCardTables } from "../../src/projections/CardTables.ts"
import { makeReadFlow } from "../../src/projections/readFlow.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { randomHistory } from "../services/audit/flow.ts"
import { freshBacklog, postgresClient } from "../support/backlogs.ts"
import { makeRandom } from "../support/random.ts"

for (const [name, client] of [
  ["PGlite", layerPgliteClient()],
  ["a Postgres server", postgresClient()]
] as const) {
  layer(client, { timeout: "60 seconds", excludeTestServices: true })(`the flow of a long range on ${name}`, (it) => {
    it.effect("is the same whatever part of it is in memory at once", () =>
      Effect.provide(
        Effect.gen(function* () {
          const audit = yield* AuditService
          const sql = yield* SqlClient.SqlClient
          const schema = yield* BacklogSchema
          yield* randomHistory(makeRandom(7), 250)
          const { position: end } = yield* audit.anchor()
          for (const by of [undefined, "phase", "label", "owner"] as const) {
            const whole = yield* audit.flow({ by, bucket: "hour" })
            for (const [page, kept, window, lookups] of [
              [3, 0, 10, 1],
              [1, 1, 1, 1],
              [7, 100, 40, 3]
            ] as const) {
              const sizes = { page, kept, window, lookups }
              const readFlow = makeReadFlow(sql, schema, makeCardTables(sql, schema), sizes)
              const now = DateTime.subtract(whole.endsAt, { milliseconds: 1 })
              const { position, value } = yield* readFlow({
                from: whole.startsAt,
                to: whole.endsAt,
                bucket: "hour",
                by,
                after: 0,
                upTo: end,
                now
              })
              expect(value).toEqual(whole)
              expect(position).toBe(end)
            }
          }
        }),
        Layer.fresh(freshBacklog)
      )
    )
  })
}
