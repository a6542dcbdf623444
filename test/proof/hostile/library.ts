import { Effect, Stream } from "effect"
import { parseAnchor } from "../../../src/events/Anchor.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import type { Random } from "../../support/random.ts"
import { commands, fields, valid } from "./fields.ts"
import { isContainer } from "./data.ts"
import { mutate } from "./mutate.ts"
import { hostile, names } from "./values.ts"
import type { Trial } from "./trial.ts"

type Services = BacklogService | AuditService

/** Any method with any input. */
// oxlint-disable-next-line typescript/no-explicit-any -- the tests pass values of other types
type Method = (...input: ReadonlyArray<any>) => any

const rejections = [
  "CardNotFound",
  "CardAlreadyExists",
  "DependencyNotFound",
  "SelfDependency",
  "DependencyCycle",
  "ClaimLost",
  "CardIsClaimed",
  "CardIsDone",
  "TooManyLabels",
  "CommandIdConflict"
]

/** The database is available, so an `SqlError` means that the input was not validated. */
const errorsOfCommands: ReadonlySet<string> = new Set(["InvalidInput", ...rejections])
const errorsOfQuestions: ReadonlySet<string> = new Set(["InvalidInput", "CardNotFound", "MomentNotReached"])
const errorsOfAudit: ReadonlySet<string> = new Set([...errorsOfQuestions, "CheckpointMoved", "AnchorRefused"])

/** Calls a method inside an effect, so that an exception becomes a defect of the effect. */
const called = (method: Method, ...input: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    const answer: unknown = method(...input)
    return Stream.isStream(answer)
      ? Stream.runCollect(Stream.take(answer as Stream.Stream<unknown, unknown>, 20))
      : (answer as Effect.Effect<unknown, unknown>)
  })

/** A command, mostly with one invalid part. */
export const commandTrial = (random: Random): Trial<unknown, Services> & { readonly tag: string } => {
  const command = random.pick(commands)
  const input = valid(command.fields, command.required, random)
  const mutated = random.below(10) < 3 ? { input, how: "unchanged" } : mutate(input, random)
  return {
    tag: command.tag,
    what: `${command.tag}, ${mutated.how}`,
    input: mutated.input,
    errors: errorsOfCommands,
    run: Effect.gen(function* () {
      if (command.tag === "Redact") return yield* called((yield* AuditService).redact, mutated.input)
      const backlog = yield* BacklogService
      const name = (command.tag.charAt(0).toLowerCase() + command.tag.slice(1)) as "create"
      return yield* called(backlog[name], mutated.input)
    })
  }
}

/** A valid value of a kind, or another value. */
const orHostile = (value: unknown, random: Random): unknown => (random.below(3) === 0 ? value : hostile(random))

const moment = (random: Random): unknown => {
  const at = random.pick<unknown>([
    { position: random.below(200) },
    { version: 1 + random.below(5) },
    { time: fields["occurredAt"]?.(random) }
  ])
  return mutate(at, random).input
}

const listOptions = (random: Random): unknown => {
  const options = {
    status: random.pick<unknown>(["ready", ["ready", "done"]]),
    phase: random.pick<unknown>([random.pick(names), [random.pick(names)]]),
    claimability: random.pick(["claimable", "waiting", "deferred", "expired"]),
    labels: [random.pick(names)],
    withoutLabels: [random.pick(names)],
    owner: random.pick(names),
    minPriority: -1,
    maxPriority: 5,
    text: random.pick([...names, "a & b | !c <-> (d:*)", "''", "\\", ":*", "x".repeat(500)]),
    changedSince: fields["occurredAt"]?.(random),
    order: random.pick(["claim", "changed", "created", "completed"]),
    fields: random.pick(["all", "summary"]),
    limit: 5,
    [random.pick(["after", "before"])]: random.pick(names)
  }
  const some = Object.fromEntries(Object.entries(options).filter(() => random.below(3) === 0))
  return random.below(4) === 0 ? some : mutate(some, random).input
}

const anchor = `mosaic-backlog-anchor 1 1 ${"0".repeat(64)} 2026-01-01T00:00:00.000Z`

const anchorText = (random: Random): unknown =>
  random.pick<unknown>([
    hostile(random),
    anchor,
    anchor.replace(random.pick([...anchor]), random.pick(names)),
    anchor.slice(0, random.below(anchor.length)),
    `${anchor} ${"A".repeat(86)}`,
    `${anchor}\n${anchor}`,
    ` ${"\t".repeat(2 ** 20)}${anchor}`
  ])

