/** What keeps tokens from repeating: see docs/decisions/0031-generations-of-tokens.md. */
const generations = "src/projections/Generations.ts"
const readModel = "src/projections/ReadModel.ts"
const restoreBacklog = "src/services/audit/restoreBacklog.ts"
const logTransfer = "src/services/audit/logTransfer.ts"
const evolve = "src/domain/evolve.ts"
const migration = "migrations/0008_generations.sql"
const rowStatements = "src/projections/rowStatements.ts"
const compareRows = "src/projections/compareRows.ts"

const restored = ["test/services/audit/restored.test.ts"]

const mutations = [
  {
    name: "that a token has the generation in it",
    file: evolve,
    find: "claimToken: event.generation + version,",
    replace: "claimToken: version,",
    tests: restored
  },
  {
    name: "that a claim gets the log's generation",
    file: readModel,
    find: "const state = new ReadModelState(generation)",
    replace: "const state = new ReadModelState()",
    tests: restored
  },
  {
    name: "that another server is recognized",
    file: readModel,
    find: "clock.isSameServer === false ?",
    replace: "clock.isSameServer === null ?",
    tests: restored
  },
  {
    name: "that a generation comes from the clock",
    file: generations,
    find: "THEN ticks\n",
    replace: "THEN ${last} + 2147483648\n",
    tests: restored
  },
  {
    name: "that a generation is greater than the last where the clock is behind",
    file: generations,
    find: "WHEN ticks > ${last} + ${lastVersion} AND",
    replace: "WHEN ticks > 0 AND",
    tests: restored
  },
  {
    name: "that an imported log's generation counts",
    file: generations,
    find: "const last = sql`greatest(generation, ${atLeast}::int8)`",
    replace: "const last = sql`greatest(generation, ${atLeast}::int8 * 0)`",
    tests: restored
  },
  {
    name: "that the generation of an imported log is read from its claims",
    file: logTransfer,
    find: "generation = Math.max(generation, generationOf(event))",
    replace: "generation = Math.max(generation, 0)",
    tests: restored
  },
  {
    name: "that an import ends the claims in the log",
    file: logTransfer,
    find: "const ended = yield* endClaims(last)",
    replace: "const ended = { generation: last, reclaimed: [] }",
    tests: restored
  },
  {
    name: "that a changed timeline or server begins a generation",
    file: generations,
    find: "coalesce(server <> server_now, false)",
    replace: "coalesce(server <> server, false)",
    tests: restored
  },
  {
    name: "that a failover is told from a move",
    file: generations,
    find: "WHEN substr(server, strpos(server, '/')) = substr(server_now, strpos(server_now, '/')) THEN 'failover'",
    replace: "WHEN false THEN 'failover'",
    tests: restored
  },
  {
    name: "that a batch which read an older generation is run again",
    file: migration,
    find: "WHEN (NEW.generation < OLD.generation)",
    replace: "WHEN (NEW.generation < 0)",
    tests: restored
  },
  {
    name: "that a restore ends every live claim",
    file: restoreBacklog,
    find: "return yield* endClaims(yield* claimed(undefined), actor, raised)",
    replace: "return yield* endClaims([], actor, raised)",
    tests: restored
  },
  {
    name: "that a restore cannot be part of a transaction",
    file: "src/services/AuditService.ts",
    find: 'yield* alone("a restore")',
    replace: "yield* Effect.void",
    tests: restored
  },
  {
    name: "that the upper part of a token is written",
    file: rowStatements,
    find: "Math.floor((claimToken ?? 0) / 2 ** 31)",
    replace: "Math.floor((claimToken ?? 0) * 0)",
    tests: restored
  },
  {
    name: "that a verification reads the upper part of a token",
    file: compareRows,
    find: 'coalesce(claim_token_high * 2147483648::float8 + claim_token, nullif(claim_token_high, 0)) AS "claimToken"',
    replace: 'claim_token AS "claimToken"',
    tests: restored
  },
  {
    name: "that the doctor warns of a moved log",
    file: "src/services/doctor/diagnose.ts",
    find: '(of.hasMoved || of.reason === "moved") &&',
    replace: 'of.reason === "failover" &&',
    tests: restored
  }
]

/** Each named by what it removes. */
export const restoreMutations = mutations.map(({ name, ...mutation }) => ({
  name: `restore: ${name}`,
  ...mutation,
  startsPrograms: false
}))
