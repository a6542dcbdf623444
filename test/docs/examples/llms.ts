import { Effect, Option } from "effect"
import { BacklogService, layerPglite } from "../../../src/index.ts"

const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "design", title: "Design it", actor: "planner" })
  const claimed = yield* backlog.claim({ owner: "worker-1", ttlSeconds: 600, actor: "worker-1" })
  if (Option.isNone(claimed)) return []
  const { claimToken, id } = claimed.value
  yield* backlog.renew({ id, token: claimToken, note: "half done", actor: "worker-1" })
  const done = yield* backlog
    .complete({ id, token: claimToken, result: { pages: 2 }, actor: "worker-1" })
    .pipe(Effect.catchTag("ClaimLost", () => Effect.succeed({ madeClaimable: [] })))
  return done.madeClaimable
})

Effect.runPromise(program.pipe(Effect.provide(layerPglite({ dataDir: ".backlog" })))).then(console.log)
