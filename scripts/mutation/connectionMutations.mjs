/** Silent connections, and commits that wait for a standby: see docs/faults.md. */
const commandFunctions = "migrations/0017_fewer_expressions.sql"
const answerTimeout = "src/sql/AnswerTimeout.ts"
const consume = "src/events/consume.ts"
const sessionWatch = "src/services/postgres/ConnectionMonitor.ts"
const serverClient = "src/services/postgres/PostgresClient.ts"
const pipelined = "src/services/postgres/pipelinedTransactions.ts"
const commandQueue = "src/services/commands/CommandQueue.ts"
const readiness = "src/services/commands/commandReadiness.ts"
const diagnose = "src/services/doctor/diagnose.ts"
const lease = "src/worker/Lease.ts"

const silent = ["test/proof/silentDeath.test.ts"]
const standby = ["test/proof/standby.test.ts"]
const conformance = ["test/services/conformance.test.ts"]

const mutations = [
  // Standbys
  {
    name: "commands of a role with synchronous_commit = off wait for a standby",
    file: commandFunctions,
    find: "setting := set_config('synchronous_commit', 'on', true);",
    replace: "setting := set_config('synchronous_commit', 'local', true);",
    tests: standby
  },
  {
    name: "commands of a role with synchronous_commit = local wait for a standby",
    file: commandFunctions,
    find: "ELSIF current_setting('synchronous_commit') IN ('off', 'local') THEN",
    replace: "ELSIF current_setting('synchronous_commit') IN ('off') THEN",
    tests: conformance
  },
  {
    name: "a warning during COMMIT is a failure",
    file: sessionWatch,
    find: 'if (message.commandTag === "COMMIT" && this.hasWarned) this.unconfirmedCommits++',
    replace: "",
    tests: standby
  },
  {
    name: "a warning after a statement that is its own transaction is a failure",
    file: sessionWatch,
    find: "if (this.hasCompleted) this.unconfirmedCommits++\n          else this.hasWarned = true",
    replace: "this.hasWarned = true",
    tests: standby
  },
  {
    name: "the doctor warns of remote_write when a standby exists",
    file: diagnose,
    find: 'level === "remote_write" &&',
    replace: 'level === "never" &&',
    tests: ["test/services/doctor/diagnose.test.ts"]
  },
  // Silent connections
  {
    name: "a batch whose connection does not respond to BEGIN runs on another one",
    file: pipelined,
    find: "const isDead = isConnected && !hasBegun && (isNoAnswer(error) || isClosedAsReplaced(error))",
    replace: "const isDead = false",
    tests: silent
  },
  {
    name: "a batch whose COMMIT was sent may have been committed",
    file: pipelined,
    find: "toBatchFailed(error, commitSent && !isRefused)",
    replace: "toBatchFailed(error, false)",
    tests: silent
  },
  {
    name: "the server ends transactions whose client has vanished",
    file: commandFunctions,
    find: "CASE WHEN idle_timeout IS NOT NULL AND",
    replace: "CASE WHEN false AND",
    tests: silent
  },
  {
    name: "commands overtake a batch without a response",
    file: commandQueue,
    find: "slowBatches > 0 ? 1 : minSecondBatch",
    replace: "minSecondBatch",
    tests: silent
  },
  {
    name: "a read is sent again on another connection",
    file: answerTimeout,
    find: "() => read\n",
    replace: "(error) => Effect.fail(error) as typeof read\n",
    tests: silent
  },
  {
    name: "no old connection is used after one was found dead",
    file: serverClient,
    find: "if (isNoAnswer(error)) suspectBefore = performance.now()",
    replace: "",
    tests: silent
  },
  {
    name: "a consumer keeps waiting for the checkpoint lock of another one",
    file: consume,
    find: "isLocking && SqlError",
    replace: "!isLocking && SqlError",
    tests: silent
  },
  {
    name: "readiness requires a successful write",
    file: readiness,
    find: "Effect.uninterruptible(interpreter.probe)",
    replace: "Effect.void",
    tests: silent
  },
  {
    name: "the statements of a round trip have one Sync",
    file: "src/services/postgres/RoundTrips.ts",
    find: "    writer.raw(executeMessage)\n",
    replace: "    writer.raw(executeMessage)\n    writer.raw(syncMessage)\n",
    tests: ["test/services/postgres/RoundTrips.test.ts"]
  },
  {
    name: "statements that the server has lost are prepared again",
    file: "src/services/postgres/RoundTrips.ts",
    find: "if (areStatementsLost(error)) this.prepared.clear()",
    replace: "",
    tests: ["test/services/postgres/RoundTrips.test.ts"]
  },
  {
    name: "a batch of which the server refuses a write has not been committed",
    file: "src/services/postgres/runBatch.ts",
    find: "if (answers !== undefined) noteRefusal(progress, error)",
    replace: "",
    tests: ["test/services/commands/concurrency.test.ts", "test/services/conformance.test.ts"]
  },
  {
    name: "a lease is renewed again while a renewal has no response",
    file: lease,
    find: "Math.min(millisLeft, ttlMillis / 6)",
    replace: "millisLeft",
    tests: ["test/worker/faults.test.ts"]
  }
]

export const connectionMutations = mutations
