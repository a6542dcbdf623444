import { Effect } from "effect"
import { BacklogService } from "../../../src/index.ts"
import { layerHttp } from "../../../src/http/index.ts"

const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "test", title: "Test it", actor: "me" })
  return yield* backlog.stats
})

export const run = (url: string) => Effect.runPromise(Effect.provide(program, layerHttp({ url })))
