import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/**
 * Finds a setting of the session that makes a backlog unusable: one that damages text, or that gives the names in the
 * program's statements another meaning. Operators are qualified because the search path may shadow them.
 */
export const findSessionProblem = (sql: SqlClient.SqlClient): Effect.Effect<string | undefined, SqlError.SqlError> =>
  Effect.map(
    sql<Session>`
      SELECT pg_catalog.current_database()::pg_catalog.text AS database, current_user::pg_catalog.text AS role,
        pg_catalog.current_setting('server_encoding') AS "serverEncoding",
        pg_catalog.current_setting('client_encoding') AS "clientEncoding",
        pg_catalog.current_setting('search_path') AS "searchPath", (
          SELECT pg_catalog.format('%I.%s', before.name, shadow) FROM (
            SELECT oid, path.name FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS path (name, place)
              JOIN pg_catalog.pg_namespace ON nspname OPERATOR(pg_catalog.=) path.name
            WHERE place OPERATOR(pg_catalog.<) pg_catalog.array_position(pg_catalog.current_schemas(true), 'pg_catalog')
              AND pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) oid) AS before
          CROSS JOIN LATERAL (
            SELECT proname::pg_catalog.text AS shadow FROM pg_catalog.pg_proc AS own
            WHERE pronamespace OPERATOR(pg_catalog.=) before.oid AND EXISTS (
              SELECT FROM pg_catalog.pg_proc AS system WHERE system.proname OPERATOR(pg_catalog.=) own.proname
                AND system.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace)
            UNION ALL SELECT oprname::pg_catalog.text FROM pg_catalog.pg_operator AS own
            WHERE oprnamespace OPERATOR(pg_catalog.=) before.oid AND EXISTS (
              SELECT FROM pg_catalog.pg_operator AS system WHERE system.oprname OPERATOR(pg_catalog.=) own.oprname
                AND system.oprnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace)
            UNION ALL SELECT typname::pg_catalog.text FROM pg_catalog.pg_type AS own
            WHERE typnamespace OPERATOR(pg_catalog.=) before.oid AND EXISTS (
              SELECT FROM pg_catalog.pg_type AS system WHERE system.typname OPERATOR(pg_catalog.=) own.typname
                AND system.typnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace)) AS shadows
          LIMIT 1) AS shadow`,
    ([session]) => (session === undefined ? undefined : problemOf(session))
  )

interface Session {
  readonly database: string
  readonly role: string
  readonly serverEncoding: string
  readonly clientEncoding: string
  readonly searchPath: string
  /** A function, operator or type that shadows one of `pg_catalog`. */
  readonly shadow: string | null
}

const problemOf = ({ clientEncoding, database, role, searchPath, serverEncoding, shadow }: Session) => {
  if (serverEncoding !== "UTF8") {
    return (
      `the database ${JSON.stringify(database)} has the encoding ${serverEncoding}, which cannot hold every character. ` +
      `Use a database with the encoding UTF8: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'`
    )
  }
  if (clientEncoding !== "UTF8") {
    return (
      `the connection's client_encoding is ${clientEncoding}, and this program sends UTF-8. ` +
      `Set it: ALTER ROLE ${JSON.stringify(role)} SET client_encoding = 'UTF8'`
    )
  }
  if (shadow !== null) {
    return (
      `the search_path of the role ${JSON.stringify(role)}, ${JSON.stringify(searchPath)}, puts ${shadow} before what ` +
      `pg_catalog has of that name: remove pg_catalog from the search_path, or put it first`
    )
  }
  return undefined
}
