import { Arbitrary, Schema } from "effect"
import type { Command, NewCard } from "../domain/Command.ts"
import type { ModelCommand } from "./Model.ts"

/** The values that commands are generated from. There are few of each, so that commands affect each other. */
export interface Pools {
  /** Ids of cards. Defaults to `a` to `e` and two ids beyond ASCII. */
  readonly ids?: ReadonlyArray<string>
  /** Owners of claims, and actors. Defaults to `w1` to `w3`. */
  readonly workers?: ReadonlyArray<string>
  /** Command ids. A third of the commands has one. Defaults to `x1` to `x6`. */
  readonly commandIds?: ReadonlyArray<string>
  /** Idempotency keys. Defaults to `k1` to `k3`. */
  readonly idempotencyKeys?: ReadonlyArray<string>
}

/** The default values that commands are generated from. */
export const defaultPools: Required<Pools> = {
  ids: ["a", "b", "c", "d", "e", "ﬀ", "𝒜"],
  workers: ["w1", "w2", "w3"],
  commandIds: ["x1", "x2", "x3", "x4", "x5", "x6"],
  idempotencyKeys: ["k1", "k2", "k3"]
}

const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(schema)

const Reason = Schema.NullOr(Schema.Literals(["legal", "spam"]))
const Value = Schema.NullOr(Schema.Literals([1, "text"]))
const Ttl = Schema.Literals([1, 60, 900])
const Token = Schema.Literals([2, 2, 3, 4, 5, 6])
const Labels = Schema.Array(Schema.Literals(["red", "blue"])).check(Schema.isMaxLength(3))

const newCardFields = ({ idempotencyKeys, ids }: Required<Pools>) => ({
  id: Schema.Literals(ids),
  title: Schema.Literals(["T", "U"]),
  priority: maybe(Schema.Literals([-1, 0, 1])),
  status: maybe(Schema.Literals(["ready", "ready", "ready", "blocked", "done"])),
  dependsOn: maybe(Schema.Array(Schema.Literals(ids)).check(Schema.isMaxLength(3))),
  acceptance: maybe(Value),
  labels: maybe(Labels),
  idempotencyKey: maybe(Schema.Literals(idempotencyKeys))
})

/** Generates cards for `create` and `createMany`. */
export const newCardArbitrary = (pools: Pools = {}): Arbitrary.Arbitrary<typeof NewCard.Encoded> =>
  Arbitrary.schema(Schema.Struct(newCardFields({ ...defaultPools, ...pools }))) as Arbitrary.Arbitrary<
    typeof NewCard.Encoded
  >

/**
 * Generates commands of every kind: the input of a `BacklogService` method with a tag. Tokens are small numbers, like those of
 * cards with a short history.
 */
export const commandArbitrary = (pools: Pools = {}): Arbitrary.Arbitrary<ModelCommand> => {
  const all = { ...defaultPools, ...pools }
  const Id = Schema.Literals(all.ids)
  const Worker = Schema.Literals(all.workers)
  const card = newCardFields(all)
  const maxAttempts = maybe(Schema.Literals([1, 2]))
  const choice = {
    owner: Worker,
    ttlSeconds: maybe(Ttl),
    minPriority: maybe(Schema.Literals([0, 1])),
    labels: maybe(Labels),
    withoutLabels: maybe(Labels),
    maxAttempts
  }
  const kind = <Tag extends Command["_tag"], Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) => {
    const content = { ...fields, actor: Worker }
    const withId = Schema.TaggedStruct(tag, { ...content, commandId: Schema.Literals(all.commandIds) })
    return [Schema.TaggedStruct(tag, content), Schema.TaggedStruct(tag, content), withId]
  }
  return Arbitrary.schema(
    Schema.Union([
      ...kind("Create", card),
      ...kind("CreateMany", { cards: Schema.Array(Schema.Struct(card)).check(Schema.isMaxLength(6)) }),
      ...kind("Revise", {
        id: Id,
        title: maybe(Schema.Literals(["T", "U"])),
        priority: maybe(Schema.Literals([-1, 0, 1])),
        body: maybe(Reason),
        acceptance: maybe(Value),
        addLabels: maybe(Labels),
        removeLabels: maybe(Labels)
      }),
      ...kind("Note", { id: Id, text: Schema.Literals(["N", "M"]), token: maybe(Token) }),
      ...kind("Claim", { owner: Worker, id: Id, ttlSeconds: maybe(Ttl), maxAttempts }),
      ...kind("Claim", choice),
      ...kind("ClaimMany", { ...choice, limit: Schema.Literals([1, 2, 5]) }),
      ...kind("Renew", { id: Id, token: Token, ttlSeconds: maybe(Ttl), note: maybe(Schema.Literals(["N"])) }),
      ...kind("Release", {
        id: Id,
        token: Token,
        reason: maybe(Reason),
        retryAfterSeconds: maybe(Schema.Literals([0, 60, 900])),
        maxAttempts
      }),
      ...kind("Reclaim", { id: maybe(Id) }),
      ...kind("Link", { from: Id, to: Id }),
      ...kind("Unlink", { from: Id, to: Id }),
      ...kind("Block", { id: Id, token: maybe(Token), reason: maybe(Reason) }),
      ...kind("Unblock", { id: Id, reason: maybe(Reason) }),
      ...kind("Complete", {
        id: Id,
        token: maybe(Token),
        force: maybe(Schema.Boolean),
        result: maybe(Value),
        claimNext: maybe(Schema.Struct(choice))
      }),
      ...kind("Reopen", { id: Id })
    ])
  )
}
