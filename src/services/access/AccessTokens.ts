import { Context, Duration, Effect, Layer, Option, Redacted, Schema, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { timingSafeEqual } from "node:crypto"
import { Name } from "../../domain/Text.ts"
import { layerReadGateAlone } from "../readGates.ts"
import { outsideLog, ReadGate } from "../../events/ReadGate.ts"
import { withReplicaErrors } from "../../events/replica.ts"
import { type Holder, isUnder, overlaps } from "./AccessRole.ts"
import { decodeInput, type InvalidInput } from "../decodeInput.ts"
import {
  AccessToken,
  AccessTokenConflict,
  AccessTokenNotFound,
  AccessTokenRefused,
  NewAccessToken,
  type NewAccessTokenInput
} from "./AccessToken.ts"
import { makeTokenSecret, hashTokenSecret, parseTokenId } from "./tokenSecret.ts"
import type { BacklogMissing } from "../schema/BacklogOpening.ts"
import { type MigrationRefused, Migrations } from "../schema/Migrations.ts"
import { DatabaseClock, databaseNow } from "../../sql/DatabaseClock.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { arrayLiteral } from "../../sql/arrayLiteral.ts"
import { requireDurableCommit, inTransaction } from "../../sql/inTransaction.ts"

/**
 * Time for which tokens are cached. A revoked token may be accepted for this time. Requests within it need no query. Defaults to
 * 2 seconds.
 */
export const AccessTokenStaleness: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "mosaic-backlog/AccessTokenStaleness",
  { defaultValue: () => "2 seconds" }
)

/** A new token with its secret. */
export interface CreatedAccessToken {
  readonly token: AccessToken
  /** The secret that callers send. It is returned once and stored nowhere. */
  readonly secret: Redacted.Redacted
}

/**
 * The access tokens of a served backlog. A token has an id, an actor, a role and a secret; the database has only the SHA-256
 * of the secret (`hashTokenSecret` in `tokenSecret.ts`).
 */
export class AccessTokens extends Context.Service<
  AccessTokens,
  {
    /**
     * Creates a token and returns its secret, which is stored nowhere.
     *
     * **Rejections**
     *
     * - `AccessTokenConflict`: a valid token belongs to a name under this worker's name, or to a worker whose name this one is
     *   under.
     */
    readonly create: (
      input: NewAccessTokenInput
    ) => Effect.Effect<CreatedAccessToken, AccessTokenConflict | InvalidInput | SqlError.SqlError>
    /** Lists all tokens, the oldest first, including expired and revoked ones. */
    readonly list: Effect.Effect<ReadonlyArray<AccessToken>, SqlError.SqlError>
    /**
     * Revokes a token and returns it. A token that is revoked already is returned as it is.
     *
     * **Rejections**
     *
     * - `AccessTokenNotFound`: no token has this id.
     */
    readonly revoke: (
      id: string,
      by: string
    ) => Effect.Effect<AccessToken, AccessTokenNotFound | InvalidInput | SqlError.SqlError>
    /**
     * Returns the token with a secret.
     *
     * **Rejections**
     *
     * - `AccessTokenRefused`: the text is not a secret, or its token does not exist, has expired or was revoked.
     */
    readonly authenticate: (
      text: Redacted.Redacted
    ) => Effect.Effect<AccessToken, AccessTokenRefused | SqlError.SqlError>
    /** Returns the actors of valid tokens whose names are under a name. A worker of that name does not act for them. */
    readonly holdersUnder: (name: string) => Effect.Effect<ReadonlyArray<string>, SqlError.SqlError>
    /** Whether a token is still valid, and, with `as`, has this actor and role. */
    readonly isValid: (
      id: string,
      as?: Pick<AccessToken, "actor" | "role">
    ) => Effect.Effect<boolean, SqlError.SqlError>
    /** Whether any token is valid. */
    readonly hasAny: Effect.Effect<boolean, SqlError.SqlError>
  }
