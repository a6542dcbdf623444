/** What keeps a server's, database's or role's settings from changing anything: see docs/servers.md. */
const runInTransaction = "src/services/commands/BatchTransaction.ts"
const sessionProblem = "src/services/schema/sessionProblem.ts"
const eventLog = "src/events/EventLog.ts"
const shadowTables = "src/projections/shadowTables.ts"
const inTransaction = "src/sql/inTransaction.ts"

const settings = ["test/services/postgres/sessionSettings.test.ts"]

export const serverMutations = [
  {
    name: "that batches run without JIT",
    file: runInTransaction,
    find: '  ["jit", "off"],\n',
    replace: "",
    tests: settings
  },
  {
    name: "the search path of batches",
    file: runInTransaction,
    find: '  ["search_path", "pg_catalog"],\n',
    replace: "",
    tests: settings
  },
  {
    name: "that arrays in commands have nulls where array_nulls is off",
    file: eventLog,
    find: '${enableArrayNulls(sql)} AS "arrayNulls", ',
    replace: "'' AS \"arrayNulls\", ",
    tests: settings
  },
  {
    name: "that arrays in a rebuild have nulls where array_nulls is off",
    file: shadowTables,
    find: "sql`SELECT ${enableArrayNulls(sql)}`",
    replace: "sql`SELECT 1`",
    tests: settings
  },
  {
    name: "the isolation level of transactions that name none",
    file: inTransaction,
    find: "(begin) => begin ?? beginReadCommitted",
    replace: "(begin) => begin",
    tests: settings
  },
  {
    name: "the search path of triggers that judge a redaction",
    file: eventLog,
    find: 'yield* setPath("pg_catalog")',
    replace: 'yield* setPath(before?.path ?? "")',
    tests: settings
  },
  {
    name: "the search path after a redaction",
    file: eventLog,
    find: 'yield* setPath(before?.path ?? "")',
    replace: 'yield* setPath("pg_catalog")',
    tests: settings
  },
  {
    name: "that a database in another encoding than UTF8 is refused",
    file: sessionProblem,
    find: 'if (serverEncoding !== "UTF8")',
    replace: 'if (serverEncoding === "")',
    tests: settings
  },
  {
    name: "that a client of another encoding than UTF8 is refused",
    file: sessionProblem,
    find: 'if (clientEncoding !== "UTF8")',
    replace: 'if (clientEncoding === "")',
    tests: settings
  },
  {
    name: "that a search path which shadows pg_catalog is refused",
    file: sessionProblem,
    find: "if (shadow !== null)",
    replace: 'if (shadow === "")',
    tests: settings
  },
  {
    name: "that the ids of a command are spread by the database's own function",
    file: "src/projections/lockStatements.ts",
    find: "WHERE id = ANY(ARRAY(\n      SELECT pg_catalog.unnest(${ids}::text[])${hasKeys",
    replace: "WHERE id = ANY(ARRAY(\n      SELECT unnest(${ids}::text[])${hasKeys",
    tests: settings
  },
  {
    name: "that the chain is gathered by the database's own function",
    file: "src/events/LogReader.ts",
    find: "pg_catalog.array_agg(card_id",
    replace: "array_agg(card_id",
    tests: settings
  },
  {
    name: "that a session which may only read is told so",
    file: "src/sql/databaseErrors.ts",
    find: " || code === readOnlySqlState",
    replace: "",
    tests: settings
  }
].map((mutation) => ({ ...mutation, startsPrograms: false }))
