import { Effect } from "effect"
import type { SqlError } from "effect/sql"
import { type AuthorizedCaller, requireValidToken } from "./Caller.ts"
import { Forbidden, withDatabaseErrors } from "./errors.ts"
import { InvalidInput } from "../index.ts"

/** A request whose payload is a command. */
export interface CommandRequest {
  readonly caller: AuthorizedCaller
  readonly endpoint: { readonly identifier: string }
  readonly payload: { readonly actor?: string; readonly commandId?: string }
  readonly headers?: { readonly "idempotency-key"?: string }
  readonly request: { readonly headers: Readonly<Record<string, string | undefined>> }
}

/** The input of a command: the request's payload with the caller's actor and the command id. */
export const commandInput = Effect.fnUntraced(function* <Input>({
  caller,
  endpoint,
  headers,
  payload,
  request
}: CommandRequest) {
  if (caller.actor !== undefined && payload.actor !== undefined && payload.actor !== caller.actor) {
    return yield* new Forbidden({
      problem: `The token belongs to ${JSON.stringify(caller.actor)}, which cannot act as ${JSON.stringify(payload.actor)}. Omit the actor.`
    })
  }
  const actor = caller.actor ?? payload.actor
  if (actor === undefined) return yield* new InvalidInput({ problem: 'Missing key\n  at ["actor"]' })
  if (headers === undefined && request.headers["idempotency-key"] !== undefined) {
    return yield* new InvalidInput({
      problem:
        "this endpoint does not accept the header Idempotency-Key. " +
        (endpoint.identifier === "completeMany"
          ? "Give each completion its own commandId."
          : "Omit it: every request is carried out.")
    })
  }
  const key = headers?.["idempotency-key"]
  if (key !== undefined && payload.commandId !== undefined && key !== payload.commandId) {
    return yield* new InvalidInput({
      problem: "the header Idempotency-Key and the field commandId differ. Send only one of them"
    })
  }
  const commandId = payload.commandId ?? key
  yield* caller.permit(endpoint.identifier, payload)
  return { ...payload, actor, ...(commandId === undefined ? {} : { commandId }) } as unknown as Input
})

/** Handles a command with a method of a service, if the caller's token is still valid. */
export const handleCommand =
  <Input, A, E>(method: (input: Input) => Effect.Effect<A, E | SqlError.SqlError>) =>
  (request: CommandRequest) =>
    withDatabaseErrors(Effect.flatMap(Effect.tap(commandInput<Input>(request), requireValidToken), method))

/** Runs an effect after the body has arrived, if the caller's token is still valid. */
export const withValidToken = <A, E, R>(effect: Effect.Effect<A, E | SqlError.SqlError, R>) =>
  withDatabaseErrors(Effect.andThen(requireValidToken, effect))
