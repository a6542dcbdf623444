import { withConnection } from "./withConnection.mjs"

/** The prefix of every schema that the benchmarks create. */
export const schemaOf = (...parts) => ["bench", ...parts].join("_").toLowerCase().replaceAll(/\W+/g, "_").slice(0, 48)

export const dropSchema = (url, schema) =>
  withConnection(url, (client) => client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))

/** Does what autovacuum and the checkpointer do within minutes, so that it does not occur during a measurement. */
export const settle = (url, schema) =>
  withConnection(url, async (client) => {
    const { rows } = await client.query(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1`,
      [schema]
    )
    await client.query(`VACUUM ANALYZE ${rows.map(({ name }) => name).join()}`)
    await client.query("CHECKPOINT")
  })

/** Options of a `pg` connection whose unqualified names refer to a schema. */
export const connectionTo = (url, schema) => ({ connectionString: url, options: `-c search_path=${schema}` })
