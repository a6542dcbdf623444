/** Positions beyond the log, unknown event types, and anchors: see docs/auditing.md. */
const readGate = "src/events/ReadGate.ts"
const feed = "src/events/feed.ts"
const consume = "src/events/consume.ts"
const checkpoints = "src/events/Checkpoints.ts"
const auditService = "src/services/AuditService.ts"
const eventTypeFilter = "src/services/audit/EventTypeFilter.ts"
const auditHandlers = "src/http/auditHandlers.ts"
const consumeOver = "src/http/client/eventFeed.ts"
const diagnose = "src/services/doctor/diagnose.ts"
const doctor = "src/services/doctor/Doctor.ts"
const anchorLines = "src/events/Anchor.ts"
const anchorFile = "src/services/audit/AnchorFile.ts"
const keepAnchors = "src/services/keepAnchors.ts"
const serve = "src/cli/commands/serve.ts"
const consumersCommand = "src/cli/commands/consumers.ts"

const positions = ["test/services/audit/positions.test.ts"]
const overHttp = ["test/http/positions.test.ts"]
const onCommandLine = ["test/cli/positions.test.ts"]
const anchors = ["test/services/audit/anchors.test.ts"]
const anchorsOnCommandLine = ["test/cli/anchors.test.ts"]
const lines = ["test/events/parseAnchors.test.ts"]
const findings = ["test/services/doctor/diagnose.test.ts"]

