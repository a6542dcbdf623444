/** Unique tokens after a restore: see docs/decisions/0031-generations-of-tokens.md. */
const commandFunctions = "migrations/0011_commands.sql"
const lockAndLoad = "src/projections/lockAndLoad.ts"
const restoreBacklog = "src/services/audit/restoreBacklog.ts"
const logTransfer = "src/services/audit/logTransfer.ts"
const evolve = "src/domain/evolve.ts"
const cardLines = "src/projections/cardLines.ts"
const compareRows = "src/projections/compareRows.ts"

const restored = ["test/services/audit/restored.test.ts"]

const mutations = [
  {
    name: "a token contains the generation",
    file: evolve,
    find: "claimToken: event.generation + version,",
    replace: "claimToken: version,",
    tests: restored
  },
  {
    name: "a claim gets the generation of the log",
    file: lockAndLoad,
    find: "new ReadModelState(generation)",
    replace: "new ReadModelState()",
    tests: restored
  },
  {
    name: "a change of server is recognized",
    file: lockAndLoad,
    find: "isSameServer === false",
    replace: "row.is_same_server === undefined",
    tests: restored
  },
  {
    name: "a generation comes from the clock",
    file: commandFunctions,
    find: "THEN ticks ELSE",
    replace: "THEN last + 2147483648 ELSE",
    tests: restored
  },
  {
    name: "a generation is greater than the previous one when the clock is behind",
    file: commandFunctions,
    find: "WHEN ticks > last + last_version AND",
    replace: "WHEN ticks > 0 AND",
    tests: restored
  },
  {
    name: "the generation of an imported log is used",
    file: commandFunctions,
    find: "greatest(found.generation, at_least)",
    replace: "found.generation",
    tests: restored
  },
  {
    name: "the generation of an imported log is read from its claims",
    file: logTransfer,
    find: "generation = Math.max(generation, generationOf(event))",
    replace: "generation = Math.max(generation, 0)",
    tests: restored
  },
  {
    name: "an import ends the claims in the log",
    file: logTransfer,
    find: "const ended = yield* endClaims(last)",
    replace: "const ended = { generation: last, reclaimed: [] }",
    tests: restored
  },
  {
    name: "a changed timeline or server starts a new generation",
    file: commandFunctions,
    find: "(found.server = server_now) IS NOT FALSE",
    replace: "true",
    tests: restored
  },
  {
    name: "a failover is distinguished from a move",
    file: commandFunctions,
    find: "WHEN substr(found.server, strpos(found.server, '/')) = substr(server_now, strpos(server_now, '/')) THEN 'failover'",
    replace: "WHEN false THEN 'failover'",
    tests: restored
  },
  {
    name: "a batch that read an older generation is run again",
    file: commandFunctions,
    find: "IF last_generation <> read_generation THEN",
    replace: "IF false THEN",
    tests: restored
  },
  {
    name: "a restore ends every live claim",
    file: restoreBacklog,
    find: "return yield* endClaims(yield* findClaimed(undefined), actor, generation)",
    replace: "return yield* endClaims([], actor, generation)",
    tests: restored
  },
  {
    name: "a restore inside a transaction is refused",
    file: "src/services/AuditService.ts",
    find: 'yield* requireNoTransaction("a restore")',
    replace: "yield* Effect.void",
    tests: restored
  },
  {
    name: "the upper half of a token is written",
    file: cardLines,
    find: "${Math.floor(claimToken / 2 ** 31)}",
    replace: "0",
    tests: restored
  },
  {
    name: "a verification reads the upper half of a token",
    file: compareRows,
    find: 'coalesce(claim_token_high * 2147483648::float8 + claim_token, nullif(claim_token_high, 0)) AS "claimToken"',
    replace: 'claim_token AS "claimToken"',
    tests: restored
  },
  {
    name: "the doctor warns of a moved log",
    file: "src/services/doctor/diagnose.ts",
    find: '(of.hasMoved || of.reason === "moved") &&',
    replace: 'of.reason === "failover" &&',
    tests: restored
  }
]

export const restoreMutations = mutations.map(({ name, ...mutation }) => ({
  name: `restore: ${name}`,
  ...mutation,
  startsPrograms: false
}))