>()("mosaic-backlog/services/AccessTokens") {
  static readonly layer: Layer.Layer<
    AccessTokens,
    BacklogMissing | MigrationRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > = Layer.effect(
    AccessTokens,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const gate = yield* ReadGate
      const schema = yield* BacklogSchema
      const clock = yield* DatabaseClock
      const staleness = Duration.toMillis(Duration.fromInputUnsafe(yield* AccessTokenStaleness))
      const reading = yield* Semaphore.make(1)
      const refreshing = yield* Semaphore.make(1)
      const table = sql(`${schema}.access_tokens`)
      const columns = sql.literal(
        'id, actor, role, created_at AS "createdAt", created_by AS "createdBy", expires_at AS "expiresAt", ' +
          'revoked_at AS "revokedAt", revoked_by AS "revokedBy", last_used_at AS "lastUsedAt"'
      )
      const mapReplicaErrors = withReplicaErrors(sql)
      const now = () => databaseNow(sql, clock.override)
      const validCondition = () => sql`revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${now()})`
      let cache: TokenCache | undefined
      let usedIds = new Set<string>()

      // All callers wait for this read, so it has the short timeout.
      const readTokens = gate.read(
        "AccessTokens.authenticate",
        Effect.fnUntraced(function* () {
          // Before the query: a token that is revoked later is in the cache for its normal time at most.
          const readAt = performance.now()
          const recentlyUsed = usedIds
          usedIds = new Set()
          if (recentlyUsed.size > 0) {
            // Optional: a failure is ignored, and a role that only reads cannot do it.
            yield* Effect.ignore(sql`
              UPDATE ${table} SET last_used_at = ${now()}
              WHERE id = ANY(${arrayLiteral([...recentlyUsed])}::text[])
                AND (last_used_at IS NULL OR last_used_at < ${now()} - interval '1 minute')`)
          }
          const rows = yield* sql<{ readonly hash: Uint8Array; readonly now: Date }>`
            SELECT ${columns}, hash, ${now()} AS now FROM ${table} WHERE ${validCondition()}`
          cache = {
            readAt,
            databaseTime: rows[0]?.now.getTime() ?? 0,
            byId: new Map(
              decodeRows(rows.map(({ hash: _hash, now: _now, ...row }) => row)).map((token, index) => [
                token.id,
                { token, hash: rows[index]?.hash ?? new Uint8Array() }
              ])
            ),
            under: new Map()
          }
          return outsideLog(cache)
        })
      )()

      const cachedSince = (moment: number): TokenCache | undefined =>
        cache !== undefined && cache.readAt >= moment ? cache : undefined

      /** The tokens as of a moment or later. Concurrent callers share one query. */
      const tokensSince = (moment: number): Effect.Effect<TokenCache, SqlError.SqlError> =>
        Effect.suspend(() => {
          const already = cachedSince(moment)
          if (already !== undefined) return Effect.succeed(already)
          return reading.withPermits(1)(
            Effect.suspend(() => {
              const read = cachedSince(moment)
              return read === undefined ? readTokens : Effect.succeed(read)
            })
          )
        })

      /** The tokens from the cache, read again when they are stale. */
      const currentTokens = Effect.suspend(() => tokensSince(performance.now() - staleness))

      /**
       * The tokens as of now, for a secret that is not in the cache: its token may be new. Limited to one query in 200
       * milliseconds, so that callers with wrong secrets neither delay others nor load the database.
       */
      const freshTokens = Effect.suspend(() => {
        const moment = performance.now()
        return refreshing.withPermits(1)(
          Effect.suspend(() => {
            const already = cachedSince(moment)
            if (already !== undefined) return Effect.succeed(already)
            const wait =
              cache === undefined ? 0 : cache.readAt + Math.min(unknownTokenReadMillis, staleness) - performance.now()
            return Effect.andThen(wait > 0 ? Effect.sleep(wait) : Effect.void, tokensSince(moment))
          })
        )
      })

      const findUnexpired = (found: TokenCache, id: string): CachedToken | undefined => {
        const one = found.byId.get(id)
        if (one === undefined) return undefined
        const databaseTime = found.databaseTime + performance.now() - found.readAt
        const { expiresAt } = one.token
        return expiresAt !== null && expiresAt.epochMilliseconds <= databaseTime ? undefined : one
      }

      /** Finds the token with an id and a hash, compared in constant time. */
      const findMatching = (found: TokenCache, id: string, hash: Uint8Array): AccessToken | undefined => {
        const one = findUnexpired(found, id)
        const isSame = timingSafeEqual(hash, one?.hash ?? noHash)
        return isSame ? one?.token : undefined
      }

      const readToken = gate.read("AccessTokens.isValid", (id: string) =>
        Effect.map(sql`SELECT ${columns} FROM ${table} WHERE id = ${id} AND ${validCondition()}`, (rows) =>
          outsideLog(decodeRows(rows)[0])
        )
      )

      /**
       * Finds a valid token. In the caller's transaction it reads in that transaction: a shared query may be waiting for the only
       * session of an embedded database, which the transaction occupies.
       */
      const findValid = Effect.fnUntraced(function* (id: string) {
        const already = cachedSince(performance.now() - staleness)
        if (already !== undefined) return findUnexpired(already, id)?.token
        if (Option.isNone(yield* Effect.serviceOption(sql.transactionService)))
          return findUnexpired(yield* currentTokens, id)?.token
        return yield* readToken(id)
      })

      const authenticate = Effect.fnUntraced(function* (shown: Redacted.Redacted) {
        const text = Redacted.value(shown)
        const id = parseTokenId(text)
        if (id === undefined) return yield* new AccessTokenRefused({ reason: "malformed" })
        const hash = hashTokenSecret(text)
        // A wrong secret takes the same steps as an unknown id, so that the duration does not reveal ids.
        const found = findMatching(yield* currentTokens, id, hash) ?? findMatching(yield* freshTokens, id, hash)
        if (found === undefined) return yield* new AccessTokenRefused({ reason: "notValid" })
        usedIds.add(id)
        return found
      })

      /** Refuses a token whose name overlaps another's. The lock serializes it with other creations until the commit. */
      const refuseOverlap = Effect.fnUntraced(function* (created: Holder) {
        // This mode conflicts with itself and with no other write. A role without all privileges on the table cannot take it.
        yield* sql`LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE`
        const holders = yield* sql<Holder & { readonly id: string }>`
          SELECT id, actor, role FROM ${table} WHERE ${validCondition()} ORDER BY created_at, id`
        const conflict = holders.find((holder) => overlaps(holder, created))
        if (conflict === undefined) return
        return yield* new AccessTokenConflict({ actor: created.actor, holder: conflict.actor, id: conflict.id })
      })

      const holdersUnder = (name: string) =>
        Effect.map(currentTokens, ({ byId, under }) => {
          const already = under.get(name)
          if (already !== undefined) return already
          const actors = new Set(Array.from(byId.values(), ({ token }) => token.actor))
          const found = [...actors].filter((actor) => isUnder(actor, name))
          under.set(name, found)
          return found
        })

      return AccessTokens.of({
        holdersUnder,
        create: Effect.fn("AccessTokens.create")(function* (input) {
          const { actor, createdBy, expiresInDays, role } = yield* decodeNew(input)
          const { hash, id, text } = makeTokenSecret()
          const rows = yield* inTransaction(sql)(
            Effect.andThen(
              refuseOverlap({ actor, role }),
              sql`
              INSERT INTO ${table} (id, hash, actor, role, created_at, created_by, expires_at)
              VALUES (${id}, ${hash}, ${actor}, ${role}, ${now()}, ${createdBy},
                ${now()} + ${expiresInDays ?? null}::float8 * interval '1 day')
              RETURNING ${columns}, ${requireDurableCommit(sql)} AS "synchronousCommit"`
            )
          )
          return { token: single(decodeRows(rows)), secret: Redacted.make(text, { label: "access token" }) }
        }, mapReplicaErrors),
        list: gate.read("AccessTokens.list", () =>
          Effect.map(sql`SELECT ${columns} FROM ${table} ORDER BY created_at, id`, (rows) =>
            outsideLog(decodeRows(rows))
          )
        )(),
        revoke: Effect.fn("AccessTokens.revoke")(function* (id, by) {
          const revokedBy = yield* decodeName(by)
          const rows = yield* Effect.suspend(
            () => sql`
                UPDATE ${table} SET revoked_at = coalesce(revoked_at, ${now()}), revoked_by = coalesce(revoked_by, ${revokedBy})
                WHERE id = ${id} RETURNING ${columns}, ${requireDurableCommit(sql)} AS "synchronousCommit"`
          )
          cache = undefined
          return rows.length === 0 ? yield* new AccessTokenNotFound({ id }) : single(decodeRows(rows))
        }, mapReplicaErrors),
        authenticate,
        isValid: (id, as) =>
          Effect.map(
            findValid(id),
            (token) => token !== undefined && (as === undefined || (token.actor === as.actor && token.role === as.role))
          ),
        hasAny: Effect.map(
          Effect.suspend(() => tokensSince(performance.now())),
          ({ byId }) => byId.size > 0
        )
      })
    })
  ).pipe(Layer.provide([layerReadGateAlone, Migrations.layer]))
}

