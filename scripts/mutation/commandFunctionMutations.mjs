/** The functions of the database that carry out commands: see docs/decisions/0040-two-functions.md. */
const commandFunctions = "migrations/0017_fewer_expressions.sql"
/** The functions and types that later migrations have not replaced. */
const otherFunctions = "migrations/0011_commands.sql"
const backlogRoles = "src/services/schema/BacklogRoles.ts"
const eventLines = "src/events/eventLines.ts"
const appendAndProject = "src/projections/appendAndProject.ts"

const claims = ["test/services/commands/claimFilters.test.ts"]
const hashes = ["test/events/eventLines.test.ts"]
const calls = ["test/services/commands/largeBatches.test.ts"]
const runningClock = ["test/services/pglite/runningClock.test.ts"]
const roles = ["test/proof/leastPrivilege.test.ts"]
const schemas = "test/services/schema/functions.test.ts"
const claimsFrom = ["test/services/commands/claimsFrom.test.ts"]
const plans = ["test/services/commands/batchPlans.test.ts"]

/** The queries for claims, with the text before each that no other has. */
const claimQueries = [
  [
    "a claim",
    "AND priority < below AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n        ",
    "priority DESC, ",
    "claim_limit - coalesce(cardinality(taken), 0)"
  ],
  [
    "a claim from a place",
    "FROM cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred\n          AND priority = from_priority AND (created_at, id) >= (from_created, from_id)\n          AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n        ",
    "",
    "claim_limit"
  ],
  [
    "a claim with a minimum priority",
    "AND NOT deferred\n              AND priority < below AND priority >= claim_priorities[i]\n              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n            ",
    "priority DESC, ",
    "claim_limits[i] - coalesce(cardinality(taken), 0)\n           "
  ],
  [
    "a claim of a phase",
    "AND phase = claim_phases[i] AND priority < below AND priority >= claim_priorities[i]\n              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n            ",
    "priority DESC, ",
    "claim_limits[i] - coalesce(cardinality(taken), 0)\n           "
  ]
].flatMap(([claim, before, priority, count]) => {
  const lock = "FOR UPDATE SKIP LOCKED"
  const change = (name, order, suffix = lock) => ({
    name: `${claim} ${name}`,
    find: `${before}ORDER BY ${priority}created_at, id LIMIT ${count} ${lock}`,
    replace: `${before}ORDER BY ${order} LIMIT ${count} ${suffix}`,
    tests: claim === "a claim from a place" ? [...claims, ...claimsFrom] : claims
  })
  const order = `${priority}created_at, id`
  return [
    change("locks the cards that it finds", order, ""),
    change("skips locked cards", order, "FOR UPDATE"),
    ...(priority === "" ? [] : [change("begins with the greatest priority", "created_at, id")]),
    change("begins with the oldest of the cards with equal priority", `${priority}id`),
    change("begins with the least id of the cards with equal priority and age", `${priority}created_at, id DESC`)
  ]
})

/** The members of the hashed text, with the expression of each. */
const hashedMembers = ["one.", ""].flatMap((of) => {
  const data = of === "" ? "event_data" : "data"
  return [
    ["actor", `to_json(${of}actor)`],
    ["card", `to_json(${of}card_id)`],
    ["cause", `coalesce(to_json(${of}causation_id), 'null')`],
    ["command id", `coalesce(to_json(${of}command_id), 'null')`],
    ["correlation", `coalesce(to_json(${of}correlation_id), 'null')`],
    ["payload", `,"data":', ${data},`, `,"data":', '0',`],
    ["time of occurrence", `to_char(${of}occurred_at AT TIME ZONE`, "to_char(timestamptz '2020-01-01Z' AT TIME ZONE"],
    ["schema version", `"schemaVersion":', ${of}schema_version`, `"schemaVersion":', '0'`],
    ["type", `to_json(${of}type)`],
    ["version", `"version":', ${of}version`, `"version":', '0'`]
  ].map(([member, expression, replacement = "'0'"]) => ({
    name: `the content hash of ${of === "" ? "appended events" : "one appended event"} covers the ${member}`,
    find: expression,
    replace: replacement,
    tests: hashes
  }))
})

