// A process that works on a backlog with several fibers, and prints every response as a line of JSON. It repeats a command
// with an unknown outcome with the same id until it gets a response. Its argument is a JSON object. It ends in order when
// its standard input ends. It runs the built package, as another program would, or another build.
import { Effect, Option, Result } from "effect"
import { SqlClient } from "effect/sql"
import { seededRandom } from "../../../dist/testing/seededRandom.js"

const {
  claimers,
  dataDir,
  name,
  pauseMillis,
  program: built,
  schema,
  seed,
  ttlSeconds,
  url
} = JSON.parse(process.argv[2])
const { AuditService, BacklogService, layerPglite, layerPostgres } = await import(
  built === undefined ? "../../../dist/index.js" : `${built}/dist/index.js`
)
const random = seededRandom(seed)

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)

const input = { ended: false }
process.stdin.resume()
process.stdin.once("end", () => {
  input.ended = true
})

let lastCommand = 0

/** Sends a command until it gets a response, and prints the response. `send` takes the command's id and its actor. */
const command = (op, send, answerOf) =>
  Effect.gen(function* () {
    const id = `${name}-${++lastCommand}`
    for (let unknown = 0; ; unknown++) {
      const outcome = yield* Effect.result(send({ commandId: id, actor: name }))
      if (Result.isSuccess(outcome)) {
        say({ id, op, unknown, ...answerOf(outcome.success) })
        return Option.some(outcome.success)
      }
      const { _tag, reason } = outcome.failure
      if (_tag === "InvalidInput") return yield* Effect.die(outcome.failure)
      if (_tag !== "SqlError") {
        say({ id, op, unknown, refused: _tag })
        return Option.none()
      }
      say({ unanswered: id, reason: reason._tag, message: String(reason.cause?.message) })
      yield* Effect.sleep(20 + random.below(80))
    }
  })

const versionOf = ({ id, version }) => ({ card: id, version })

const cards = []

const create = (backlog) => {
  const id = `${name}-card-${cards.length}`
  const dependsOn = cards.length > 0 && random.below(4) === 0 ? [random.pick(cards)] : []
  cards.push(id)
  const card = { id, title: `Card ${id}`, priority: random.below(3), dependsOn }
  return command("create", (origin) => backlog.create({ ...card, ...origin }), versionOf)
}

const workOff = (backlog) =>
  Effect.gen(function* () {
    const claimed = yield* command(
      "claim",
      (origin) => backlog.claim({ owner: name, ttlSeconds, ...origin }),
      Option.match({
        onNone: () => ({ none: true }),
        onSome: ({ claimToken, id, version }) => ({ card: id, version, token: claimToken })
      })
    )
    const card = Option.flatten(claimed)
    if (Option.isNone(card)) return yield* create(backlog)
    const { claimToken: token, id } = card.value
    const then = random.below(10)
    if (then === 0) return yield* command("release", (origin) => backlog.release({ id, token, ...origin }), versionOf)
    if (then === 1) {
      yield* command("renew", (origin) => backlog.renew({ id, token, ttlSeconds, ...origin }), versionOf)
    }
    yield* command(
      "complete",
      (origin) => backlog.complete({ id, token, result: origin.commandId, ...origin }),
      (done) => ({ ...versionOf(done), result: done.result })
    )
  })

const rearrange = (backlog) => {
  const id = random.pick(cards)
  const other = random.pick(cards)
  switch (random.below(7)) {
    case 0:
      return command("block", (origin) => backlog.block({ id, reason: "because", ...origin }), versionOf)
    case 1:
    case 2:
      return command("unblock", (origin) => backlog.unblock({ id, ...origin }), versionOf)
    case 3:
      return command("link", (origin) => backlog.link({ from: id, to: other, ...origin }), versionOf)
    case 4:
      return command("unlink", (origin) => backlog.unlink({ from: id, to: other, ...origin }), versionOf)
    case 5:
      return command("revise", (origin) => backlog.revise({ id, title: origin.commandId, ...origin }), versionOf)
    default:
      return command(
        "reclaim",
        (origin) => backlog.reclaim(origin),
        (ids) => ({ count: ids.length })
      )
  }
}

const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  if (dataDir !== undefined) yield* sayWhatIsThere
  yield* Effect.forEach(Array.from({ length: claimers }), () => create(backlog), { concurrency: "unbounded" })
  say({ started: true })

  const fiber = Effect.gen(function* () {
    while (!input.ended) {
      if (pauseMillis !== undefined) yield* Effect.sleep(pauseMillis)
      const next = random.below(10)
      yield* next < 6 ? workOff(backlog) : next < 8 ? create(backlog) : rearrange(backlog)
    }
  })
  yield* Effect.all(
    Array.from({ length: claimers }, () => fiber),
    { concurrency: "unbounded", discard: true }
  )
})

/** No other process can read a directory while this one uses it, so this one reports what it found at its start. */
const sayWhatIsThere = Effect.gen(function* () {
  const audit = yield* AuditService
  const sql = yield* SqlClient.SqlClient
  const { divergences } = yield* audit.verify()
  const log = yield* sql`
    SELECT position::float8 AS position, card_id AS "cardId", version, type, data::text AS data,
      command_id AS "commandId", occurred_at AS "occurredAt"
    FROM ${sql(`${schema ?? "backlog"}.events`)} ORDER BY events.position`
  say({ divergences: divergences.length, log })
})

const database = dataDir === undefined ? layerPostgres({ url, schema, poolSize: 3 }) : layerPglite({ dataDir })
await Effect.runPromise(Effect.scoped(Effect.provide(program, database)))
