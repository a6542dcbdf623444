/** Keyframes: see docs/decisions/0056-keyframes.md. */
const tests = ["test/services/audit/keyframes.test.ts"]

export const keyframeMutations = [
  {
    name: "a lock that another process would refuse is not asked for",
    file: "src/projections/KeyframeWriter.ts",
    find: "mode = 'ShareUpdateExclusiveLock' AND granted",
    replace: "false",
    tests
  },
  {
    name: "processes do not take turns at writing keyframes",
    file: "src/services/audit/writeKeyframes.ts",
    find: "return hasWritten || checks >= checksBeforeWriting",
    replace: "return true",
    tests: ["test/services/audit/writeKeyframes.test.ts"]
  },
  {
    name: "writing keyframes leaves the processor to commands",
    file: "src/services/audit/writeKeyframes.ts",
    find: "isBusy ? shareWhileBusy : shareWhileQuiet",
    replace: "shareWhileQuiet",
    tests: ["test/services/audit/writeKeyframes.test.ts"]
  },
  {
    name: "what is kept in memory is used only while the log still has it",
    file: "src/projections/Keyframes.ts",
    find: "row !== undefined && (one.writtenAt",
    replace: "true || (one.writtenAt",
    tests
  },
  {
    name: "a keyframe of another log is not used",
    file: "src/projections/Keyframes.ts",
    find: "ON events.position = frame.position AND events.chain_hash = frame.chain_hash`",
    replace: "ON events.position = frame.position`",
    tests
  },
  {
    name: "verification compares the states in keyframes",
    file: "src/projections/checkKeyframes.ts",
    find: "else if (expected !== sum) report",
    replace: "else if (false) report",
    tests
  },
  {
    name: "a rebuild deletes the keyframes",
    file: "src/projections/rebuild.ts",
    find: "yield* sql`DELETE FROM ${sql(`${schema}.keyframes`)}`",
    replace: "",
    tests
  },
  {
    name: "a card that waits for an id which is created later is not claimable in the past",
    file: "src/projections/CardColumns.ts",
    find: "if (number !== undefined) this.#resolved[number] = ordinal",
    replace: "",
    tests
  }
]
