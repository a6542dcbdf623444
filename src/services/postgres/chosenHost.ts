import { PgConnection } from "@effect/sql-pg"
import { type Duration, Effect, Random } from "effect"
import { SqlError } from "effect/sql"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { type ConnectionSettings, nameOfHost, type ServerHost, type TargetSessionAttrs } from "./connectionSettings.ts"

/** What decides whether a session is one of those that are wanted. */
interface SessionState {
  readonly isStandby: boolean
  readonly isReadOnly: boolean
}

const isWanted: Readonly<Record<TargetSessionAttrs, (state: SessionState) => boolean>> = {
  any: () => true,
  "read-write": ({ isReadOnly }) => !isReadOnly,
  "read-only": ({ isReadOnly }) => isReadOnly,
  primary: ({ isStandby }) => !isStandby,
  standby: ({ isStandby }) => isStandby,
  "prefer-standby": ({ isStandby }) => isStandby
}

/**
 * The first host that accepts a connection and is in the state that is wanted, as libpq chooses it. Each is connected to
 * and asked, within `hostTimeout`; a refused password ends the search. Fails with a `ConnectionError` that says for each
 * host why it was not chosen.
 */
export const chooseHost = Effect.fnUntraced(function* (
  { hosts, isShuffled, targetSessionAttrs: target }: ConnectionSettings,
  configOf: (host: ServerHost) => PgConnection.Config,
  hostTimeout: Duration.Duration
) {
  const stateOf = (host: ServerHost) =>
    PgConnection.make({ ...configOf(host), connectTimeout: hostTimeout }).pipe(
      Effect.flatMap((connection) =>
        connection.query(
          "SELECT pg_is_in_recovery() AS \"isStandby\", current_setting('transaction_read_only') = 'on' AS \"isReadOnly\"",
          [],
          false
        )
      ),
      Effect.map(({ rows }) => rows[0] as unknown as SessionState),
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: hostTimeout,
        orElse: () => Effect.fail(connectionError(new Error("the server did not answer in time"), "no answer"))
      })
    )

  const candidates = isShuffled ? yield* Random.shuffle(hosts) : hosts
  const reasons: Array<string> = []
  let second: ServerHost | undefined
  for (const host of candidates) {
    const state = yield* Effect.result(stateOf(host))
    if (state._tag === "Failure") {
      if (state.failure.reason._tag === "AuthenticationError") return yield* state.failure
      reasons.push(`${nameOfHost(host)}: ${databaseErrorText(state.failure)}`)
    } else {
      if (isWanted[target](state.success)) return host
      second ??= host
      reasons.push(`${nameOfHost(host)}: ${describe(state.success)}`)
    }
  }
  if (target === "prefer-standby" && second !== undefined) return second
  const wanted = target === "any" ? "accepts a connection" : `is ${target}`
  return yield* connectionError(new Error(reasons.join("; ")), `none of the hosts ${wanted}`)
})

const describe = ({ isReadOnly, isStandby }: SessionState): string =>
  isStandby ? "a standby" : isReadOnly ? "a primary server, with read-only transactions" : "a primary server"

const connectionError = (cause: Error, message: string) =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation: "connect" }) })
