import { DateTime, Effect, Redacted, Stream } from "effect"
import {
  type AccessTokens,
  type AuditService,
  type BacklogAt,
  type BacklogService,
  type Doctor,
  formatAnchor
} from "../../src/index.ts"
import { makeTokenSecret } from "../../src/services/access/tokenSecret.ts"

/** A read of a service: the position that it shows of the log of `prepareReads`, and a call that returns everything it shows. */
export interface Read<Service> {
  readonly shows: number
  readonly run: (service: Service) => Effect.Effect<unknown, unknown>
}

/**
 * Every method of a service: how to read with it, or that it is not a read. A method that is missing here does not compile. A
 * method that is wrongly called a write is for the review of this file.
 */
type Methods<Service> = Readonly<Record<keyof Service, Read<Service> | "writes" | "no effect">>

const read = <Service>(shows: number, run: Read<Service>["run"]): Read<Service> => ({ shows, run })

/** Runs a read that also emits while it runs. What was emitted has left the service, also when the read fails afterwards. */
const emitsNothingOnFailure = <A, E>(
  run: (emit: (emitted: unknown) => Effect.Effect<void>) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let emitted = 0
    const emit = () =>
      Effect.sync(() => {
        emitted++
      })
    return Effect.tapError(run(emit), () =>
      emitted === 0 ? Effect.void : Effect.die(new Error(`the read emitted ${emitted} times before it failed`))
    )
  })

const collect = <A, E>(stream: Stream.Stream<A, E>): Effect.Effect<void, E> =>
  emitsNothingOnFailure((emit) => Stream.runForEach(stream, emit))

/**
 * A backlog with five events: 1 and 2 create the cards `a` and `b`, 3 claims `a`, 4 redacts `b`, 5 creates `c`. A consumer is at
 * 2 and has parked event 1.
 */
export const prepareReads = Effect.fnUntraced(function* (
  backlog: BacklogService["Service"],
  audit: AuditService["Service"]
) {
  yield* backlog.create({ id: "a", title: "A", actor: "ann" })
  yield* backlog.create({ id: "b", title: "B", body: "a secret", dependsOn: ["a"], actor: "ann" })
  yield* backlog.claim({ id: "a", owner: "w", actor: "w" })
  yield* audit.redact({ id: "b", parts: ["body"], reason: "a leak", actor: "ann" })
  yield* backlog.create({ id: "c", title: "C", actor: "ann" })
  yield* audit.advance("consumer", 0, 2)
  yield* audit.park("consumer", 1, "not understood")
})

export const backlogMethods: Methods<BacklogService["Service"]> = {
  create: "writes",
  createMany: "writes",
  revise: "writes",
  claim: "writes",
  claimMany: "writes",
  renew: "writes",
  release: "writes",
  reclaim: "writes",
  link: "writes",
  unlink: "writes",
  block: "writes",
  unblock: "writes",
  complete: "writes",
  completeMany: "writes",
  reopen: "writes",
  note: "writes",
  notes: read(5, ({ notes }) => notes({ id: "a" })),
  claims: read(5, ({ claims }) => claims()),
  dependents: read(5, ({ dependents }) => dependents({ id: "a" })),
  neighbourhood: read(5, ({ neighbourhood }) => neighbourhood({ id: "a" })),
  impact: read(5, ({ impact }) => impact("a")),
  criticalPath: read(5, ({ criticalPath }) => criticalPath()),
  get: read(3, ({ get }) => get("a")),
  list: read(5, ({ list }) => list({ claimability: "claimable" })),
  stats: read(5, ({ stats }) => stats),
  explain: read(5, ({ explain }) => explain("b")),
  whyNothingClaimable: read(5, ({ whyNothingClaimable }) => whyNothingClaimable()),
  awaitClaimable: read(5, ({ awaitClaimable }) => awaitClaimable({ waitSeconds: 10 })),
  awaitClaimEnd: read(5, ({ awaitClaimEnd }) => awaitClaimEnd({ id: "a", token: 1, waitSeconds: 10 })),
  // Commits a transaction that changes nothing, and returns only whether it committed.
  readiness: "writes"
}

