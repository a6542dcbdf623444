import { accessMutations } from "./accessMutations.mjs"
import { agentMutations } from "./agentMutations.mjs"
import { readGateMutations } from "./readGateMutations.mjs"
import { commandFunctionMutations } from "./commandFunctionMutations.mjs"
import { receiptsMutations } from "./receiptsMutations.mjs"
import { connectionMutations } from "./connectionMutations.mjs"
import { directoryMutations } from "./directoryMutations.mjs"
import { fileMutations } from "./fileMutations.mjs"
import { disclosureMutations } from "./disclosureMutations.mjs"
import { erasureMutations } from "./erasureMutations.mjs"
import { flowMutations } from "./flowMutations.mjs"
import { boardMutations } from "./boardMutations.mjs"
import { keyframeMutations } from "./keyframeMutations.mjs"
import { durabilityMutations } from "./durabilityMutations.mjs"
import { labelMutations } from "./labelMutations.mjs"
import { logMutations } from "./logMutations.mjs"
import { openingMutations } from "./openingMutations.mjs"
import { oneRoundTripMutations } from "./oneRoundTripMutations.mjs"
import { requestMutations } from "./requestMutations.mjs"
import { restoreMutations } from "./restoreMutations.mjs"
import { serverMutations } from "./serverMutations.mjs"
import { templateMutations } from "./templateMutations.mjs"

/*
 * Each mutation replaces a text in a file. Its name is the statement that it makes false; `tests` are the tests that should
 * kill it. The file must contain the text exactly once. `startsPrograms: false` means that the tests start no programs, so
 * the copy is not built.
 */
const commandFunctions = "migrations/0017_fewer_expressions.sql"
const lockPlan = "src/projections/LockPlan.ts"
const rowChanges = "src/projections/rowChanges.ts"
const interpreter = "src/services/commands/Interpreter.ts"
const decideBatch = "src/services/commands/Interpreter.ts"

const conformance = ["test/services/conformance.test.ts"]
const concurrency = ["test/services/commands/concurrency.test.ts"]
const domain = ["test/domain"]

