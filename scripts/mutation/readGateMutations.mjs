/** The read gate: see docs/decisions/0043-one-read-gate.md. */
const gate = "src/events/ReadGate.ts"
const backlogService = "src/services/BacklogService.ts"
const auditService = "src/services/AuditService.ts"
const readQueries = "src/projections/readQueries.ts"
const listQueries = "src/projections/listQueries.ts"
const claimOutlookQueries = "src/projections/claimOutlookQueries.ts"
const doctor = "src/services/doctor/Doctor.ts"

const reads = ["test/services/readGate.test.ts"]
const architecture = ["test/architecture.test.ts"]
const overHttp = ["test/http/readGate.test.ts"]
const underLoad = ["test/services/audit/auditUnderLoad.test.ts"]

export const readGateMutations = [
  {
    name: "a read waits until its position may be shown",
    file: gate,
    find: "Effect.succeed(value) : Effect.as(barrier.await(position, epoch), value)",
    replace: "Effect.succeed(value) : Effect.succeed(value)",
    tests: reads
  },
  {
    name: "get passes the gate",
    file: backlogService,
    find: 'get: gate.read("BacklogService.get", (id: string) => Effect.flatMap(decodeId(id), readModel.get)),',
    replace: "get: (id) => Effect.map(Effect.flatMap(decodeId(id), readModel.get), ({ value }) => value),",
    tests: reads
  },
  {
    name: "the source check finds a read around the gate",
    file: backlogService,
    find: 'get: gate.read("BacklogService.get", (id: string) => Effect.flatMap(decodeId(id), readModel.get)),',
    replace: "get: (id) => Effect.map(Effect.flatMap(decodeId(id), readModel.get), ({ value }) => value),",
    tests: architecture
  },
  {
    name: "history waits for each position",
    file: auditService,
    find: "gate.showEach(log.history(id))",
    replace: "log.history(id)",
    tests: reads
  },
  {
    name: "the end of the log waits",
    file: gate,
    find: 'Effect.tap(log.head("read"), ({ position }) => awaitShowable(position, epoch))',
    replace: 'log.head("read")',
    tests: reads
  },
  {
    name: "a read with a position waits, and so does its error",
    file: gate,
    find: "        yield* awaitShowable(head.position, epoch)\n",
    replace: "",
    tests: reads
  },
  {
    name: "a card shows the position of its last event",
    file: readQueries,
    find: "SELECT ${columns}, position::float8 AS shown FROM",
    replace: "SELECT ${columns}, 0::float8 AS shown FROM",
    tests: reads
  },
  {
    name: "a list shows the end of the log",
    file: listQueries,
    find: "SELECT ${columns}, ${end} AS shown\n        FROM ${from}",
    replace: "SELECT ${columns}, 0::float8 AS shown\n        FROM ${from}",
    tests: reads
  },
  {
    name: "an empty list shows the end of the log",
    file: listQueries,
    find: "if (position === undefined) return readEnd",
    replace: "if (position === undefined) return Effect.succeed(outsideLog<ReadonlyArray<Card>>([]))",
    tests: reads
  },
  {
    name: "the counts show the end of the log",
    file: readQueries,
    find: "SELECT ${end} AS shown, ready,",
    replace: "SELECT 0::float8 AS shown, ready,",
    tests: reads
  },
  {
    name: "that a card is claimable shows the end of the log",
    file: claimOutlookQueries,
    find: "SELECT ${end} AS shown, (CASE",
    replace: "SELECT 0::float8 AS shown, (CASE",
    tests: reads
  },
  {
    name: "a verification waits before it reports its progress",
    file: "src/projections/verify.ts",
    find: "  yield* gate.awaitShowable(end)\n",
    replace: "",
    tests: reads
  },
  {
    name: "a past card shows its moment",
    file: auditService,
    find: "return { value: Option.map(found, ({ card }) => card), position }",
    replace: "return outsideLog(Option.map(found, ({ card }) => card))",
    tests: reads
  },
  {
    name: "checkpoints show the greatest of their positions",
    file: auditService,
    find: "Math.max(last, position), 0)",
    replace: "Math.min(last, position), 0)",
    tests: reads
  },
  {
    name: "the facts of the doctor show the end of the log",
    file: doctor,
    find: "position: facts.head ?? 0",
    replace: "position: 0",
    tests: reads
  },
  {
    name: "a snapshot does not change while it is read",
    file: gate,
    find: '"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"',
    replace: '"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"',
    tests: underLoad
  },
  {
    name: "reads are counted by name and outcome",
    file: "src/events/readMetrics.ts",
    find: "            count(exit)\n",
    replace: "",
    tests: overHttp
  }
].map((mutation) => ({ ...mutation, name: `gate: ${mutation.name}`, startsPrograms: false }))