/** A follower would wait for new events, and there are none. */
const notFollowing = (input: unknown): unknown => {
  if (isContainer(input) && input["follow"] === true) input["follow"] = false
  return input
}

const eventOptions = (random: Random): unknown => {
  const options = {
    after: 3,
    cardId: random.pick(names),
    type: "CardCreated",
    actor: random.pick(names),
    follow: false
  }
  const { input } = mutate(options, random)
  return typeof input === "object" ? notFollowing(input) : hostile(random)
}

const flowOptions = (random: Random): unknown => {
  const options = {
    from: fields["occurredAt"]?.(random),
    to: random.pick([undefined, fields["occurredAt"]?.(random)]),
    bucket: random.pick(["minute", "hour", "day", "week"]),
    by: random.pick(["phase", "label", "owner"])
  }
  return mutate(options, random).input
}

const consumerOptions = (random: Random): unknown => {
  const options = { consumer: "taker", handler: () => Effect.void, batchSize: 5, parkAfter: 1, follow: false }
  return notFollowing(mutate(options, random).input)
}

/** Methods with valid arguments, each of which may be replaced by any value. */
const backlogQuestions: Readonly<Record<string, (random: Random) => ReadonlyArray<unknown>>> = {
  get: (random) => [orHostile(random.pick(names), random)],
  list: (random) => [listOptions(random)],
  explain: (random) => [orHostile(random.pick(names), random)],
  notes: (random) => [mutate({ id: random.pick(names), limit: 5, before: 3 }, random).input],
  claims: (random) => [mutate({ owner: random.pick(names), limit: 5 }, random).input],
  dependents: (random) => [mutate({ id: random.pick(names), limit: 5, after: random.pick(names) }, random).input],
  neighbourhood: (random) => [mutate({ id: random.pick(names), limit: 5, hops: 3 }, random).input],
  impact: (random) => [orHostile(random.pick(names), random)],
  criticalPath: (random) => [mutate({ phase: random.pick(names), label: random.pick(names) }, random).input]
}

const auditQuestions: Readonly<Record<string, (random: Random) => ReadonlyArray<unknown>>> = {
  history: (random) => [orHostile(random.pick(names), random)],
  cardAt: (random) => [orHostile(random.pick(names), random), moment(random)],
  explainAt: (random) => [orHostile(random.pick(names), random), moment(random)],
  backlogAt: (random) => [moment(random)],
  diff: (random) => [{ from: moment(random), to: random.pick([undefined, moment(random)]) }],
  flow: (random) => [flowOptions(random)],
  density: (random) => [mutate({ from: 1, to: 3, buckets: 5 }, random).input],
  events: (random) => [eventOptions(random)],
  checkpoint: (random) => [orHostile(random.pick(names), random)],
  advance: (random) => [orHostile("mailer", random), orHostile(0, random), orHostile(5, random)],
  park: (random) => [orHostile("mailer", random), orHostile(1, random), orHostile("a reason", random)],
  parked: (random) => [orHostile("mailer", random)],
  unpark: (random) => [orHostile("mailer", random), orHostile(1, random)],
  anchor: (random) => [mutate({ privateKey: hostile(random), actor: random.pick(names) }, random).input],
  anchors: (random) => [mutate({ limit: 5 }, random).input],
  verify: (random) => [mutate({ anchor: hostile(random), actor: random.pick(names) }, random).input],
  verifications: (random) => [mutate({ limit: 5 }, random).input],
  rebuild: (random) => [{ swapTimeout: hostile(random) }],
  pruneReceipts: (random) => [mutate({ olderThanDays: 1 }, random).input],
  consume: (random) => [consumerOptions(random)]
}

/** A query or an audit method, with one invalid argument. */
export const questionTrial = (random: Random): Trial<unknown, Services> => {
  if (random.below(12) === 0) {
    const input = anchorText(random)
    const run = Effect.suspend(() => Effect.fromResult(parseAnchor(input as string)))
    return { what: "parseAnchor", input, errors: errorsOfAudit, run }
  }
  const isAudit = random.below(4) > 0
  const name = random.pick(Object.keys(isAudit ? auditQuestions : backlogQuestions))
  const input = (isAudit ? auditQuestions : backlogQuestions)[name]?.(random) ?? []
  return {
    what: name,
    input,
    errors: errorsOfAudit,
    run: Effect.gen(function* () {
      const service: object = isAudit ? yield* AuditService : yield* BacklogService
      return yield* called((service as Record<string, Method>)[name] as Method, ...input)
    })
  }
}