const mutations = [
  // Positions
  {
    name: "log: a position beyond the end is refused",
    file: readGate,
    find: "return position > head.position ?",
    replace: "return position < 0 ?",
    tests: positions
  },
  {
    name: "log: the end of the log is a valid position",
    file: readGate,
    find: "return position > head.position ?",
    replace: "return position >= head.position ?",
    tests: positions
  },
  {
    name: "log: a read without follow checks its position",
    file: feed,
    find: "Effect.map(gate.requireReached(options.after), (head)",
    replace: "Effect.map(gate.end, (head)",
    tests: positions
  },
  {
    name: "log: a follower checks its position at each poll",
    file: feed,
    find: "const { position } = yield* withPromptAnswer(gate.requireReached(after))",
    replace: "const { position } = yield* withPromptAnswer(gate.end)",
    tests: positions
  },
  {
    name: "log: a consumer whose checkpoint is ahead of the log fails with CheckpointAhead",
    file: consume,
    find: "const upTo = Math.min((yield* orCheckpointAhead(after, gate.requireReached(after))).position, end)",
    replace: "const upTo = Math.min((yield* gate.end).position, end)",
    tests: positions
  },
  {
    name: "log: a checkpoint never moves beyond the log",
    file: checkpoints,
    find: " AND ${BigInt(to)}::int8 <= (SELECT position FROM ${head} AS head)",
    replace: "",
    tests: positions
  },
  {
    name: "log: a checkpoint within the log moves forward only",
    file: auditService,
    find: "if (from <= head.position) {",
    replace: "if (from < 0) {",
    tests: positions
  },
  {
    name: "log: a checkpoint beyond the log can be set back",
    file: auditService,
    find: "if (from <= head.position) {",
    replace: "if (from > 0) {",
    tests: positions
  },
  {
    name: "log: no event beyond the end of the log is parked",
    file: auditService,
    find: "          yield* gate.requireReached(parked)\n",
    replace: "",
    tests: positions
  },
  {
    name: "log: a stream over HTTP is refused before it starts",
    file: auditHandlers,
    find: "      if (follow) yield* refuseInvalidStart(options)\n",
    replace: "",
    tests: overHttp
  },
  {
    name: "log: the typed client's consumer fails with CheckpointAhead",
    file: consumeOver,
    find: "position > head ? new CheckpointAhead({ consumer, position, head }) : error",
    replace: "error",
    tests: overHttp
  },
  {
    name: "log: the doctor finds a checkpoint beyond the end",
    file: diagnose,
    find: "ahead > 0 &&",
    replace: "ahead < 0 &&",
    tests: findings
  },
  {
    name: "log: --reset-to does not change a checkpoint within the log",
    file: consumersCommand,
    find: "if (from <= head) {",
    replace: "if (from < 0) {",
    tests: onCommandLine
  },
  // Types
  {
    name: "log: an unknown type must occur in the log",
    file: eventTypeFilter,
    find: "isKnown(name) || (yield* log.read.hasType(name))",
    replace: 'isKnown(name) || name !== ""',
    tests: positions
  },
  {
    name: "log: a type of a newer program can be named",
    file: eventTypeFilter,
    find: "isKnown(name) || (yield* log.read.hasType(name))",
    replace: "isKnown(name)",
    tests: positions
  },
  {
    name: "log: a consumer's type is checked",
    file: auditService,
    find: "type: yield* resolveEventType(log, options.type),",
    replace: 'type: typeof options.type === "object" ? options.type.other : options.type,',
    tests: positions
  },
  {
    name: "log: a follower of an unknown type over HTTP is refused before it starts",
    file: auditHandlers,
    find: 'if (options.after === 0 && typeof options.type !== "object") return',
    replace: "if (options.after === 0) return",
    tests: overHttp
  },
  // Anchors
  {
    name: "log: an anchor is appended only for a log that continues the newest anchor",
    file: keepAnchors,
    find: "if (found !== newest.chainHash) return",
    replace: "if (found === undefined) return",
    tests: anchors
  },
  {
    name: "log: a log shorter than the newest anchor is reported",
    file: keepAnchors,
    find: 'Effect.catchTag("MomentNotReached", ({ reached }) => Effect.succeed(reached))',
    replace: 'Effect.catchTag("MomentNotReached", () => Effect.succeed(newest.chainHash))',
    tests: anchors
  },
  {
    name: "log: the newest anchor is remembered when its file is moved away",
    file: keepAnchors,
    find: "newestAnchor(known === undefined ? anchors : [known, ...anchors])",
    replace: "newestAnchor(anchors)",
    tests: anchors
  },
  {
    name: "log: an unchanged log gets no second anchor",
    file: keepAnchors,
    find: "newest?.position === position && !isEmpty",
    replace: "newest?.position === position && isEmpty",
    tests: anchors
  },
  {
    name: "log: the log is anchored when the scope ends",
    file: keepAnchors,
    find: "      Effect.timeout(Effect.interruptible(attempt), lastAnchorTimeout),",
    replace: "      Effect.void as typeof attempt,",
    tests: anchors
  },
  {
    name: "log: a failed attempt is counted in a metric",
    file: keepAnchors,
    find: "Effect.succeed(!Cause.hasInterruptsOnly(cause))",
    replace: "Effect.succeed(false)",
    tests: anchors
  },
  {
    name: "log: the newest anchor is the one at the highest position",
    file: anchorLines,
    find: "anchor.position >= newest.position",
    replace: "anchor.position >= 0",
    tests: lines
  },
  {
    name: "log: only the last line may be incomplete",
    file: anchorLines,
    find: "if (Result.isFailure(parsed)) return Result.fail({ line: index + 1, problem: parsed.failure.problem })",
    replace: "if (Result.isFailure(parsed)) continue",
    tests: lines
  },
  {
    name: "log: a signed line without its signature is incomplete",
    file: anchorLines,
    find: "signature !== null || before === undefined || before.signature === null",
    replace: "signature !== undefined",
    tests: lines
  },
  {
    name: "log: the remains of a failed write are removed",
    file: anchorFile,
    find: "  await handle.truncate(size - buffer.length + start)\n",
    replace: "",
    tests: anchors
  },
  {
    name: "log: an anchor begins on a new line",
    file: anchorFile,
    find: '.isTruncated) return "\\n"',
    replace: '.isTruncated) return ""',
    tests: anchors
  },
  {
    name: "log: the owner can access a new anchor file whatever the umask",
    file: anchorFile,
    find: "O_RDWR | O_APPEND | O_CREAT | O_EXCL, privateFileMode)",
    replace: "O_RDWR | O_APPEND | O_CREAT | O_EXCL)",
    tests: anchors
  },
  {
    name: "log: an anchor file inside a database's directory is refused",
    file: anchorFile,
    find: "    await refuseDatabase(file)\n",
    replace: "",
    tests: anchors
  },
  {
    name: "log: an anchor file that links into a database's directory is refused",
    file: anchorFile,
    find: "const place = await realpath(file).catch(async () => join(await realpath(dirname(file)), basename(file)))",
    replace: "const place = resolve(file)",
    tests: anchors
  },
  {
    name: "log: a server keeps anchors",
    file: serve,
    find: "          if (anchoring !== undefined) yield* keepAnchors(anchoring)\n",
    replace: "",
    tests: anchorsOnCommandLine
  },
  {
    name: "log: the doctor compares the chain hash",
    file: doctor,
    find: "(position === 0 ? emptyChainHash : hash) === chainHash",
    replace: 'chainHash !== ""',
    tests: anchorsOnCommandLine
  },
  {
    name: "log: the doctor warns of an old anchor",
    file: diagnose,
    find: "ageSeconds > 24 * hour",
    replace: "ageSeconds > 2400 * hour",
    tests: findings
  },
  {
    name: "log: a replica that lags behind is not a truncated log",
    file: diagnose,
    find: "if (isReplica && !isReached) {",
    replace: "if (isReplica && isReached) {",
    tests: findings
  }
]

/** None of these tests starts a program. */
export const logMutations = mutations.map((mutation) => ({ ...mutation, startsPrograms: false }))