export const auditMethods: Methods<AuditService["Service"]> = {
  history: read(3, ({ history }) => collect(history("a"))),
  cardAt: read(2, ({ cardAt }) => cardAt("a", { position: 2 })),
  explainAt: read(1, ({ explainAt }) => explainAt("a", { version: 1 })),
  backlogAt: read(3, ({ backlogAt }) => backlogAt({ position: 3 })),
  diff: read(4, ({ diff }) => collect(diff({ from: { position: 1 }, to: { position: 4 } }))),
  flow: read(5, ({ flow }) => flow()),
  density: read(5, ({ density }) => density()),
  events: read(5, ({ events }) => collect(events())),
  checkpoints: read(2, ({ checkpoints }) => checkpoints),
  checkpoint: read(2, ({ checkpoint }) => checkpoint("consumer")),
  advance: "writes",
  park: "writes",
  parked: read(1, ({ parked }) => parked()),
  unpark: "writes",
  verify: read(5, ({ verify }) => emitsNothingOnFailure((emit) => verify({ onProgress: emit }))),
  anchor: read(5, ({ anchor }) => Effect.map(anchor(), formatAnchor)),
  // After `verify` and `anchor`, which record what these list.
  verifications: read(5, ({ verifications }) => verifications()),
  anchors: read(5, ({ anchors }) => anchors()),
  rebuild: "writes",
  redact: "writes",
  erasures: read(4, ({ erasures }) => erasures()),
  removeErased: "writes",
  pruneReceipts: "writes",
  exportLog: read(5, ({ exportLog }) => collect(exportLog)),
  restored: "writes",
  importLog: "writes",
  // The last one, because it moves a checkpoint.
  consume: read(5, ({ consume }) => emitsNothingOnFailure((emit) => consume({ consumer: "another", handler: emit })))
}

/** The methods of the result of `backlogAt({ position: 3 })`. */
export const backlogAtMethods: Methods<BacklogAt> = {
  position: "no effect",
  time: "no effect",
  stats: "no effect",
  get: read(3, ({ get }) => get("a")),
  list: read(3, ({ list }) => list()),
  cards: read(3, ({ cards }) => collect(cards())),
  explain: read(3, ({ explain }) => explain("a")),
  dependents: read(3, ({ dependents }) => dependents({ id: "a" })),
  neighbourhood: read(3, ({ neighbourhood }) => neighbourhood({ id: "a" })),
  impact: read(3, ({ impact }) => impact("a")),
  criticalPath: read(3, ({ criticalPath }) => criticalPath())
}

export const doctorMethods: Methods<Doctor["Service"]> = {
  examine: read(5, ({ examine }) => examine),
  readiness: read(0, ({ readiness }) => readiness),
  checkAnchor: read(5, ({ checkAnchor }) =>
    checkAnchor({ position: 0, chainHash: "0".repeat(64), at: DateTime.makeUnsafe(0), signature: null })
  ),
  sessionProblem: read(0, ({ sessionProblem }) => sessionProblem),
  isReplica: read(0, ({ isReplica }) => isReplica),
  connections: read(0, ({ connections }) => connections)
}

const unknownSecret = Redacted.make(makeTokenSecret().text)

export const accessTokenMethods: Methods<AccessTokens["Service"]> = {
  create: "writes",
  revoke: "writes",
  list: read(0, ({ list }) => list),
  authenticate: read(0, ({ authenticate }) => authenticate(unknownSecret)),
  holdersUnder: read(0, ({ holdersUnder }) => holdersUnder("w")),
  isValid: read(0, ({ isValid }) => isValid("unknown")),
  hasAny: read(0, ({ hasAny }) => hasAny)
}
