import { Context, Effect, Exit, Layer, Logger, ManagedRuntime, Redacted, Scope } from "effect"
import { serve, type ServeOptions } from "../../../src/http/index.ts"
import {
  type AccessRole,
  AccessTokens,
  type BacklogServices,
  KeyframeSchedule,
  layerPostgres
} from "../../../src/index.ts"
import { RemovalSchedule } from "../../../src/services/audit/Erasures.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { currentClient, postgresClient, postgresUrl } from "../../support/backlogs.ts"
import { pooledSchema } from "../../support/SchemaPool.ts"
import { makeBoardClient, type ServedBoard } from "./boardClient.ts"

/** A backlog that is served in this process. */
export interface ServedBacklog extends ServedBoard {
  /** Runs an effect with the services of the backlog, whose schema `BacklogSchema` names. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, BacklogServices>) => Promise<A>
  /** Creates an access token, and returns its text. Only if the server requires tokens. */
  readonly createToken: (actor: string, role: AccessRole) => Promise<string>
}

/** Serves backlogs on the server of the test run. */
export interface Serving {
  /** Serves an empty backlog. `end` ends the server. */
  readonly serve: (
    options: ServeOptions
  ) => Promise<{ readonly served: ServedBacklog; readonly end: () => Promise<void> }>
  /** Closes the connections. */
  readonly end: () => Promise<void>
}

/**
 * Opens connections to the server of the test run, for backlogs that are served in this process. Each has a schema of its own, which
 * an earlier test may have left empty.
 */
export const openServing = (): Serving => {
  const runtime = ManagedRuntime.make(postgresClient(2))
  return {
    end: () => runtime.dispose(),
    serve: async (options) => {
      const scope = Effect.runSync(Scope.make())
      const end = () => runtime.runPromise(Scope.close(scope, Exit.void))
      try {
        const served = await runtime.runPromise(Scope.provide(start(options), scope))
        return { served, end }
      } catch (error) {
        await end()
        throw error
      }
    }
  }
}

/** Nothing runs in the background, or it would read a schema that the next test uses. */
const withoutBackground = Layer.mergeAll(
  Layer.succeed(RemovalSchedule)("off"),
  Layer.succeed(KeyframeSchedule)("off"),
  Logger.layer([])
)

const start = Effect.fnUntraced(function* (options: ServeOptions) {
  const schema = yield* pooledSchema
  const inSchema = Layer.succeed(BacklogSchema)(schema)
  const requiresTokens = options.requireTokens === true || options.trustProxy !== undefined
  const backlog = layerPostgres({ url: postgresUrl(), schema, poolSize: 4 }).pipe(
    Layer.provideMerge(inSchema),
    Layer.provideMerge(withoutBackground)
  )
  const context = yield* Layer.build(Layer.fresh(backlog))
  const accessTokens = requiresTokens
    ? Context.get(
        yield* Layer.build(Layer.provide(Layer.fresh(AccessTokens.layer), [yield* currentClient, inSchema])),
        AccessTokens
      )
    : undefined
  const createToken = async (actor: string, role: AccessRole): Promise<string> => {
    if (accessTokens === undefined) throw new Error("The server requires no token.")
    const { secret } = await Effect.runPromise(accessTokens.create({ actor, role, createdBy: "test" }))
    return Redacted.value(secret)
  }
  // A server behind a proxy starts only if there is a token.
  const token = requiresTokens ? yield* Effect.promise(() => createToken("test", "orchestrator")) : undefined
  const { url } = yield* Effect.provideContext(serve({ port: 0, tokens: accessTokens, ...options }), context)
  return {
    ...makeBoardClient(url, token),
    createToken,
    run: <A, E>(effect: Effect.Effect<A, E, BacklogServices>) =>
      Effect.runPromise(Effect.provideContext(effect, context))
  }
})
