/** Completions of remembered claims: see docs/decisions/0062-remembered-claims.md. */
const lockUnchanged = "migrations/0018_remembered_claims.sql"
const interpreter = "src/services/commands/Interpreter.ts"
const claims = "src/services/commands/RememberedClaims.ts"
const runBatch = "src/services/postgres/runBatch.ts"

const tests = ["test/services/commands/rememberedClaims.test.ts"]

export const rememberedMutations = [
  {
    name: "a remembered card has had no event since",
    file: lockUnchanged,
    find: " AND position = card_position FOR UPDATE",
    replace: " FOR UPDATE",
    tests
  },
  {
    name: "a remembered card is locked",
    file: lockUnchanged,
    find: " AND position = card_position FOR UPDATE",
    replace: " AND position = card_position",
    tests
  },
  {
    name: "the completion of a remembered card locks the graph",
    file: lockUnchanged,
    find: "  LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;\n",
    replace: "",
    tests
  },
  {
    name: "no card depends on a remembered card",
    file: lockUnchanged,
    find: "\n      AND NOT EXISTS (SELECT FROM dependencies WHERE depends_on_id = card)",
    replace: "",
    tests
  },
  {
    name: "a remembered card is of the generation of the log",
    file: lockUnchanged,
    find: "SELECT generation = read_generation AND ",
    replace: "SELECT ",
    tests
  },
  {
    name: "the log was last written on this start of the server when a remembered card is completed",
    file: lockUnchanged,
    find: "server_started = pg_postmaster_start_time() AND server_table",
    replace: "server_table",
    tests
  },
  {
    name: "the log was last written in this database when a remembered card is completed",
    file: lockUnchanged,
    find: " AND server_table = head.tableoid",
    replace: "",
    tests
  },
  {
    name: "the time of a remembered completion is not after the server's clock, and not old",
    file: lockUnchanged,
    find: "BETWEEN decided_at AND decided_at + interval '1 second'",
    replace: "IS NOT NULL",
    tests
  },
  {
    name: "a completion with an id loads its receipt",
    file: interpreter,
    find: "          command.claimNext !== undefined ||\n          command.commandId !== undefined\n",
    replace: "          command.claimNext !== undefined\n",
    tests
  },
  {
    name: "a completion with claimNext loads the next card",
    file: interpreter,
    find: "          command.claimNext !== undefined ||\n",
    replace: "",
    tests
  },
  {
    name: "cards with dependencies are not remembered",
    file: claims,
    find: " && card.dependsOn.length === 0",
    replace: "",
    tests
  },
  {
    name: "claims are remembered",
    file: runBatch,
    find: "decided.remember?.(position)",
    replace: "",
    tests
  },
  {
    name: "a completion whose card has changed runs in two round trips",
    file: runBatch,
    find: "position === 0 ? inTwoRoundTrips : finish",
    replace: "finish",
    tests
  }
]
