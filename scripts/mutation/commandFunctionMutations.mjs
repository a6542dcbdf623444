/** The functions of the database that carry out commands: see docs/decisions/0040-two-functions.md. */
const commandFunctions = "migrations/0011_commands.sql"
const backlogRoles = "src/services/schema/BacklogRoles.ts"
const eventLines = "src/events/eventLines.ts"
const appendAndProject = "src/projections/appendAndProject.ts"

const claims = ["test/services/commands/claimFilters.test.ts"]
const hashes = ["test/events/eventLines.test.ts"]
const calls = ["test/services/commands/largeBatches.test.ts"]
const runningClock = ["test/services/pglite/runningClock.test.ts"]
const roles = ["test/proof/leastPrivilege.test.ts"]
const schemas = "test/services/schema/functions.test.ts"
const plans = ["test/services/commands/batchPlans.test.ts"]

/** The queries for claims, with the text that follows each. */
const claimQueries = [
  ["a claim", "claim_limit", "\n  END IF;\n"],
  ["a claim with a minimum priority", "claim_limits[i]", "\n      ELSIF"],
  ["a claim of a phase", "claim_limits[i]", "\n      ELSE\n"],
  ["a claim of a phase with a minimum priority", "claim_limits[i]", "\n      END IF;\n    END LOOP"]
].flatMap(([claim, count, next]) => {
  const order = "ORDER BY priority DESC, created_at, id"
  const limit = ` LIMIT ${count}`
  const lock = " FOR UPDATE SKIP LOCKED"
  const change = (name, replacement) => ({
    name: `${claim} ${name}`,
    find: `${order}${limit}${lock});${next}`,
    replace: `${replacement});${next}`,
    tests: claims
  })
  return [
    change("locks the cards that it finds", order + limit),
    change("skips locked cards", `${order}${limit} FOR UPDATE`),
    change("begins with the greatest priority", `ORDER BY created_at, id${limit}${lock}`),
    change("begins with the oldest of the cards with equal priority", `ORDER BY priority DESC, id${limit}${lock}`),
    change(
      "begins with the least id of the cards with equal priority and age",
      `ORDER BY priority DESC, created_at, id DESC${limit}${lock}`
    )
  ]
})

/** The members of the hashed text, with the expression of each. */
const hashedMembers = [
  ["actor", "to_json(one.actor)"],
  ["card", "to_json(one.card_id)"],
  ["cause", "coalesce(to_json(one.causation_id), 'null')"],
  ["command id", "coalesce(to_json(one.command_id), 'null')"],
  ["correlation", "coalesce(to_json(one.correlation_id), 'null')"],
  ["payload", "data_lines[i]"],
  ["time of occurrence", `to_char(one.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`],
  ["time of recording", ":\"', recorded_text", ":\"', ''"],
  ["schema version", `"schemaVersion":', one.schema_version`, `"schemaVersion":', '0'`],
  ["type", "to_json(one.type)"],
  ["version", `"version":', one.version`, `"version":', '0'`]
].map(([member, expression, replacement = "'0'"]) => ({
  name: `the content hash of an appended event covers its ${member}`,
  find: expression,
  replace: replacement,
  tests: hashes
}))

