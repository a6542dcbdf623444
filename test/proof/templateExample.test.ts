import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogService } from "../../src/index.ts"
import { layerTestFrom, makeTemplate } from "../../src/testing/index.ts"

/** Our table, and the card that most tests begin with. */
const template = makeTemplate(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE notes (card_id text PRIMARY KEY, note text NOT NULL)`
    const backlog = yield* BacklogService
    yield* backlog.create({ id: "design", title: "Design it", actor: "test" })
  })
)

layer(Layer.unwrap(Effect.map(template, layerTestFrom)), { timeout: "60 seconds" })("our notes", (it) => {
  it.effect("belong to a card", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { counts } = yield* (yield* BacklogService).stats
      yield* sql`INSERT INTO notes VALUES ('design', 'Two pages are enough.')`
      expect(counts.ready).toBe(1)
    })
  )
})
