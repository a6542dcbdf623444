/** Locks that readers cannot take, and receipts: see docs/decisions/0037-receipts-and-locks.md. */
const commandFunctions = "migrations/0017_fewer_expressions.sql"
const receipts = "src/services/commands/Receipts.ts"
const receipt = "src/services/commands/Receipt.ts"
const digests = "src/services/commands/Receipt.ts"
const migration = "migrations/0009_receipts_of_actors.sql"

const attacks = ["test/security/receipts.test.ts"]
const locks = ["test/security/locks.test.ts"]
const roles = ["test/proof/leastPrivilege.test.ts"]

export const receiptsMutations = [
  {
    name: "the graph lock is a table lock",
    file: commandFunctions,
    find: "LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;",
    replace:
      "PERFORM pg_advisory_xact_lock_shared(1835166823, (current_schemas(false))[2]::regnamespace::oid::integer);",
    tests: locks
  },
  {
    name: "the rebuild lock is a table lock",
    file: "src/projections/shadowTables.ts",
    find: 'sql`LOCK TABLE ${sql(`${schema}.rebuild_lock`)} IN ${sql.literal(mode === "exclusive" ? "EXCLUSIVE" : "ROW EXCLUSIVE")} MODE`',
    replace: "sql`SELECT pg_advisory_xact_lock(${0x6d62_7262}::int4, ${schema}::regnamespace::oid::int4)::text`",
    tests: locks
  },
  {
    name: "the migration lock is a table lock",
    file: "src/services/schema/Migrations.ts",
    find: "LOCK TABLE ${table} IN EXCLUSIVE MODE`\n        const pending",
    replace: "SELECT pg_advisory_xact_lock(${0x6d62_6d67}::int4, hashtext(${schema}))::text`\n        const pending",
    tests: locks
  },
  {
    name: "two concurrent starts that create the same schema both succeed",
    file: "src/services/schema/Migrations.ts",
    find: "Effect.retry({ while: isNameTaken, times: maxTries - 1 })",
    replace: "Effect.retry({ while: isNameTaken, times: 0 })",
    tests: ["test/services/conformance.test.ts"]
  },
  {
    name: "the auditor has no privilege on the graph lock table",
    file: "src/services/schema/BacklogRoles.ts",
    find: '{ table: "graph_lock", writer: {}, auditor: {} }',
    replace: '{ table: "graph_lock", writer: {}, auditor: { DELETE: "all" } }',
    tests: [...roles, ...locks]
  },
  {
    name: "the writer has no privilege on the rebuild lock table",
    file: "src/services/schema/BacklogRoles.ts",
    find: '{ table: "rebuild_lock", writer: {}',
    replace: '{ table: "rebuild_lock", writer: { DELETE: "all" }',
    tests: roles
  },
  {
    name: "the MAINTAIN privilege is checked",
    file: "src/services/schema/grantRoles.ts",
    find: "'{MAINTAIN}'",
    replace: "'{}'",
    tests: locks
  },
  {
    name: "receipts are looked up by actor",
    file: digests,
    find: "`${actor}\\u0000${commandId}`",
    replace: "`${actor.slice(0, 0)}\\u0000${commandId}`",
    tests: attacks
  },
  {
    name: "a receipt matches only commands of its kind and shape",
    file: receipt,
    find: "(kind !== command.kind || shape !== command.shape)) return false",
    replace: "kind === undefined) return false",
    tests: attacks
  },
  {
    name: "the texts of a command are compared with its receipt",
    file: receipt,
    find: "whole !== undefined && saltDigest(salt, whole) === digest",
    replace: "whole !== undefined && saltDigest(salt, whole).length === digest.length",
    tests: attacks
  },
  {
    name: "a digest is salted",
    file: digests,
    find: 'Buffer.from(salt + whole, "hex")',
    replace: 'Buffer.from(salt.slice(0, 0) + whole, "hex")',
    tests: attacks
  },
  {
    name: "the shape of a command contains no erasable text",
    file: digests,
    find: "const bare = isText ? true : withoutTexts(member)",
    replace: "const bare = isText ? member : withoutTexts(member)",
    tests: attacks
  },
  {
    name: "the shape of a command depends on which texts it has",
    file: digests,
    find: "member !== null && textFields.has(key)",
    replace: "textFields.has(key)",
    tests: attacks
  },
  {
    name: "a redaction removes the digests of commands on the card",
    file: receipts,
    find: "outcome #>> '{card,id}' = ${id}",
    replace: "outcome #>> '{card,id}' = ${`not ${id}`}",
    tests: attacks
  },
  {
    name: "a redaction removes the digests of creations and revisions",
    file: receipts,
    find: "'$.cards[*] ? (@.id == $id)'",
    replace: "'$.cards[*] ? (@.id == \"no card\")'",
    tests: attacks
  },
  {
    name: "a redaction removes the digests of refused commands",
    file: receipts,
    find: "NOT pg_catalog.jsonb_path_exists(outcome, '$.cards[*]') AND NOT",
    replace: "false AND NOT",
    tests: attacks
  },
  {
    name: "a redaction removes digests",
    file: "src/services/audit/redactCard.ts",
    find: "    yield* forgetDigests(sql, schema, id)\n",
    replace: "",
    tests: attacks
  },
  {
    name: "the digest of an older program is salted",
    file: migration,
    find: "sha256(salt || fingerprint)",
    replace: "fingerprint",
    tests: attacks
  },
  {
    name: "digests of text that was redacted before are not kept",
    file: migration,
    find: "cards IS NULL OR (named <> '[]' AND NOT named ?| cards) AS keeps",
    replace: "true AS keeps",
    tests: attacks
  },
  {
    name: "an older program's receipt without events does not match another actor",
    file: receipts,
    find: "if (own !== undefined || (isSame && row.digest !== null))",
    replace: "if (own !== undefined || row !== undefined)",
    tests: attacks
  },
  {
    name: "an older program cannot append",
    file: migration,
    find: "WHEN (NEW.position > OLD.position AND NEW.guarded_position <> NEW.position)",
    replace: "WHEN (false)",
    tests: attacks
  },
  {
    name: "the planner's statistics contain no digests",
    file: migration,
    find: "ALTER COLUMN salt SET STATISTICS 0,",
    replace: "ALTER COLUMN salt SET STATISTICS 100,",
    tests: attacks
  }
]
