/** Throughput, lead times and cycle times: see docs/decisions/0055-flow.md. */
const window = "src/projections/FlowWindow.ts"
const reader = "src/events/FlowReader.ts"
const flow = ["test/services/flow.test.ts"]

export const flowMutations = [
  {
    name: "flow looks up a first claim that is before the range",
    file: window,
    find: "(claimVersion > 2 && count !== attempts)",
    replace: "(claimVersion > 2 && count > attempts)",
    startsPrograms: false,
    tests: flow
  },
  {
    name: "flow counts a cycle only if the claim is before the completion",
    file: window,
    find: "claimVersion < version ? this.#claimTimes[card] : Number.NaN",
    replace: "this.#claimTimes[card]",
    startsPrograms: false,
    tests: flow
  },
  {
    name: "flow counts a block that ends a claim as a failed attempt",
    file: reader,
    find: "OR type = 'CardBlocked' AND data -> 'endedClaim' ->> 'owner' IS NOT NULL",
    replace: "",
    startsPrograms: false,
    tests: flow
  },
  {
    name: "flow counts only claims whose lease expired as expired",
    file: reader,
    find: "OR type = 'CardReclaimed' AND data ->> 'why' = 'expired')",
    replace: "OR type = 'CardReclaimed')",
    startsPrograms: false,
    tests: flow
  },
  {
    name: "flow looks up cards that were completed and reopened",
    file: "src/projections/readFlow.ts",
    find: "yield* Effect.all(lookUp(window.unknownCards(true)), { concurrency, discard: true })",
    replace: "",
    startsPrograms: false,
    tests: flow
  },
  {
    name: "a range of flow excludes its end",
    file: "src/services/audit/flowRange.ts",
    find: "upTo: yield* positionBefore(to)",
    replace: "upTo: yield* log.read.positionAt(DateTime.toDateUtc(to))",
    startsPrograms: false,
    tests: flow
  }
]
