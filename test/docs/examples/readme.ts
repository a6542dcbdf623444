import { Effect, Option } from "effect"
import { BacklogService, layerPglite } from "../../../src/index.ts"

const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "design", title: "Design it", actor: "me" })
  yield* backlog.create({ id: "build", title: "Build it", dependsOn: ["design"], actor: "me" })

  const card = Option.getOrThrow(yield* backlog.claim({ owner: "worker-1", actor: "worker-1" }))
  const done = yield* backlog.complete({ id: card.id, token: card.claimToken, actor: "worker-1" })
  console.log(done.madeClaimable) // [ 'build' ]
})

Effect.runPromise(program.pipe(Effect.provide(layerPglite({ dataDir: ".backlog" }))))