export const commandFunctionMutations = [
  ...claimQueries,
  {
    name: "a claim by id is not also a claim of the best card",
    file: commandFunctions,
    find: "AND priority < below AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n",
    replace: "AND priority < below\n",
    tests: claims
  },
  ...hashedMembers,
  {
    name: "a place in the claim order that another writer left behind counts for nothing",
    find: "IF from_position IS DISTINCT FROM last_position - total OR",
    replace: "IF",
    tests: claimsFrom
  },
  {
    name: "claims begin at the beginning while the place is not known",
    find: "CASE WHEN claims_from_position = position THEN claims_from_priority END",
    replace: "claims_from_priority",
    tests: claimsFrom
  },
  {
    name: "a card that becomes claimable moves the place back",
    file: appendAndProject,
    find: "if (firstClaimable !== undefined) madeClaimable.push(firstClaimable.id)",
    replace: "",
    tests: claimsFrom
  },
  {
    name: "a dependent that a completion frees moves the place back",
    file: appendAndProject,
    find: "if (summary !== undefined && isClaimable(summary, unmetDependencies, now)) madeClaimable.push(id)",
    replace: "",
    tests: claimsFrom
  },
  {
    name: "a retry time that has passed moves the place back",
    find: "        AND (due_priority > claims_from_priority\n",
    replace: "        AND (false\n",
    tests: claimsFrom
  },
  {
    name: "the place is moved behind ended claims",
    find: "OR last_position / 128 <> (last_position - total) / 128 THEN",
    replace: "THEN",
    tests: claimsFrom
  },
  {
    name: "a rebuild forgets the place",
    file: "src/projections/rebuild.ts",
    find: "      yield* resetClaimsFrom(sql, schema)\n",
    replace: "",
    tests: claimsFrom
  },
  {
    name: "the head is found by its position",
    find: "FROM head ORDER BY position DESC LIMIT 1 FOR UPDATE;\n    IF",
    replace: "FROM head FOR UPDATE;\n    IF",
    tests: claimsFrom
  },
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
    find: "data: canonicalMembers(hashed)",
    replace: "data: canonicalMembers(data)",
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
    find: "position = last_position - state.place, claim_owner = state.claim_owner,\n        claim",
    replace: "position = last_position, claim_owner = state.claim_owner,\n        claim",
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
    find: "RETURNING CASE WHEN total > 0 THEN pg_notify('mosaic_backlog', (current_schemas(false))[2])::text END INTO setting;",
    replace: ";",
    tests: ["test/services/waiting/awaitClaimable.test.ts"]
  },
  {
    name: "the only event of a call notifies other processes",
    find: "    setting := pg_notify('mosaic_backlog', (current_schemas(false))[2])::text;\n",
    replace: "",
    tests: ["test/services/waiting/awaitClaimable.test.ts"]
  },
  {
    name: "the dependencies of a completed card are loaded",
    find: "AND (have_dependencies OR dependents_of",
    replace: "AND (dependents_of",
    tests: ["test/services/conformance.test.ts"]
  },
  {
    name: "the dependents of a completed card are loaded",
    find: "have_dependencies OR dependents_of IS DISTINCT FROM '{}'",
    replace: "have_dependencies",
    tests: ["test/services/conformance.test.ts"]
  },
  {
    name: "the dependents of a created card are loaded",
    find: "OR has_dependents IS DISTINCT FROM done_changes)",
    replace: ")",
    tests: ["test/services/conformance.test.ts"]
  },
  {
    name: "claims that have expired and retry times that have passed are looked for",
    find: "IF reclaims AND least(from_expiry, from_retry) <= moment THEN",
    replace: "IF false THEN",
    tests: ["test/services/conformance.test.ts"]
  },
  {
    name: "loaded times do not depend on the time zone of the session",
    find: "ALTER FUNCTION lock_and_load_v4 SET timezone = 'UTC'",
    replace: "SELECT 1",
    tests: ["test/services/postgres/sessionSettings.test.ts"]
  },
  {
    name: "only a program that waits for the flush commits early",
    find: "IF commits_early THEN",
    replace: "IF true THEN",
    tests: ["test/services/postgres/sessionSettings.test.ts"]
  },
  {
    name: "the functions of commands have generic plans",
    find: "    EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', function);\n",
    replace: "",
    tests: plans
  },
  {
    name: "only the owner sets the clock of the backlog",
    file: otherFunctions,
    find: "ELSIF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN",
    replace: "ELSIF false THEN",
    tests: roles
  },
  {
    name: "only the owner chooses a generation",
    file: otherFunctions,
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
    file: otherFunctions,
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
    file: otherFunctions,
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
  },
  {
    name: "a kept plan reads the receipts of a batch by their key",
    file: commandFunctions,
    find: "CROSS JOIN LATERAL (\n        SELECT * FROM receipts WHERE command_id = id AND actor = by_actor OFFSET 0) AS receipt;",
    replace: "JOIN receipts AS receipt ON command_id = id AND actor = by_actor;",
    tests: ["test/services/commands/keptPlans.test.ts"]
  },
  {
    name: "a session plans again when a table has grown",
    file: commandFunctions,
    find: "EXECUTE 'DISCARD PLANS';",
    replace: "NULL;",
    tests: ["test/services/commands/keptPlans.test.ts"]
  }
].map((mutation) => ({ file: commandFunctions, startsPrograms: false, ...mutation }))
