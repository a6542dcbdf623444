import { Effect, Layer } from "effect"
import { layerHttp, serve } from "../../../src/http/index.ts"
import { freshBacklog } from "../../support/backlogs.ts"

/** Serves `freshBacklog` in this process and provides its services through `layerHttp`. */
export const freshBacklogOverHttp: typeof freshBacklog = Layer.unwrap(
  Effect.map(serve({ port: 0 }), ({ url }) => Layer.orDie(layerHttp({ url })))
).pipe(Layer.orDie, Layer.provideMerge(freshBacklog))
