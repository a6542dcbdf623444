/** Independence of the settings of servers, databases and roles: see docs/servers.md. */
const runInTransaction = "src/services/commands/BatchTransaction.ts"
const sessionProblem = "src/services/schema/findSessionProblem.ts"
const eventLog = "src/events/EventLog.ts"
const logWriter = "src/events/LogWriter.ts"
const shadowTables = "src/projections/shadowTables.ts"
const inTransaction = "src/sql/inTransaction.ts"

const settings = ["test/services/postgres/sessionSettings.test.ts"]

export const serverMutations = [
  {
    name: "batches run without JIT",
    file: runInTransaction,
    find: '  ["jit", "off"],\n',
    replace: "",
    tests: settings
  },
  {
    name: "batches set the search path",
    file: runInTransaction,
    find: '  ["search_path", "pg_catalog"],\n',
    replace: "",
    tests: settings
  },
  {
    name: "arrays in commands can contain nulls where array_nulls is off",
    file: logWriter,
    find: '${enableArrayNulls(sql)} AS "arrayNulls", ',
    replace: "'' AS \"arrayNulls\", ",
    tests: settings
  },
  {
    name: "arrays in a rebuild can contain nulls where array_nulls is off",
    file: shadowTables,
    find: "sql`SELECT ${enableArrayNulls(sql)}`",
    replace: "sql`SELECT 1`",
    tests: settings
  },
  {
    name: "transactions run at READ COMMITTED by default",
    file: inTransaction,
    find: "(begin) => begin ?? beginReadCommitted",
    replace: "(begin) => begin",
    tests: settings
  },
  {
    name: "the redaction triggers set the search path",
    file: eventLog,
    find: 'yield* setPath("pg_catalog")',
    replace: 'yield* setPath(before?.path ?? "")',
    tests: settings
  },
  {
    name: "a redaction restores the search path",
    file: eventLog,
    find: 'yield* setPath(before?.path ?? "")',
    replace: 'yield* setPath("pg_catalog")',
    tests: settings
  },
  {
    name: "a database with an encoding other than UTF8 is refused",
    file: sessionProblem,
    find: 'if (serverEncoding !== "UTF8")',
    replace: 'if (serverEncoding === "")',
    tests: settings
  },
  {
    name: "a client encoding other than UTF8 is refused",
    file: sessionProblem,
    find: 'if (clientEncoding !== "UTF8")',
    replace: 'if (clientEncoding === "")',
    tests: settings
  },
  {
    name: "a search path that shadows pg_catalog is refused",
    file: sessionProblem,
    find: "if (shadow !== null)",
    replace: 'if (shadow === "")',
    tests: settings
  },
  {
    name: "the ids of a command are expanded by pg_catalog.unnest",
    file: "src/projections/lockStatements.ts",
    find: "WHERE id = ANY(ARRAY(\n      SELECT pg_catalog.unnest(${ids}::text[])${hasKeys",
    replace: "WHERE id = ANY(ARRAY(\n      SELECT unnest(${ids}::text[])${hasKeys",
    tests: settings
  },
  {
    name: "the chain is aggregated by a pg_catalog function",
    file: "src/events/LogReader.ts",
    find: "pg_catalog.array_agg(card_id",
    replace: "array_agg(card_id",
    tests: settings
  },
  {
    name: "a read-only session is reported",
    file: "src/sql/databaseErrors.ts",
    find: " || code === readOnlySqlState",
    replace: "",
    tests: settings
  }
].map((mutation) => ({ ...mutation, startsPrograms: false }))
