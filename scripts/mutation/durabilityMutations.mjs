/** Early commits and barriers: see docs/decisions/0059-early-commits.md. */
const durability = "src/services/postgres/Durability.ts"
const runBatch = "src/services/postgres/runBatch.ts"
const readGates = "src/services/readGates.ts"
const doctor = "src/services/doctor/Doctor.ts"

const ofDurability = ["test/services/postgres/durability.test.ts"]
const crashes = ["test/proof/serverFaults.test.ts"]

export const durabilityMutations = [
  {
    name: "a command returns after the barrier",
    file: runBatch,
    find: "...(isEarly ? [primaryBarrier] : [])",
    replace: "",
    tests: [...ofDurability, ...crashes]
  },
  {
    name: "batches commit early where others write",
    file: durability,
    find: "paysOff: () => isPermitted && performance.now() < backlog.sharedUntil,",
    replace: "paysOff: () => false,",
    tests: ofDurability
  },
  {
    name: "batches commit early only with the privilege",
    file: durability,
    find: "paysOff: () => isPermitted && performance.now() < backlog.sharedUntil,",
    replace: "paysOff: () => performance.now() < backlog.sharedUntil,",
    tests: ofDurability
  },
  {
    name: "reads wait for barriers",
    file: readGates,
    find: "if (given !== undefined || durability === undefined) return given",
    replace: "return given",
    tests: [...ofDurability, ...crashes]
  },
  {
    name: "a read that comes after a barrier was sent waits for the next one",
    file: durability,
    find: "    waiting = undefined\n    running++\n",
    replace: "    running++\n",
    tests: ofDurability
  },
  {
    name: "concurrent reads share barriers",
    file: durability,
    find: "const maxConcurrentBarriers = 2",
    replace: "const maxConcurrentBarriers = 40",
    tests: ofDurability
  },
  {
    name: "positions of an open transaction do not become durable",
    file: readGates,
    find: "durability.await(isOwn ? 0 : position, epoch)",
    replace: "durability.await(position, epoch)",
    tests: ofDurability
  },
  {
    name: "a process knows that its own events are durable",
    file: durability,
    find: "          backlog.durable = position\n",
    replace: "          noteAppended(position, 0)\n",
    tests: ofDurability
  },
  {
    name: "an answer without events waits for what it has seen",
    file: runBatch,
    find: "  if (position <= durability.reached()) return Effect.void\n",
    replace: "  if (position >= 0) return Effect.void\n",
    tests: ofDurability
  },
  {
    name: "a receipt without events commits synchronously",
    file: runBatch,
    find: "const isEarly = durability?.paysOff() === true && appends",
    replace: "const isEarly = durability?.paysOff() === true",
    tests: ofDurability
  },
  {
    name: "a barrier writes to the log",
    file: durability,
    find: "pg_catalog.pg_logical_emit_message(true, 'mosaic_backlog', '')::text END AS written",
    replace: "NULL::text END AS written",
    tests: ofDurability
  },
  {
    name: "nothing is durable on another server",
    file: durability,
    find: "    server = found\n    for (const backlog of backlogs) backlog.durable = 0\n",
    replace: "    server = found\n",
    tests: ofDurability
  },
  {
    name: "what was read from another server is read again",
    file: durability,
    find: "if (epoch !== since) return Effect.fail(serverReplaced())\n          waiting",
    replace: "waiting",
    tests: ofDurability
  },
  {
    name: "barriers use the pool of the client where the server refuses connections",
    file: durability,
    find: "runOn(isConnected ? pool : (clientPool ?? pool))",
    replace: "runOn(pool)",
    tests: ofDurability
  },
  {
    name: "the doctor does not wait for a standby that does not answer",
    file: doctor,
    find: "Effect.option(Effect.timeout(gate.awaitShowable(position), confirmationTimeout))",
    replace: "Effect.option(gate.awaitShowable(position))",
    tests: ofDurability
  },
  {
    name: "the doctor shows nothing of the log that is not durable",
    file: doctor,
    find: "...(isShown ? counted : nothing)",
    replace: "...counted",
    tests: ofDurability
  }
]