/** Minimum time between two queries for unknown secrets, in milliseconds. */
const unknownTokenReadMillis = 200

interface CachedToken {
  readonly token: AccessToken
  readonly hash: Uint8Array
}

/** The tokens that were valid when they were read. */
interface TokenCache {
  /** When they were read, in milliseconds of `performance.now()`. */
  readonly readAt: number
  /** The time of the database then, in milliseconds since the epoch. */
  readonly databaseTime: number
  readonly byId: ReadonlyMap<string, CachedToken>
  /** Memoized results of `holdersUnder`. */
  readonly under: Map<string, ReadonlyArray<string>>
}

/** Compared with the hash of an unknown token, so that both cases take the same time. */
const noHash = new Uint8Array(32)

const single = <A>(rows: ReadonlyArray<A>): A => {
  const [row] = rows
  if (row === undefined) throw new Error("the database wrote a row and did not return it")
  return row
}

const Time = Schema.DateTimeUtcFromDate
const AccessTokenRow = Schema.Struct({
  ...AccessToken.fields,
  createdAt: Time,
  expiresAt: Schema.NullOr(Time),
  revokedAt: Schema.NullOr(Time),
  lastUsedAt: Schema.NullOr(Time)
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(AccessTokenRow))
const decodeNew = decodeInput(NewAccessToken)
const decodeName = decodeInput(Name)
