import { Effect, Layer } from "effect"
import { AccessTokens, layerPostgres } from "../../../src/index.ts"
import { serve } from "../../../src/http/index.ts"

const program = Effect.gen(function* () {
  const tokens = yield* AccessTokens
  const { url } = yield* serve({ host: "0.0.0.0", tokens, allowHosts: ["backlog.example.com"] })
  yield* Effect.logInfo(`Listening on ${url}`)
  return yield* Effect.never
})

export const run = (url: string) =>
  Effect.runPromise(
    program.pipe(Effect.scoped, Effect.provide(AccessTokens.layer.pipe(Layer.provideMerge(layerPostgres({ url })))))
  )
