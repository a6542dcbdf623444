/** Independence of the settings of servers, databases and roles: see docs/servers.md. */
const commandFunctions = "migrations/0017_fewer_expressions.sql"
const sessionProblem = "src/services/schema/findSessionProblem.ts"
const eventLog = "src/events/EventLog.ts"
const logWriter = "src/events/LogWriter.ts"
const inTransaction = "src/sql/inTransaction.ts"

const settings = ["test/services/postgres/sessionSettings.test.ts"]

export const serverMutations = [
  {
    name: "batches run without JIT",
    file: commandFunctions,
    find: "    EXECUTE format('ALTER FUNCTION %s SET jit = off', function);\n",
    replace: "",
    tests: settings
  },
  {
    name: "the functions of commands find names in pg_catalog first",
    file: commandFunctions,
    find: "SET search_path = pg_catalog, %I, pg_temp'",
    replace: "SET search_path = %I, pg_catalog, pg_temp'",
    tests: settings
  },
  {
    name: "the functions of commands find temporary tables last",
    file: commandFunctions,
    find: "SET search_path = pg_catalog, %I, pg_temp'",
    replace: "SET search_path = pg_catalog, %I'",
    tests: settings
  },
  {
    name: "a claim without a filter is not a claim with a null where array_nulls is off",
    file: "src/projections/lockAndLoad.ts",
    find: "filter.phase ?? anyPhase",
    replace: 'filter.phase ?? "NULL"',
    tests: settings
  },
  {
    name: "a new generation is durable",
    file: "migrations/0011_commands.sql",
    find: "BEGIN\n  IF current_setting('synchronous_commit') IN ('off', 'local') THEN",
    replace: "BEGIN\n  IF current_setting('synchronous_commit') IN ('local') THEN",
    tests: settings
  },
  {
    name: "arrays in an import can contain nulls where array_nulls is off",
    file: logWriter,
    find: '${enableArrayNulls(sql)} AS "arrayNulls", ',
    replace: "'' AS \"arrayNulls\", ",
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
