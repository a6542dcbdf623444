import { Effect, Option } from "effect"
import { userInfo } from "node:os"
import { InvalidInput } from "../index.ts"
import { readVariable } from "./environmentVariables.ts"
import { servedTarget } from "./database.ts"
import type { ServedTarget } from "./databaseTarget.ts"
import { Actor } from "./flags.ts"
import { ProcessIO } from "./ProcessIO.ts"
import { toServedError } from "./servedErrors.ts"

/** The actor that the command line or the environment names: `--actor`, else `BACKLOG_ACTOR`. */
export const namedActor = Effect.gen(function* () {
  return (yield* Actor) ?? readVariable((yield* ProcessIO).env, "BACKLOG_ACTOR")
})

/** Asks the server of a served backlog who the caller is. `undefined` if it is older than this question. */
export const askServedCaller = Effect.fnUntraced(function* (target: ServedTarget) {
  const { askCaller } = yield* Effect.promise(() => import("../http/client/askCaller.ts"))
  const caller = yield* Effect.mapError(askCaller({ url: target.url, token: target.token }), (error) =>
    toServedError(error, target)
  )
  return Option.getOrUndefined(caller)
})

/** The actor that needs no question to a server: the named one, else the operating-system user if no token names another. */
export const knownActor = Effect.gen(function* () {
  const named = yield* namedActor
  if (named !== undefined) return named
  return (yield* servedTarget)?.token === undefined ? yield* systemUser : undefined
})

/**
 * The actor of events: `--actor`, else `BACKLOG_ACTOR`, else the holder of the token with which a served backlog is used,
 * else the operating-system user.
 */
export const currentActor = Effect.gen(function* () {
  const known = yield* knownActor
  if (known !== undefined) return known
  const target = yield* servedTarget
  const caller = target === undefined ? undefined : yield* askServedCaller(target)
  return caller?.actor ?? (yield* systemUser)
})

/** Fails if the selected backlog is served, and its server cannot be reached or does not accept the caller. */
export const requireServer = Effect.gen(function* () {
  const target = yield* servedTarget
  if (target !== undefined) yield* askServedCaller(target)
})

/** The actor without `--actor`: `BACKLOG_ACTOR`, else the operating-system user. */
export const environmentActor = Effect.gen(function* () {
  return readVariable((yield* ProcessIO).env, "BACKLOG_ACTOR") ?? (yield* systemUser)
})

/** The operating-system user. */
export const systemUser = Effect.try({
  try: () => userInfo().username,
  catch: () => new InvalidInput({ problem: "the actor is unknown: use --actor NAME, or set BACKLOG_ACTOR" })
})
