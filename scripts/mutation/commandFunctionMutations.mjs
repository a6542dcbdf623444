/** The functions of the database that carry out commands: see docs/decisions/0040-two-functions.md. */
const commandFunctions = "migrations/0011_commands.sql"
const eventLines = "src/events/eventLines.ts"
const appendAndProject = "src/projections/appendAndProject.ts"

const claims = ["test/services/commands/claimFilters.test.ts"]
const hashes = ["test/events/eventLines.test.ts"]
const calls = ["test/services/commands/largeBatches.test.ts"]
const plans = ["test/services/commands/batchPlans.test.ts"]

/** The queries for claims, with the text that follows each. */
const claimQueries = [
  ["a claim", "\n        ELSE\n"],
  ["a claim with a minimum priority", "\n        END IF;\n      ELSIF"],
  ["a claim of a phase", "\n      ELSE\n"],
  ["a claim of a phase with a minimum priority", "\n      END IF;\n    END LOOP"]
].flatMap(([claim, next]) => {
  const order = "ORDER BY priority DESC, created_at, id"
  const limit = " LIMIT claim_limits[i]"
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
  ["time of occurrence", "to_json(one.occurred_at)"],
  ["time of recording", ":\"', recorded_text", ":\"', ''"],
  ["schema version", "one.schema_version"],
  ["type", "to_json(one.type)"],
  ["version", "one.version"]
].map(([member, expression, replacement = "'0'"]) => ({
  name: `the content hash of an appended event covers its ${member}`,
  find: `${expression},`,
  replace: `${replacement},`,
  tests: hashes
}))

export const commandFunctionMutations = [
  ...claimQueries,
  {
    name: "a claim by id is not also a claim of the best card",
    find: "WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred\n              AND (claimed_by_id IS NULL OR id <> ALL(claimed_by_id))\n            ORDER",
    replace: "WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred\n            ORDER",
    tests: claims
  },
  ...hashedMembers,
  {
    name: "the chain hash of an appended event covers the events before it",
    find: "sha256(chain || content)",
    replace: "sha256(content)",
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
    tests: calls
  },
  {
    name: "a transaction does not record at the time of another one",
    find: "IF NOT (continues AND is_mine) THEN",
    replace: "IF NOT continues THEN",
    tests: calls
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
    find: "PERFORM pg_notify('mosaic_backlog', (current_schemas(false))[2]);",
    replace: "",
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
    tests: ["test/proof/leastPrivilege.test.ts"]
  }
].map((mutation) => ({ file: commandFunctions, startsPrograms: false, ...mutation }))
