/** Completions and claims in one round trip: see docs/decisions/0062-one-round-trip.md. */
const changeCard = "migrations/0018_one_round_trip.sql"
const optimistic = "src/services/commands/optimisticDecisions.ts"
const claims = "src/services/commands/RememberedClaims.ts"
const runBatch = "src/services/postgres/runBatch.ts"
const roundTrips = "src/services/postgres/RoundTrips.ts"

const tests = ["test/services/commands/oneRoundTrip.test.ts"]

export const oneRoundTripMutations = [
  {
    name: "a remembered card has had no event since",
    file: changeCard,
    find: " AND position = card_position FOR UPDATE",
    replace: " FOR UPDATE",
    tests
  },
  {
    name: "a remembered card is locked",
    file: changeCard,
    find: " AND position = card_position FOR UPDATE",
    replace: " AND position = card_position",
    tests
  },
  {
    name: "the completion of a remembered card locks the graph",
    file: changeCard,
    find: "    LOCK TABLE graph_lock IN ROW EXCLUSIVE MODE;\n",
    replace: "",
    tests
  },
  {
    name: "no card depends on a remembered card",
    file: changeCard,
    find: "IF EXISTS (SELECT FROM dependencies WHERE depends_on_id = card) THEN",
    replace: "IF false THEN",
    tests
  },
  {
    name: "a decision that nothing was loaded for is of the generation of the log",
    file: changeCard,
    find: "generation = read_generation AND ",
    replace: "",
    tests
  },
  {
    name: "a decision that nothing was loaded for is of this start of the server",
    file: changeCard,
    find: "server_started = pg_postmaster_start_time() AND server_table",
    replace: "server_table",
    tests
  },
  {
    name: "a decision that nothing was loaded for is of this database",
    file: changeCard,
    find: " AND server_table = head.tableoid",
    replace: "",
    tests
  },
  {
    name: "the time of a decision that nothing was loaded for is not after the server's clock, and not old",
    file: changeCard,
    find: " AND moment BETWEEN decided_at AND decided_before",
    replace: "",
    tests
  },
  {
    name: "a claim that nothing was loaded for begins at the place in the claim order of this position",
    file: changeCard,
    find: " AND claims_from_position = position",
    replace: "",
    tests
  },
  {
    name: "the place in the claim order is checked once in 128 events",
    file: changeCard,
    find: " AND position % 128 < 127",
    replace: "",
    tests
  },
  {
    name: "a claim reclaims expired claims first, also when nothing was loaded for it",
    file: changeCard,
    find: "IF least(from_expiry, from_retry) <= moment THEN",
    replace: "IF from_retry <= moment THEN",
    tests
  },
  {
    name: "a claim sees retry times that have passed, also when nothing was loaded for it",
    file: changeCard,
    find: "IF least(from_expiry, from_retry) <= moment THEN",
    replace: "IF from_expiry <= moment THEN",
    tests
  },
  {
    name: "a decision that nothing was loaded for needs statements that see what was committed",
    file: changeCard,
    find: "IF current_setting('transaction_isolation') <> 'read committed' THEN",
    replace: "IF false THEN",
    tests
  },
  {
    name: "a claim that nothing was loaded for locks the table of cards before the head",
    file: changeCard,
    find: "    LOCK TABLE cards IN ROW EXCLUSIVE MODE;\n",
    replace: "    NULL;\n",
    tests
  },
  {
    name: "a claim that nothing was loaded for counts the attempt",
    file: changeCard,
    find: "state.attempts := card_attempts + 1;",
    replace: "state.attempts := 1;",
    tests
  },
  {
    name: "a claim that nothing was loaded for has a token of the generation",
    file: changeCard,
    find: "state.claim_token := (read_generation + event_version) % 2147483648;",
    replace: "",
    tests
  },
  {
    name: "a command with an id loads its receipt",
    file: optimistic,
    find: " || command.commandId !== undefined) return undefined",
    replace: ") return undefined",
    tests
  },
  {
    name: "a completion with claimNext loads the next card",
    file: optimistic,
    find: 'command._tag === "Complete" && command.claimNext === undefined',
    replace: 'command._tag === "Complete"',
    tests
  },
  {
    name: "a claim by id loads the card",
    file: optimistic,
    find: "  command.id === undefined &&\n",
    replace: "",
    tests
  },
  {
    name: "a claim with a number of attempts loads them",
    file: optimistic,
    find: "  command.maxAttempts === undefined &&\n",
    replace: "",
    tests
  },
  {
    name: "a claim by labels loads them",
    file: optimistic,
    find: "  command.labels === undefined &&\n",
    replace: "",
    tests
  },
  {
    name: "a claim by labels that are missing loads them",
    file: optimistic,
    find: " &&\n  command.withoutLabels === undefined",
    replace: "",
    tests
  },
  {
    name: "cards with dependencies are not remembered",
    file: claims,
    find: "card.dependsOn.length === 0 && ",
    replace: "",
    tests
  },
  {
    name: "claims are remembered",
    file: runBatch,
    find: "            decided.remember?.(position)\n",
    replace: "",
    tests
  },
  {
    name: "a decision that is not right is made again on what is loaded",
    file: runBatch,
    find: "if (result === undefined) return inTwoRoundTrips",
    replace: "if (result === undefined) return Effect.die(new Error())",
    tests
  },
  {
    name: "a statement whose commit failed was not committed",
    file: roundTrips,
    find: "commitEach ? answers.slice(0, syncs) : answers",
    replace: "answers",
    tests: ["test/services/postgres/RoundTrips.test.ts"]
  },
  {
    name: "a statement that is prepared after a failed one is not prepared again",
    file: roundTrips,
    find: "              index = syncs\n",
    replace: "",
    tests: ["test/services/postgres/RoundTrips.test.ts"]
  },
  {
    name: "optimistic decisions are skipped after two wrong ones",
    file: optimistic,
    find: "if (this.#wrong > 1)",
    replace: "if (this.#wrong > 2)",
    tests: ["test/services/commands/optimisticDecisions.test.ts"]
  }
]
