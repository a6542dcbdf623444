import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { BacklogService } from "../../../src/index.ts"

/** Takes an order, and puts what is to be done about it into the backlog: both, or neither. */
export const take = Effect.fnUntraced(function* (order: string) {
  const sql = yield* SqlClient.SqlClient
  const backlog = yield* BacklogService
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`INSERT INTO orders (id) VALUES (${order})`
      yield* backlog.create({ id: `ship-${order}`, title: "Ship it", actor: "shop" })
    })
  )
})
