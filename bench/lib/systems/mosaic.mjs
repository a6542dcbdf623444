/** Mosaic Backlog: one command at a time, and batches. */
import { Effect, Option, Result } from "effect"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { names } from "../systemNames.mjs"
import { dropSchema, settle } from "../schemas.mjs"

export const name = names.ours

/** The exports of the package. */
export const load = ({ build }) => import(pathToFileURL(join(build, "index.js")).href)

/** The directory of an embedded database. */
export const directoryOf = ({ directory }, schema) => join(directory, `${schema}.pglite`)

/** The layer of a backlog on `postgres`, in memory (`pglite`) or in a directory (`pglite directory`). */
export const layerOf = async (context, { database, schema }) => {
  const { layerPglite, layerPostgres } = await load(context)
  if (database === "postgres") return layerPostgres({ url: context.url, schema })
  return layerPglite({ schema, ...(database === "pglite" ? {} : { dataDir: directoryOf(context, schema) }) })
}

/**
 * Uses a backlog: `use` gets the service and returns an Effect. With `keyframes: "off"` the process writes no keyframes: after a
 * million cards are created at once, it would write those of millions of events while calls are measured.
 */
export const withBacklog = async (context, place, use) => {
  const { BacklogService, KeyframeSchedule } = await load(context)
  const program = Effect.provide(Effect.flatMap(BacklogService, use), await layerOf(context, place))
  return Effect.runPromise(
    place.keyframes === "off" && KeyframeSchedule !== undefined
      ? Effect.provideService(program, KeyframeSchedule, "off")
      : program
  )
}

const cardsAtOnce = 5000

/** Creates cards, some thousands at once. */
export const createAll = Effect.fnUntraced(function* (backlog, cards) {
  let some = []
  for (const card of cards) {
    some.push(card)
    if (some.length < cardsAtOnce) continue
    yield* backlog.createMany({ cards: some, actor: "bench" })
    some = []
  }
  if (some.length > 0) yield* backlog.createMany({ cards: some, actor: "bench" })
})

/** Recreates the backlog with these cards. */
export const fill = async (context, place, cards) => {
  await remove(context, place)
  // A database in memory is filled by the measured process.
  if (place.database === "pglite") return
  await withBacklog(context, place, (backlog) => createAll(backlog, cards))
  if (place.database === "postgres") await settle(context.url, place.schema)
}

export const remove = async (context, { database, schema }) => {
  if (database === "postgres") await dropSchema(context.url, schema)
  else rmSync(directoryOf(context, schema), { recursive: true, force: true })
}

export const found = (claimed) => {
  if (Option.isNone(claimed)) throw new Error("nothing was claimable")
  return claimed.value
}

const completed = (backlog, { claimToken, id }, actor) => backlog.complete({ id, token: claimToken, actor })

const oneByOne = (backlog, meter) => (worker) =>
  Effect.gen(function* () {
    const owner = `worker-${worker}`
    while (!meter.isOver) {
      const started = performance.now()
      const claimed = yield* backlog.claim({ owner, actor: owner })
      if (Option.isNone(claimed)) return
      yield* completed(backlog, claimed.value, owner)
      meter.done(1, performance.now() - started)
    }
  })

/** Many claims with one call, and many completions with the next. */
const manyAtOnce = (backlog, meter, batch) => (worker) =>
  Effect.gen(function* () {
    const owner = `worker-${worker}`
    while (!meter.isOver) {
      const started = performance.now()
      const cards = yield* backlog.claimMany({ owner, limit: batch, actor: owner })
      if (cards.length === 0) return
      const outcomes = yield* backlog.completeMany({
        completions: cards.map(({ claimToken, id }) => ({ id, token: claimToken })),
        actor: owner
      })
      if (!outcomes.every(Result.isSuccess)) throw new Error("a claim was lost")
      meter.done(cards.length, performance.now() - started)
    }
  })

/** Claims the next card with each completion: one command for each card but the first. */
const nextByNext = (backlog, meter) => (worker) =>
  Effect.gen(function* () {
    const owner = `worker-${worker}`
    const first = yield* backlog.claim({ owner, actor: owner })
    let card = Option.getOrNull(first)
    while (card !== null && !meter.isOver) {
      const started = performance.now()
      const { claimToken: token, id } = card
      card = (yield* backlog.complete({ id, token, actor: owner, claimNext: { owner } })).next
      meter.done(1, performance.now() - started)
    }
  })

/** Claims without completing. */
const claimsOnly = (backlog, meter) => (worker) =>
  Effect.gen(function* () {
    const owner = `worker-${worker}`
    while (!meter.isOver) {
      const started = performance.now()
      const claimed = yield* backlog.claim({ owner, actor: owner })
      if (Option.isNone(claimed)) return
      meter.done(1, performance.now() - started)
    }
  })

const ways = { oneByOne, nextByNext, claimsOnly }

/**
 * Claims and completes with a service and a number of workers until the meter is over: in batches, or one card at a time in
 * one of the `ways`. Waits for `ready` once the service responds.
 */
export const workOver = Effect.fnUntraced(function* (backlog, { batch, makeMeter, ready, way = "oneByOne", workers }) {
  yield* backlog.stats
  yield* Effect.promise(ready)
  const meter = makeMeter()
  const loop = batch === undefined ? ways[way](backlog, meter) : manyAtOnce(backlog, meter, batch)
  yield* Effect.forEach(
    Array.from({ length: workers }, (_, worker) => worker),
    loop,
    { concurrency: "unbounded", discard: true }
  )
  meter.end()
  return meter.result()
})

/** Claims and completes with a service in this process. */
export const work = (context, place, options) =>
  withBacklog(context, place, (backlog) =>
    Effect.andThen(
      place.database === "pglite" ? createAll(backlog, options.cards()) : Effect.void,
      workOver(backlog, options)
    )
  )

/** The same program, whose workers claim the next card with each completion. */
export const claimingNext = {
  name: names.claimingNext,
  fill,
  remove,
  work: (context, place, options) => work(context, place, { ...options, way: "nextByNext" })
}

/** An older build of the same program, which must be able to load its own packages. */
export const previousBuild = {
  name: names.previousBuild,
  fill: (context, place, cards) => fill(previous(context), place, cards),
  remove,
  work: (context, place, options) => work(previous(context), place, options)
}

const previous = (context) => ({ ...context, build: context.previousBuild })
