import { Effect, type Option } from "effect"
import type { Caller } from "../api/CallerGroup.ts"
import { dieOnInvalidInput, request } from "./request.ts"
import { connect, type HttpOptions } from "./connect.ts"
import { type BacklogFailure, type InvalidInput, Unreachable } from "../../index.ts"

/** Asks a server who it takes the caller for. None if the server is older than the endpoint. */
export const askCaller = (options: HttpOptions): Effect.Effect<Option.Option<Caller>, InvalidInput | BacklogFailure> =>
  Effect.flatMap(connect(options), ({ caller }) =>
    dieOnInvalidInput(request(caller.caller(), true)).pipe(
      Effect.asSome,
      Effect.catchIf(isUnknownPath, () => Effect.succeedNone)
    )
  )

const isUnknownPath = (error: unknown): boolean => error instanceof Unreachable && error.status === 404
