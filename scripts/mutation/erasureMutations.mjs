/** Removal of erased bytes from the data files: see docs/decisions/0038-removal-of-erased-bytes.md. */
const rewriteTables = "src/projections/rewriteTables.ts"
const swapTables = "src/projections/swapTables.ts"
const shadowTables = "src/projections/shadowTables.ts"
const erasures = "src/services/audit/Erasures.ts"
const redactCard = "src/services/audit/redactCard.ts"
const erasableColumns = "src/projections/erasableColumns.ts"

const bytes = ["test/security/erasedBytes.test.ts"]
const removal = ["test/security/removal.test.ts"]
const commands = ["test/security/removalCommands.test.ts"]

const mutations = [
  {
    name: "a table with erasable text is rewritten",
    file: rewriteTables,
    find: "for (const table of erasableTables) yield* rewrite(table)",
    replace: 'for (const table of erasableTables) if (table !== "cards") yield* rewrite(table)',
    tests: bytes,
    startsPrograms: false
  },
  {
    name: "parked reasons are classified as erasable",
    file: erasableColumns,
    find: 'parked_events: { ...kept("consumer position parked_at"), ...erasable("reason") }',
    replace: 'parked_events: kept("consumer position parked_at reason")',
    tests: bytes,
    startsPrograms: false
  },
  {
    name: "a redaction erases the reasons of parked events",
    file: redactCard,
    find: "SET reason = ${redactedText} WHERE reason <> ${redactedText} AND position IN (",
    replace: "SET reason = ${redactedText} WHERE false AND reason <> ${redactedText} AND position IN (",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a redaction is added to the pending removals",
    file: redactCard,
    find: "yield* erasures.record(position, id)",
    replace: "yield* Effect.void",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "an embedded write-ahead log is recycled",
    file: erasures,
    find: "if (isEmbedded && !(yield* withoutAnswerTimeout(recycleWal(sql)))) {",
    replace: "if (isEmbedded && schema === '') {",
    tests: bytes,
    startsPrograms: false
  },
  {
    name: "old files of the write-ahead log are removed, not renamed",
    file: erasures,
    find: "yield* sql`SELECT set_config('wal_recycle', 'off', true)`",
    replace: "yield* Effect.void",
    tests: bytes,
    startsPrograms: false
  },
  {
    name: "the write-ahead log passes through its preallocated files",
    file: erasures,
    find: "isPast = ahead?.files === 0",
    replace: "isPast = ahead !== undefined",
    tests: bytes,
    startsPrograms: false
  },
  {
    name: "changed rows are recorded while a table is copied",
    file: rewriteTables,
    find: "FOR EACH ROW EXECUTE FUNCTION ${capturing}()`",
    replace: "FOR EACH ROW WHEN (false) EXECUTE FUNCTION ${capturing}()`",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "removed rows are recorded while a table is copied",
    file: rewriteTables,
    find: "AFTER INSERT OR UPDATE OR DELETE ON ${live}",
    replace: "AFTER INSERT OR UPDATE ON ${live}",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "the swap copies the last changes",
    file: rewriteTables,
    find: "for (let count = yield* catchUp; count > 0; count = yield* catchUp) {",
    replace: "for (let count = 0; count > 0; count = yield* catchUp) {",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a removal refuses what a copy would lose",
    file: rewriteTables,
    find: "if (all.length > 0) {",
    replace: "if (all.length < 0) {",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "the swap recreates the triggers of the live table",
    file: swapTables,
    find: "yield* run(triggers)",
    replace: "yield* Effect.void",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "the swap keeps statistics targets",
    file: swapTables,
    find: "AND coalesce(old.attstattarget, -1) <> coalesce(made.attstattarget, -1)",
    replace: "AND coalesce(old.attstattarget, -1) < -1",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a redaction during a removal stays pending",
    file: erasures,
    find: "WHERE position = ANY(${arrayLiteral(covered)}::int8[]) AND removed_at IS NULL`",
    replace: "WHERE (true OR position = ANY(${arrayLiteral(covered)}::int8[])) AND removed_at IS NULL`",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a removal does not replace a rebuild",
    file: shadowTables,
    find: 'if (options.kind === "removal" && other?.isAlive === true)',
    replace: "if (options.kind === undefined && other?.isAlive === true)",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "only the owner of the tables rewrites them",
    file: erasures,
    find: "if (problem !== undefined) return yield* new RemovalPending({ schema, problem })",
    replace: "if (problem === null) return yield* new RemovalPending({ schema, problem })",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "the reason of a failed removal is stored",
    file: erasures,
    find: "Effect.ignore(recordProblem(error._tag",
    replace: "Effect.succeed((error._tag",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a redaction in this process starts a removal",
    file: redactCard,
    find: "yield* sql.afterCommit(erasures.requestRemoval)",
    replace: "yield* Effect.void",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a redaction erases the reasons of all parked events of the card",
    file: redactCard,
    find: "WHERE card_id = ${id})`",
    replace: "WHERE card_id = ${id} AND type = 'CardCreated')`",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "a removal in another process is not a failure",
    file: erasures,
    find: "isUnderWay(error)\n                ? Effect.void",
    replace: "false\n                ? Effect.void",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "tables and indexes stay in their tablespaces",
    file: "src/projections/tableSettings.ts",
    find: "JOIN pg_tablespace ON pg_tablespace.oid = reltablespace`\n  yield* run(sql, statements)",
    replace: "JOIN pg_tablespace ON pg_tablespace.oid = reltablespace`\n  void statements",
    tests: removal,
    startsPrograms: false
  },
  {
    name: "the temporary schema belongs to the owner of the backlog",
    file: shadowTables,
    find: "${sql(shadow)} AUTHORIZATION ${liveOwner}",
    replace: "${sql(shadow)} AUTHORIZATION CURRENT_USER",
    tests: commands,
    startsPrograms: false
  },
  {
    name: "a reason that is stored after the redaction of its event is erased",
    file: "src/events/Checkpoints.ts",
    find: "AND redaction.version > parked.version",
    replace: "AND redaction.version < parked.version",
    tests: ["test/security/removal.test.ts"],
    startsPrograms: false
  },
  {
    name: "table settings that a copy would lose are refused",
    file: "src/projections/rewriteTables.ts",
    find: "[...added, ...published, ...altered]",
    replace: "[...added, ...published]",
    tests: ["test/security/removal.test.ts"],
    startsPrograms: false
  },
  {
    name: "a failed removal drops its copies",
    file: shadowTables,
    find: "Effect.andThen(sql`UPDATE ${workTable} SET touched_at = '-infinity'`, dropCopies(sql, shadow))",
    replace: "sql`UPDATE ${workTable} SET touched_at = '-infinity'`",
    tests: ["test/security/removal.test.ts"],
    startsPrograms: false
  },
  {
    name: "a redaction drops the copies of a killed process",
    file: "src/services/audit/redactCard.ts",
    find: "    yield* dropAbandonedCopies(sql, schema)\n",
    replace: "",
    also: [
      {
        find: "import { deleteShadowRow, dropAbandonedCopies, lockShadowSchema }",
        replace: "import { deleteShadowRow, lockShadowSchema }"
      }
    ],
    tests: ["test/security/removal.test.ts"],
    startsPrograms: false
  },
  {
    name: "the copies of a running removal are not dropped",
    file: shadowTables,
    find: "if (work === undefined || work.isAlive) return\n  yield* sql`UPDATE",
    replace: "if (work === undefined) return\n  yield* sql`UPDATE",
    tests: ["test/security/removal.test.ts"],
    startsPrograms: false
  },
  {
    name: "work that a redaction has ended drops its tables",
    file: shadowTables,
    find: "work?.nonce === nonce || work?.nonce === abandonedNonce",
    replace: "work?.nonce === nonce",
    tests: ["test/services/audit/rebuild.test.ts"],
    startsPrograms: false
  }
]

export const erasureMutations = mutations
