/** What keeps readers from stopping writers, and receipts from answering other actors and guesses. */
const lockStatements = "src/projections/lockStatements.ts"
const receipts = "src/services/commands/Receipts.ts"
const receipt = "src/services/commands/Receipt.ts"
const digests = "src/services/commands/Receipt.ts"
const migration = "migrations/0009_receipts_of_actors.sql"

const attacks = ["test/security/receipts.test.ts"]
const locks = ["test/security/locks.test.ts"]
const roles = ["test/proof/leastPrivilege.test.ts"]

export const receiptsMutations = [
  {
    name: "that the graph is locked by a table",
    file: lockStatements,
    find: "shared: prepareStatement<object>(sql, () => sql`LOCK TABLE ${graphTable} IN ROW EXCLUSIVE MODE`)({})",
    replace:
      "shared: prepareStatement<object>(sql, () => sql`SELECT pg_advisory_xact_lock_shared(${0x6d62_6c67}::int4, ${schema}::regnamespace::oid::int4)::text`)({})",
    tests: locks
  },
  {
    name: "that a rebuild is locked by a table",
    file: "src/projections/shadowTables.ts",
    find: 'sql`LOCK TABLE ${sql(`${schema}.rebuild_lock`)} IN ${sql.literal(mode === "exclusive" ? "EXCLUSIVE" : "ROW EXCLUSIVE")} MODE`',
    replace: "sql`SELECT pg_advisory_xact_lock(${0x6d62_7262}::int4, ${schema}::regnamespace::oid::int4)::text`",
    tests: locks
  },
  {
    name: "that migrations are locked by a table",
    file: "src/services/schema/Migrations.ts",
    find: "LOCK TABLE ${table} IN EXCLUSIVE MODE`\n        const pending",
    replace: "SELECT pg_advisory_xact_lock(${0x6d62_6d67}::int4, hashtext(${schema}))::text`\n        const pending",
    tests: locks
  },
  {
    name: "that two starts that create the same schema both succeed",
    file: "src/services/schema/Migrations.ts",
    find: "Effect.retry({ while: isNameTaken, times: maxTries - 1 })",
    replace: "Effect.retry({ while: isNameTaken, times: 0 })",
    tests: ["test/services/conformance.test.ts"]
  },
  {
    name: "that the auditor gets nothing on the graph's table",
    file: "src/services/schema/BacklogRoles.ts",
    find: '{ table: "graph_lock", writer: { DELETE: "all" }, auditor: {} }',
    replace: '{ table: "graph_lock", writer: { DELETE: "all" }, auditor: { DELETE: "all" } }',
    tests: [...roles, ...locks]
  },
  {
    name: "that the writer gets nothing on the rebuild's table",
    file: "src/services/schema/BacklogRoles.ts",
    find: '{ table: "rebuild_lock", writer: {}',
    replace: '{ table: "rebuild_lock", writer: { DELETE: "all" }',
    tests: roles
  },
  {
    name: "that MAINTAIN is among the privileges that are checked",
    file: "src/services/schema/grantRoles.ts",
    find: "'{MAINTAIN}'",
    replace: "'{}'",
    tests: locks
  },
  {
    name: "that receipts are looked up by actor",
    file: digests,
    find: "`${actor}\\u0000${commandId}`",
    replace: "`${actor.slice(0, 0)}\\u0000${commandId}`",
    tests: attacks
  },
  {
    name: "that a receipt is for its own kind and shape of command",
    file: receipt,
    find: "(kind !== command.kind || shape !== command.shape)) return false",
    replace: "kind === undefined) return false",
    tests: attacks
  },
  {
    name: "the comparison of a command's texts",
    file: receipt,
    find: "whole !== undefined && salted(salt, whole) === digest",
    replace: "whole !== undefined && salted(salt, whole).length === digest.length",
    tests: attacks
  },
  {
    name: "the salt of a digest",
    file: digests,
    find: 'Buffer.from(salt + whole, "hex")',
    replace: 'Buffer.from(salt.slice(0, 0) + whole, "hex")',
    tests: attacks
  },
  {
    name: "that the shape has no erasable text",
    file: digests,
    find: "const bare = isText ? true : withoutTexts(member)",
    replace: "const bare = isText ? member : withoutTexts(member)",
    tests: attacks
  },
  {
    name: "that the shape says which texts there are",
    file: digests,
    find: "member !== null && erasableFields.has(key)",
    replace: "erasableFields.has(key)",
    tests: attacks
  },
  {
    name: "that a redaction removes the digests of commands on the card",
    file: receipts,
    find: "outcome #>> '{card,id}' = ${id}",
    replace: "outcome #>> '{card,id}' = ${`not ${id}`}",
    tests: attacks
  },
  {
    name: "that a redaction removes the digests of creations and revisions",
    file: receipts,
    find: "'$.cards[*] ? (@.id == $id)'",
    replace: "'$.cards[*] ? (@.id == \"no card\")'",
    tests: attacks
  },
  {
    name: "that a redaction removes the digests of refused commands",
    file: receipts,
    find: "NOT pg_catalog.jsonb_path_exists(outcome, '$.cards[*]') AND NOT",
    replace: "false AND NOT",
    tests: attacks
  },
  {
    name: "that a redaction removes digests",
    file: "src/services/audit/redactCard.ts",
    find: "    yield* forgetDigests(sql, schema, id)\n",
    replace: "",
    tests: attacks
  },
  {
    name: "the salt of an older program's digest",
    file: migration,
    find: "sha256(salt || fingerprint)",
    replace: "fingerprint",
    tests: attacks
  },
  {
    name: "that digests of what was redacted before are not kept",
    file: migration,
    find: "cards IS NULL OR (named <> '[]' AND NOT named ?| cards) AS keeps",
    replace: "true AS keeps",
    tests: attacks
  },
  {
    name: "that an older program's receipt without events is not another actor's",
    file: receipts,
    find: "if (own !== undefined || (isSame && row.digest !== null))",
    replace: "if (own !== undefined || row !== undefined)",
    tests: attacks
  },
  {
    name: "that an older program appends nothing",
    file: migration,
    find: "WHEN (NEW.position > OLD.position AND NEW.guarded_position <> NEW.position)",
    replace: "WHEN (false)",
    tests: attacks
  },
  {
    name: "that the planner keeps no samples of digests",
    file: migration,
    find: "ALTER COLUMN salt SET STATISTICS 0,",
    replace: "ALTER COLUMN salt SET STATISTICS 100,",
    tests: attacks
  }
]
