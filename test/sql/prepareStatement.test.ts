import { PgClient } from "@effect/sql-pg"
import { Effect, Stream, Tracer } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, Statement } from "effect/sql"
import { describe, expect, it } from "vitest"
import { prepareStatement } from "../../src/sql/prepareStatement.ts"

interface Sent {
  readonly by: string
  readonly text: string
  readonly values: ReadonlyArray<unknown>
}

/** A connection that records what is sent. */
const connection = (by: string, sent: Array<Sent>): SqlConnection.Connection => {
  const send = (text: string, values: ReadonlyArray<unknown>) =>
    Effect.sync(() => {
      sent.push({ by, text, values })
      return []
    })
  return {
    execute: send,
    executeRaw: send,
    executeStream: () => Stream.die("unused"),
    executeValues: send,
    executeValuesUnprepared: send,
    executeUnprepared: send
  }
}

const run = (
  use: (
    sql: SqlClient.SqlClient,
    inTransaction: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  ) => Effect.Effect<unknown, unknown>
) => {
  const sent: Array<Sent> = []
  return Effect.runPromise(
    Effect.gen(function* () {
      const sql = yield* SqlClient.make({
        acquirer: Effect.succeed(connection("pool", sent)),
        compiler: PgClient.makeCompiler(),
        spanAttributes: [],
        driver: "none"
      })
      yield* use(sql, (effect) =>
        Effect.provideService(effect, sql.transactionService, [connection("transaction", sent), 0])
      )
      return sent
    }).pipe(Effect.provide(Reactivity.layer))
  )
}

const update = (sql: SqlClient.SqlClient) =>
  prepareStatement<{ readonly id: string; readonly priority: number }>(
    sql,
    ({ id, priority }) =>
      sql`UPDATE ${sql("cards")} SET priority = ${priority}, kind = ${"card"} WHERE id = ${id} OR ${id} = 'all'`
  )

const text = `UPDATE "cards" SET priority = $1, kind = $2 WHERE id = $3 OR $4 = 'all'`

describe("prepareStatement", () => {
  it("sends the values in place of their placeholders, on the connection of the transaction", async () => {
    const sent = await run((sql, inTransaction) => {
      const statement = update(sql)
      return inTransaction(Effect.andThen(statement({ id: "a", priority: 1 }), statement({ priority: 2, id: "b" })))
    })
    expect(sent).toEqual([
      { by: "transaction", text, values: [1, "card", "a", "a"] },
      { by: "transaction", text, values: [2, "card", "b", "b"] }
    ])
  })

  it("sends an ordinary statement of the client outside of a transaction", async () => {
    const sent = await run((sql) => update(sql)({ id: "a", priority: 1 }))
    expect(sent).toEqual([{ by: "pool", text, values: [1, "card", "a", "a"] }])
  })

  it("is visible to a tracer", async () => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    await run((sql, inTransaction) =>
      inTransaction(update(sql)({ id: "a", priority: 1 })).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
    expect(spans.map(({ attributes }) => attributes.get("db.query.text"))).toEqual([text])
  })

  it("is passed through a statement transformer", async () => {
    const sent = await run((sql, inTransaction) =>
      inTransaction(update(sql)({ id: "a", priority: 1 })).pipe(
        Effect.provideService(Statement.CurrentTransformer, (_, constructor) => Effect.succeed(constructor`SELECT 1`))
      )
    )
    expect(sent).toEqual([{ by: "transaction", text: "SELECT 1", values: [] }])
  })
})