export const commandFunctionMutations = [
  ...claimQueries,
  {
    name: "a claim by id is not also a claim of the best card",
    file: commandFunctions,
    find: "AND NOT deferred\n        AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n      ORDER",
    replace: "AND NOT deferred\n      ORDER",
    tests: claims
  },
  ...hashedMembers,
  {
    name: "the chain hash of an appended event covers the events before it",
    file: commandFunctions,
    find: "sha256(chain || content_hashes[i])",
    replace: "sha256(content_hashes[i])",
    tests: hashes
  },
  {
    name: "erasable values are stored with their event",
    find: "coalesce(event_data::jsonb || erased_data::jsonb, event_data::jsonb)",
    replace: "event_data::jsonb",
    tests: hashes
  },
  {
    name: "the hashed text contains commitments in the place of erasable values",
    file: eventLines,
    find: "data += separator + canonicalMembers(hashed)",
    replace: "data += separator + canonicalMembers(encoded.data)",
    tests: hashes
  },
  {
    name: "positions are dense",
    find: "SELECT last_position + place, card_id",
    replace: "SELECT last_position + place + 1, card_id",
    tests: hashes
  },
  {
    name: "a row has the position of its card's last event",
    find: "position = last_position - state.place",
    replace: "position = last_position",
    tests: calls
  },
  {
    name: "the row of a created card has the position of the card's last event",
    find: "version, last_position - place, claim_owner",
    replace: "version, last_position, claim_owner",
    tests: calls
  },
  {
    name: "the calls of one transaction record at one time",
    file: appendAndProject,
    find: "continues: index > 0",
    replace: "continues: false",
    tests: runningClock
  },
  {
    name: "a transaction does not record at the time of another one",
    find: "AND age(xmin) <= 0) IS DISTINCT FROM 'in progress'",
    replace: "AND age(xmin) <= 0) = 'none'",
    tests: roles
  },
  {
    name: "the counts of a large batch are written once",
    file: appendAndProject,
    find: "pending.length === 0 ? [] : [() => ({ generation, counted",
    replace: "pending.length >= 0 ? [] : [() => ({ generation, counted",
    tests: calls
  },
  {
    name: "the first call of a batch notifies other processes",
    file: commandFunctions,
    find: "RETURNING pg_notify('mosaic_backlog', (current_schemas(false))[2])::text INTO setting;",
    replace: ";",
    tests: ["test/services/waiting/awaitClaimable.test.ts"]
  },
  {
    name: "the functions of commands have generic plans",
    find: "    EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);\n",
    replace: "",
    tests: plans
  },
  {
    name: "only the owner sets the clock of the backlog",
    find: "ELSIF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN",
    replace: "ELSIF false THEN",
    tests: roles
  },
  {
    name: "only the owner chooses a generation",
    find: "IF at_least > 0 AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN",
    replace: "IF false THEN",
    tests: roles
  },
  {
    name: "an event without the generation that was read is refused",
    find: "RAISE EXCEPTION 'the generation that the transaction has read is missing' USING ERRCODE = 'null_value_not_allowed';",
    replace: "SELECT position, chain_hash, recorded_at INTO last_position, chain, recorded FROM head FOR UPDATE;",
    tests: roles
  },
  {
    name: "the server begins generations for reasons of operators only",
    find: "IF reason NOT IN ('restored', 'imported') THEN",
    replace: "IF false THEN",
    tests: roles
  },
  {
    name: "the functions of commands have a fixed search path",
    find: "SET search_path = pg_catalog, %I, pg_temp', function, current_schema());",
    replace: "SET search_path FROM CURRENT', function);",
    tests: [...roles, schemas]
  },
  {
    name: "temporary tables do not shadow those of the functions",
    find: "SET search_path = pg_catalog, %I, pg_temp', function",
    replace: "SET search_path = pg_catalog, %I', function",
    tests: [...roles, schemas]
  },
  {
    name: "the public may not execute the functions of commands",
    find: "    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);\n",
    replace: "",
    tests: [schemas]
  },
  {
    name: "the public may not use the types of the functions",
    find: "REVOKE ALL ON TYPE event_v1, card_state_v1,",
    replace: "REVOKE ALL ON TYPE card_state_v1,",
    tests: roles
  },
  {
    name: "the writer may execute the functions of commands only",
    file: backlogRoles,
    find: '{ name: "current_time_v1", roles: [] }',
    replace: '{ name: "current_time_v1", roles: ["writer"] }',
    tests: roles
  },
  {
    name: "the auditor may not execute the functions of commands",
    file: backlogRoles,
    find: '{ name: "lock_head_v1", roles: ["writer"] }',
    replace: '{ name: "lock_head_v1", roles: ["writer", "auditor"] }',
    tests: roles
  },
  {
    name: "the writer inserts no events",
    file: backlogRoles,
    find: '{ table: "events", writer: reads',
    replace: '{ table: "events", writer: { SELECT: "all", INSERT: "all" }',
    tests: roles
  },
  {
    name: "functions that work on the tables of another schema are refused",
    file: "src/services/schema/Migrations.ts",
    find: "const isReady = known.length === 0 && !namesRoles && !server.isMisdirected",
    replace: "const isReady = known.length === 0 && !namesRoles",
    tests: [schemas]
  },
  {
    name: "a migration keeps the owner of the functions",
    file: "src/services/schema/Migrations.ts",
    find: "if (server.exists && pending.length > 0) yield* keepOwner(sql, schema)",
    replace: "",
    tests: [schemas]
  },
  {
    name: "a role that may not create functions is refused by name",
    file: "src/services/schema/Migrations.ts",
    find: "const missing = missingPrivilege(server, schema)",
    replace: "const missing = undefined",
    tests: [schemas]
  }
].map((mutation) => ({ file: commandFunctions, startsPrograms: false, ...mutation }))
