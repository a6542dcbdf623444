import { Arbitrary, DateTime, Schema } from "effect"
import type { IdentifiedCommand } from "../../src/domain/Command.ts"
import type { BacklogView } from "../../src/domain/Decision.ts"
import { at, backlogAfter, command, created, id, type MemoryBacklog, type Order } from "./support.ts"

/*
 * Commands for property tests. They use so few cards, workers and keys that they conflict often. Tokens are relative to the
 * current one, because a random number would never match it.
 */

/** All ids of the tests, sorted. */
export const allIds = ["a", "b", "c", "d", "e", "ﬀ", "𝒜"].map(id)

const Id = Schema.Literals(["a", "b", "c", "d", "e", "ﬀ", "𝒜"])
const Worker = Schema.Literals(["w1", "w2", "w3"])
const Token = Schema.Literals(["current", "current", "current", "stale", "future"])
const Reason = Schema.NullOr(Schema.Literals(["legal", "spam"]))
const Value = Schema.NullOr(Schema.Literals([1, "text"]))
const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(schema)

const Label = Schema.Literals(["l1", "l2", "l3"])
const SomeLabels = Schema.Array(Label).check(Schema.isMaxLength(3))
/** Names of labels, of which two together are too many for one card. */
const ManyLabels = Schema.Literals(["few", "few", "twenty", "other twenty"])
const NotBefore = Schema.Literals(["soon", "later"])

const card = {
  id: Id,
  labels: maybe(SomeLabels),
  title: Schema.Literals(["T", "U"]),
  priority: maybe(Schema.Literals([-1, 0, 1])),
  status: maybe(Schema.Literals(["ready", "ready", "ready", "blocked", "done"])),
  dependsOn: maybe(Schema.Array(Id).check(Schema.isMaxLength(3))),
  idempotencyKey: maybe(Schema.Literals(["k1", "k2", "k3"]))
}

const named = { id: Id }

const claimFilter = {
  owner: Worker,
  minPriority: maybe(Schema.Literals([0, 1])),
  labels: maybe(SomeLabels),
  withoutLabels: maybe(SomeLabels)
}

/** A command whose token is not resolved yet. */
const Intention = Schema.Union([
  Schema.TaggedStruct("Create", card),
  Schema.TaggedStruct("CreateMany", { cards: Schema.Array(Schema.Struct(card)).check(Schema.isMaxLength(6)) }),
  Schema.TaggedStruct("Revise", {
    ...named,
    title: maybe(Schema.Literals(["T", "U"])),
    priority: maybe(Schema.Literals([-1, 0, 1])),
    body: maybe(Reason),
    acceptance: maybe(Value),
    addLabels: maybe(ManyLabels),
    removeLabels: maybe(SomeLabels),
    notBefore: maybe(Schema.NullOr(NotBefore))
  }),
  Schema.TaggedStruct("Note", { ...named, text: Schema.Literals(["found", "lost"]), token: maybe(Token) }),
  Schema.TaggedStruct("Claim", {
    owner: Worker,
    id: maybe(Id),
    ttlSeconds: maybe(Schema.Literals([1, 60, 900]))
  }),
  Schema.TaggedStruct("Claim", claimFilter),
  Schema.TaggedStruct("ClaimMany", { ...claimFilter, limit: Schema.Literals([1, 2, 5]) }),
  Schema.TaggedStruct("Renew", {
    ...named,
    token: Token,
    ttlSeconds: maybe(Schema.Literals([1, 60, 900])),
    note: maybe(Schema.Literal("busy"))
  }),
  Schema.TaggedStruct("Release", {
    ...named,
    token: Token,
    reason: maybe(Reason),
    retryAfterSeconds: maybe(Schema.Literals([0, 60, 900]))
  }),
  Schema.TaggedStruct("Reclaim", { id: maybe(Id) }),
  Schema.TaggedStruct("Link", { from: Id, to: Id }),
  Schema.TaggedStruct("Link", { from: Id, to: Id }),
  Schema.TaggedStruct("Unlink", { from: Id, to: Id }),
  Schema.TaggedStruct("Block", { ...named, token: maybe(Token), reason: maybe(Reason) }),
  Schema.TaggedStruct("Unblock", { ...named, reason: maybe(Reason) }),
  Schema.TaggedStruct("Complete", {
    ...named,
    token: maybe(Token),
    force: maybe(Schema.Boolean),
    result: maybe(Value),
    claimNext: maybe(Schema.Struct(claimFilter))
  }),
  Schema.TaggedStruct("Reopen", named)
])

/** A command, and the seconds since the previous one. */
const Step = Schema.Struct({
  seconds: Schema.Literals([0, 0, 0, 1, 59, 60, 61, 900]),
  intention: Intention
})

export type Step = typeof Step.Type

/** Steps on a backlog of `stocked`. */
export const stepsArbitrary: Arbitrary.Arbitrary<ReadonlyArray<Step>> = Arbitrary.array(Arbitrary.schema(Step), {
  maxLength: 80
})

/** A backlog of four cards. One waits for a card that does not exist yet, and one for another of the four. */
export const stocked = (): MemoryBacklog =>
  backlogAfter([
    created("a"),
    created("b"),
    created("ﬀ", { dependsOn: [id("c")] }),
    created("𝒜", { dependsOn: [id("a")] })
  ])

const twenty = (prefix: string) => Array.from({ length: 20 }, (_, index) => `${prefix}${index}`)

const labelsCalled = { few: ["l1", "l4"], twenty: twenty("m"), "other twenty": twenty("n") }

const timesCalled = { soon: at(10), later: at(600) }

/** Resolves the token, labels and time of an intention on the current backlog. */
export const commandOf = (backlog: BacklogView, { intention }: Step): IdentifiedCommand => {
  if (intention._tag === "Revise") {
    const { addLabels, notBefore, ...rest } = intention
    return command({
      ...rest,
      ...(addLabels === undefined ? {} : { addLabels: labelsCalled[addLabels] }),
      ...(notBefore === undefined ? {} : { notBefore: notBefore === null ? null : timesCalled[notBefore] })
    })
  }
  if (!("token" in intention) || intention.token === undefined) return command(intention as Order)
  const current = backlog.card(id(intention.id))?.claimToken ?? 2
  const token = { current, stale: Math.max(1, current - 1), future: current + 1 }[intention.token]
  return command({ ...intention, token })
}

/** The time of a step. */
export const timeOf = (before: DateTime.Utc, { seconds }: Step): DateTime.Utc => DateTime.add(before, { seconds })
