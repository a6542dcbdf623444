/** The backlogs that processes work on, and their verification. */
import { Effect } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { withConnection } from "../withConnection.mjs"

export const load = ({ build }) => import(pathToFileURL(join(build, "index.js")).href)

/** Checks that each card was claimed and completed at most once, and that the read model agrees with the log. */
const checkOnce = (context, schema) =>
  withConnection(context.url, async (client) => {
    const { rows } = await client.query(`
      SELECT (SELECT count(*) FROM ${schema}.cards WHERE status = 'done') AS done,
        count(*) FILTER (WHERE type = 'CardCompleted') AS completed,
        count(DISTINCT card_id) FILTER (WHERE type = 'CardCompleted') AS different,
        count(*) FILTER (WHERE type = 'CardClaimed') AS claimed,
        count(DISTINCT card_id) FILTER (WHERE type = 'CardClaimed') AS "differentClaimed"
      FROM ${schema}.events`)
    const [{ claimed, completed, different, differentClaimed, done }] = rows
    if (done !== completed || completed !== different || claimed !== differentClaimed) {
      throw new Error(`a card was claimed or completed twice: ${JSON.stringify(rows[0])}`)
    }
  })

/** Uses the services of a backlog in this process: `use` gets the package's exports and returns an Effect. */
export const withServices = async (context, { options = {}, schema, url = context.url }, use) => {
  const exported = await load(context)
  return Effect.runPromise(
    Effect.provide(Effect.scoped(use(exported)), exported.layerPostgres({ url, schema, ...options }))
  )
}

/**
 * Verifies log and read model, and that each card was claimed and completed at most once. Fails when something is inconsistent.
 */
export const verify = async (context, schema) => {
  await checkOnce(context, schema)
  return withServices(context, { schema }, ({ AuditService }) =>
    Effect.gen(function* () {
      const report = yield* (yield* AuditService).verify()
      if (report.divergenceCount > 0) throw new Error(`${schema} is not whole: ${JSON.stringify(report)}`)
      return report
    })
  )
}