export const mutations = [
  ...commandFunctionMutations,
  ...boardMutations,
  ...keyframeMutations,
  ...labelMutations,
  ...flowMutations,
  // Locks
  {
    name: "the head row of the log is locked",
    file: commandFunctions,
    find: "FROM head ORDER BY position DESC LIMIT 1 FOR UPDATE;\n    IF",
    replace: "FROM head ORDER BY position DESC LIMIT 1;\n    IF",
    tests: concurrency
  },
  {
    name: "the cards that commands name are locked",
    file: commandFunctions,
    find: "ANY(loaded || dependents_of) ORDER BY id FOR UPDATE;",
    replace: "ANY(loaded || dependents_of) ORDER BY id;",
    tests: concurrency
  },
  {
    name: "a card that is claimed by id is locked",
    file: commandFunctions,
    find: "AND status IN ('ready', 'claimed') FOR UPDATE SKIP LOCKED);",
    replace: "AND status IN ('ready', 'claimed'));",
    tests: concurrency
  },
  {
    name: "a claim by id skips a locked card",
    file: commandFunctions,
    find: "AND status IN ('ready', 'claimed') FOR UPDATE SKIP LOCKED);",
    replace: "AND status IN ('ready', 'claimed') FOR UPDATE);",
    tests: concurrency
  },
  {
    name: "expired claims are locked",
    file: commandFunctions,
    find: "claim_expires_at BETWEEN from_expiry AND moment FOR UPDATE SKIP LOCKED);",
    replace: "claim_expires_at BETWEEN from_expiry AND moment);",
    tests: concurrency
  },
  {
    name: "a reclaim skips locked cards",
    file: commandFunctions,
    find: "claim_expires_at BETWEEN from_expiry AND moment FOR UPDATE SKIP LOCKED);",
    replace: "claim_expires_at BETWEEN from_expiry AND moment FOR UPDATE);",
    tests: concurrency
  },
  {
    name: "locked cards whose retry time has passed are skipped",
    file: commandFunctions,
    find: "not_before BETWEEN from_retry AND moment FOR UPDATE SKIP LOCKED))",
    replace: "not_before BETWEEN from_retry AND moment))",
    tests: concurrency
  },
  {
    name: "commands that change edges lock the graph",
    file: lockPlan,
    find: 'newEdges.length > 0 || unlinks ? "exclusive"',
    replace: 'newEdges.length > 0 || unlinks ? "none"',
    tests: concurrency
  },
  {
    name: "commands that complete or reopen lock the graph",
    file: lockPlan,
    find: 'doneChanges.size > 0 ? "shared" : "none"',
    replace: '"none"',
    tests: concurrency
  },
  {
    name: "the dependents of a completed card are locked",
    file: commandFunctions,
    find: "ANY(loaded || dependents_of)",
    replace: "ANY(loaded)",
    tests: concurrency
  },
  {
    name: "the card with the idempotency key is loaded",
    file: commandFunctions,
    find: "\n    IF keys IS NOT NULL THEN\n      loaded",
    replace: "\n    IF false THEN\n      loaded",
    also: [
      { find: "\n      IF keys IS NOT NULL THEN\n        loaded", replace: "\n      IF false THEN\n        loaded" }
    ],
    tests: conformance
  },
  {
    name: "migrations are locked",
    file: "src/services/schema/Migrations.ts",
    find: "yield* sql`LOCK TABLE ${table} IN EXCLUSIVE MODE`\n",
    replace: "",
    tests: conformance
  },
  {
    name: "a directory is locked",
    file: "src/services/pglite/SharedDirectory.ts",
    find: `yield* lockDirectoryOrElse(directory, {
              wait,
              orElse: HolderConnection.open(directory)
            }).pipe(Effect.catchTag("DirectoryLocked", (locked) => Effect.flatMap(explainSharing(locked), Effect.fail)))`,
    replace:
      '{ _tag: "Locked", ownership: { check() {}, checkIfStale() {}, watch() {}, unwatch() {}, isLost: false } as never } as { readonly _tag: "Locked" | "Alternative"; readonly ownership: DirectoryOwnership; readonly value: HolderConnection }',
    tests: ["test/services/pglite/sharedDirectory.test.ts"]
  },
  // Orderings
  {
    name: "cards are locked in the order of their ids",
    file: commandFunctions,
    find: "ANY(loaded || dependents_of) ORDER BY id FOR UPDATE;",
    replace: "ANY(loaded || dependents_of) ORDER BY id DESC FOR UPDATE;",
    tests: concurrency
  },
  {
    name: "claims in a batch are in claim order",
    file: "src/domain/Claimability.ts",
    find: "right.priority - left.priority ||",
    replace: "left.priority - right.priority ||",
    tests: [...domain, ...conformance]
  },
  {
    name: "the claims of a batch come first",
    file: decideBatch,
    find: 'if (command._tag === "Claim") return command.id === undefined ? 1 : 0',
    replace: 'if (command._tag === "Claim") return command.id === undefined ? 4 : 0',
    tests: [...conformance, ...concurrency]
  },
  {
    name: "the clock is read after the locks",
    file: commandFunctions,
    find: "SELECT CASE WHEN override IS NULL THEN date_trunc('milliseconds', clock_timestamp())",
    replace: "SELECT CASE WHEN override IS NULL THEN date_trunc('milliseconds', statement_timestamp())",
    tests: concurrency
  },
  {
    name: "recording times never decrease",
    file: commandFunctions,
    find: "ELSE\n        recorded := greatest(recorded, current_time_v1(override));",
    replace: "ELSE\n        recorded := current_time_v1(override);",
    tests: conformance
  },
  // Rules
  {
    name: "renew and release check the token",
    file: "src/domain/HeldClaim.ts",
    find: "claim === undefined || claim.token !== command.token ?",
    replace: "claim === undefined ?",
    tests: [...domain, ...conformance]
  },
  {
    name: "complete checks the token",
    file: "src/domain/decide.ts",
    find: "if (command.token !== undefined && !forced && claim?.token !== command.token)",
    replace: "if (command.token !== undefined && !forced && claim === undefined)",
    tests: [...domain, ...conformance]
  },
  {
    name: "a claimed card is completed only with its token",
    file: "src/domain/decide.ts",
    find: "if (claim !== undefined && command.token === undefined && !forced)",
    replace: "if (claim === undefined && false)",
    tests: [...domain, ...conformance]
  },
  {
    name: "link refuses cycles",
    file: "src/domain/decide.ts",
    find: "const back = backlog.hasDependents(card.id)",
    replace: "const back = backlog.hasDependents(dependsOn) && backlog.hasDependents(card.id) && false",
    tests: [...domain, ...conformance]
  },
  {
    name: "create refuses cycles",
    file: "src/domain/decide.ts",
    find: "if (cycle !== undefined) return",
    replace: "if (cycle !== undefined && cards.length < 0) return",
    tests: [...domain, ...conformance]
  },
  {
    name: "the graph is loaded for the cycle check",
    file: commandFunctions,
    find: "IF edges_from IS NOT NULL THEN",
    replace: "IF false THEN",
    tests: conformance
  },
  {
    name: "a completion updates the counters of dependents",
    file: rowChanges,
    find: "  if (wasDone !== isDone) {",
    replace: "  if (wasDone && !isDone) {",
    tests: conformance
  },
  {
    name: "a link updates the counter of its card",
    file: rowChanges,
    find: "if (!facts.isDone(dependsOnId)) changes.push(unmetChanged(facts, cardId, isLinked ? 1 : -1))",
    replace: "if (!facts.isDone(dependsOnId) && !isLinked) changes.push(unmetChanged(facts, cardId, -1))",
    tests: conformance
  },
  {
    name: "counters are written",
    file: commandFunctions,
    find: "IF counters IS NOT NULL THEN",
    replace: "IF false THEN",
    tests: conformance
  },
  {
    name: "the card counts are updated",
    file: commandFunctions,
    find: "done = counts.done + change.done\n    WHERE position = last_position - total;",
    replace: "done = counts.done + change.done\n    WHERE false;",
    tests: conformance
  },
  {
    name: "card counts that lag behind the log are not used",
    file: "src/projections/CardCounts.ts",
    find: "FROM ${counts} AS counts JOIN ${currentHead(sql, schema)} AS head USING (position)`",
    replace: "FROM ${counts} AS counts`",
    tests: ["test/services/counts.test.ts"]
  },
  {
    name: "expired claims are reclaimed",
    file: "src/domain/decide.ts",
    find: 'return claim !== undefined && isExpired(card, now) ? [reclaimEvent(card, claim, "expired")] : []',
    replace:
      'return claim !== undefined && isExpired(card, now) && card.attempts < 0 ? [reclaimEvent(card, claim, "expired")] : []',
    tests: [...domain, ...conformance]
  },
  {
    name: "a claim blocks a card that has used up its attempts",
    file: "src/domain/decide.ts",
    find: "  return failed.length < maxAttempts\n    ? undefined",
    replace: "  return failed.length >= 0\n    ? undefined",
    tests: [...domain, ...conformance]
  },
  {
    name: "a release without a retry time loses no attempt",
    file: "src/domain/Attempts.ts",
    find: "return event.notBefore === null ? attempts : fail(",
    replace: "return event.notBefore !== null && event.reason === undefined ? attempts : fail(",
    tests: domain
  },
  {
    name: "a decision that lacks attempts is made again",
    file: interpreter,
    find: "if (lacking.size === 0) return",
    replace: "if (lacking.size === 0 || commands.length > 0) return",
    tests: conformance
  },
  {
    name: "attempts that this batch ends count",
    file: "src/domain/decide.ts",
    find: "(attempts, decided) => addToAttempts(attempts, { event: decided.event, occurredAt: now }),",
    replace: "(attempts) => attempts,",
    tests: domain
  },
  // Retries and receipts
  {
    name: "a batch is retried after a deadlock",
    file: interpreter,
    find: '(failed.error.reason._tag === "DeadlockError" || failed.error.reason._tag === "SerializationError"))',
    replace: 'failed.error.reason._tag === "SerializationError")',
    tests: concurrency
  },
  {
    name: "a batch is retried after a serialization failure",
    file: interpreter,
    find: '(failed.error.reason._tag === "DeadlockError" || failed.error.reason._tag === "SerializationError"))',
    replace: 'failed.error.reason._tag === "DeadlockError")',
    tests: conformance
  },
  {
    name: "a batch is retried after a lost race",
    file: interpreter,
    find: '!mayHaveCommitted && reason._tag === "UniqueViolation"',
    replace: '!mayHaveCommitted && reason._tag === "LockTimeoutError"',
    tests: concurrency
  },
  {
    name: "a batch that may have committed is not run again",
    file: "src/services/postgres/pipelinedTransactions.ts",
    find: "toBatchFailed(error, commitSent && !isRefused)",
    replace: "toBatchFailed(error, false)",
    tests: ["test/proof/proxyFaults.test.ts"]
  },
  {
    name: "a batch is retried when a statement before its COMMIT was refused",
    file: "src/services/postgres/pipelinedTransactions.ts",
    find: "toBatchFailed(error, commitSent && !isRefused)",
    replace: "toBatchFailed(error, commitSent)",
    tests: [...concurrency, ...conformance]
  },
  {
    name: "events that are appended together have the same recording time",
    file: commandFunctions,
    find: "    IF continues THEN\n",
    replace: "    IF false THEN\n",
    tests: ["test/services/pglite/runningClock.test.ts"]
  },
  {
    name: "many commands are sent in two concurrent batches",
    file: "src/services/commands/CommandQueue.ts",
    find: "if (interpreter.maxConcurrentBatches > 1) {",
    replace: "if (interpreter.maxConcurrentBatches > 2) {",
    tests: concurrency
  },
  {
    name: "one connection serves when the second one is refused",
    file: "src/services/postgres/pipelinedTransactions.ts",
    find: "isConnected ? undefined : findOpen()",
    replace: "isConnected ? undefined : undefined",
    tests: ["test/proof/limitFaults.test.ts"]
  },
  {
    name: "the probe for expired claims reads the index in order",
    file: commandFunctions,
    find: "ORDER BY claim_expires_at LIMIT 1)\n    INTO",
    replace: "LIMIT 1)\n    INTO",
    tests: ["test/services/commands/batchPlans.test.ts"]
  },
  {
    name: "the commands of a failed batch run alone",
    file: "src/services/commands/CommandQueue.ts",
    find: "if (batch.length === 1 || failure?.mayHaveCommitted === true",
    replace: "if (batch.length > 0 || failure?.mayHaveCommitted === true",
    tests: [...conformance, ...concurrency]
  },
  {
    name: "a command with an id has a receipt",
    file: commandFunctions,
    find: "IF new_receipts IS NOT NULL THEN",
    replace: "IF false THEN",
    tests: conformance
  },
  {
    name: "receipts are looked up",
    file: commandFunctions,
    find: "IF command_ids IS NOT NULL THEN",
    replace: "IF false THEN",
    tests: conformance
  },
  {
    name: "a repeated id in a batch requires the same command",
    file: decideBatch,
    find: "haveSameContent(sameId.digests, digests)",
    replace: "(haveSameContent(sameId.digests, digests) || true)",
    tests: conformance
  },
  {
    name: "a redaction has a receipt",
    file: "src/services/audit/redactCard.ts",
    find: "receipts: toReceiptLines([receipt])",
    replace: "receipts: []",
    tests: conformance
  },
  // What the database enforces
  {
    name: "commits are durable where the server's setting does not require it",
    file: commandFunctions,
    find: "ELSIF current_setting('synchronous_commit') IN ('off', 'local') THEN",
    replace: "ELSIF current_setting('synchronous_commit') IN ('local') THEN",
    tests: conformance
  },
  {
    name: "the log is append-only",
    file: "migrations/0003_audit.sql",
    find: "CREATE TRIGGER events_append_only\n  BEFORE DELETE OR TRUNCATE OR UPDATE OF",
    replace: "CREATE TRIGGER events_append_only\n  BEFORE UPDATE OF",
    tests: conformance
  },
  {
    name: "an edited migration is refused",
    file: "src/services/schema/Migrations.ts",
    find: "if (file.checksum !== row.checksum) {",
    replace: "if (file.checksum === null) {",
    tests: conformance
  },
  {
    name: "batches run at READ COMMITTED",
    file: "src/services/commands/BatchTransaction.ts",
    find: "export const beginStatement = beginReadCommitted",
    replace: 'export const beginStatement = "BEGIN ISOLATION LEVEL REPEATABLE READ"',
    tests: concurrency
  },
  ...accessMutations,
  ...agentMutations,
  ...disclosureMutations,
  ...receiptsMutations,
  ...erasureMutations,
  ...connectionMutations,
  ...directoryMutations,
  ...durabilityMutations,
  ...oneRoundTripMutations,
  ...fileMutations,
  ...logMutations,
  ...readGateMutations,
  ...openingMutations,
  ...requestMutations,
  ...restoreMutations,
  ...serverMutations,
  ...templateMutations
]
