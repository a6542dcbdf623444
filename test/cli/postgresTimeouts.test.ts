import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { json, onServer, sql } from "./support.ts"

describe("the timeouts of connections to a server", () => {
  const place = onServer()
  afterAll(place.remove)

  it("a timeout that is not a number of seconds is refused", async () => {
    for (const name of ["BACKLOG_BATCH_TIMEOUT", "BACKLOG_ANSWER_TIMEOUT"]) {
      for (const value of ["soon", "0", "-1", "86401", "1e3"]) {
        const refused = await json(["stats", ...place.flags], { env: { [name]: value } })
        expect([refused.code, refused.error?._tag]).toEqual([2, "InvalidInput"])
        expect(refused.error?.message).toContain(`${name} takes a number of seconds from 1 to 86400`)
      }
    }
  })

  it("a timeout ends a command that waits for another transaction", async () => {
    await json(["create", "--id", "a", "--title", "A", ...place.flags])
    const waited = await sql((client) =>
      client.withTransaction(
        Effect.andThen(
          client`SELECT FROM ${client(`${place.schema}.head`)} FOR UPDATE`,
          Effect.promise(() =>
            json(["create", "--id", "b", "--title", "B", ...place.flags], { env: { BACKLOG_BATCH_TIMEOUT: "1" } })
          )
        )
      )
    )
    expect([waited.code, waited.error?._tag]).toEqual([6, "DatabaseUnavailable"])
    expect(waited.error?.message).toContain(
      "The command may have been committed: the server sent nothing for 1 seconds"
    )
  })
})
