import { Context, Duration, Effect, Layer, Option, Redacted, Schema, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { timingSafeEqual } from "node:crypto"
import { Name } from "../../domain/Text.ts"
import { withReplicaErrors } from "../../events/replica.ts"
import { type Holder, isUnder, overlaps } from "./AccessRole.ts"
import { decodeInput, type InvalidInput } from "../decodeInput.ts"
import {
  AccessToken,
  AccessTokenConflict,
  AccessTokenNotFound,
  AccessTokenRefused,
  NewAccessToken
} from "./AccessToken.ts"
import { makeTokenSecret, hashTokenSecret, parseTokenId } from "./tokenSecret.ts"
import type { BacklogMissing } from "../schema/BacklogOpening.ts"
import { type MigrationRefused, Migrations } from "../schema/Migrations.ts"
import { withPromptAnswer } from "../../sql/AnswerTimeout.ts"
import { DatabaseClock, databaseNow } from "../../sql/DatabaseClock.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { arrayLiteral } from "../../sql/arrayLiteral.ts"
import { requireDurableCommit, inTransaction } from "../../sql/inTransaction.ts"

/**
 * For how long what is known of tokens is taken to be so, 2 seconds unless another time is provided: a token that was
 * revoked may be taken for so long after. In between, asking who a token belongs to asks nothing of the database.
 */
export const AccessTokenStaleness: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "mosaic-backlog/AccessTokenStaleness",
  { defaultValue: () => "2 seconds" }
)

/** A token that was just made. */
export interface CreatedAccessToken {
  readonly token: AccessToken
  /** What is to be shown. Nobody can read it again. */
  readonly secret: Redacted.Redacted
}

/** The tokens by which a server knows who calls. */
export class AccessTokens extends Context.Service<
  AccessTokens,
  {
    /**
     * Makes a token. Its secret is answered here and kept nowhere. Fails with `AccessTokenConflict` while a valid token
     * belongs to a name under this worker's, or to a worker whose name this one is under.
     */
    readonly create: (
      input: typeof NewAccessToken.Encoded
    ) => Effect.Effect<CreatedAccessToken, AccessTokenConflict | InvalidInput | SqlError.SqlError>
    /** All tokens, those that expired or were revoked too, the oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<AccessToken>, SqlError.SqlError>
    /** Sees to it that a token is not taken any more. One that was revoked before stays as it is. */
    readonly revoke: (
      id: string,
      by: string
    ) => Effect.Effect<AccessToken, AccessTokenNotFound | InvalidInput | SqlError.SqlError>
    /** The token that a text is, if it is one that is taken now. */
    readonly authenticate: (
      text: Redacted.Redacted
    ) => Effect.Effect<AccessToken, AccessTokenRefused | SqlError.SqlError>
    /** Actors of valid tokens whose names are under a name: a worker of that name does not act for them. */
    readonly holdersUnder: (name: string) => Effect.Effect<ReadonlyArray<string>, SqlError.SqlError>
    /** Whether a token is still taken, and where `as` is given, for the same actor and role. */
    readonly isTaken: (
      id: string,
      as?: Pick<AccessToken, "actor" | "role">
    ) => Effect.Effect<boolean, SqlError.SqlError>
    /** Whether there is a token that is taken. */
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
      const schema = yield* BacklogSchema
      const clock = yield* DatabaseClock
      const staleness = Duration.toMillis(Duration.fromInputUnsafe(yield* AccessTokenStaleness))
      const reading = yield* Semaphore.make(1)
      const lookingFor = yield* Semaphore.make(1)
      const table = sql(`${schema}.access_tokens`)
      const columns = sql.literal(
        'id, actor, role, created_at AS "createdAt", created_by AS "createdBy", expires_at AS "expiresAt", ' +
          'revoked_at AS "revokedAt", revoked_by AS "revokedBy", last_used_at AS "lastUsedAt"'
      )
      const named = withReplicaErrors(sql)
      const now = () => databaseNow(sql, clock.override)
      const isValid = () => sql`revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${now()})`
      let known: Known | undefined
      let used = new Set<string>()

      // All callers wait for this read, so it has the short timeout.
      const readKnown = withPromptAnswer(
        Effect.gen(function* () {
          // Before the database looks: what is revoked after that is known to be so by then at the latest.
          const readAt = performance.now()
          const usedSince = used
          used = new Set()
          if (usedSince.size > 0) {
            // Not worth failing for, nor possible for whoever may only read.
            yield* Effect.ignore(sql`
              UPDATE ${table} SET last_used_at = ${now()}
              WHERE id = ANY(${arrayLiteral([...usedSince])}::text[])
                AND (last_used_at IS NULL OR last_used_at < ${now()} - interval '1 minute')`)
          }
          const rows = yield* sql<{ readonly hash: Uint8Array; readonly now: Date }>`
            SELECT ${columns}, hash, ${now()} AS now FROM ${table} WHERE ${isValid()}`
          known = {
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
          return known
        })
      )

      const readSince = (moment: number): Known | undefined =>
        known !== undefined && known.readAt >= moment ? known : undefined

      /** What was read at a moment or later. Callers that come while it is read take what is read then. */
      const knownSince = (moment: number): Effect.Effect<Known, SqlError.SqlError> =>
        Effect.suspend(() => {
          const already = readSince(moment)
          if (already !== undefined) return Effect.succeed(already)
          return reading.withPermits(1)(
            Effect.suspend(() => {
              const meanwhile = readSince(moment)
              return meanwhile === undefined ? readKnown : Effect.succeed(meanwhile)
            })
          )
        })

      /** What is known now, which asks nothing of the database while that is not too old. */
      const current = Effect.suspend(() => knownSince(performance.now() - staleness))

      /**
       * What is known from now on, for a text that is no known token: its token may have been made just now. Read not too often, so
       * that who shows wrong tokens makes the others wait for nothing, and the database do little.
       */
      const knownFromNowOn = Effect.suspend(() => {
        const moment = performance.now()
        return lookingFor.withPermits(1)(
          Effect.suspend(() => {
            const already = readSince(moment)
            if (already !== undefined) return Effect.succeed(already)
            const wait = known === undefined ? 0 : known.readAt + Math.min(longestPause, staleness) - performance.now()
            return Effect.andThen(wait > 0 ? Effect.sleep(wait) : Effect.void, knownSince(moment))
          })
        )
      })

      const takenIn = (found: Known, id: string): KnownToken | undefined => {
        const one = found.byId.get(id)
        if (one === undefined) return undefined
        const databaseTime = found.databaseTime + performance.now() - found.readAt
        const { expiresAt } = one.token
        return expiresAt !== null && expiresAt.epochMilliseconds <= databaseTime ? undefined : one
      }

      /** The token that has an id and a hash, compared in constant time. */
      const shownIn = (found: Known, id: string, hash: Uint8Array): AccessToken | undefined => {
        const one = takenIn(found, id)
        const isSame = timingSafeEqual(hash, one?.hash ?? nothing)
        return isSame ? one?.token : undefined
      }

      /**
       * A token by what is known. Within a transaction of the caller's a read is made in that transaction: it must not
       * wait for a read of others, who may wait for the only session, which the transaction has.
       */
      const takenNow = Effect.fnUntraced(function* (id: string) {
        const already = readSince(performance.now() - staleness)
        if (already !== undefined) return takenIn(already, id)?.token
        if (Option.isNone(yield* Effect.serviceOption(sql.transactionService)))
          return takenIn(yield* current, id)?.token
        const rows = yield* sql`
          SELECT ${columns} FROM ${table}
          WHERE id = ${id} AND ${isValid()}`
        return decodeRows(rows)[0]
      })

      const authenticate = Effect.fnUntraced(function* (shown: Redacted.Redacted) {
        const text = Redacted.value(shown)
        const id = parseTokenId(text)
        if (id === undefined) return yield* new AccessTokenRefused({ reason: "malformed" })
        const hash = hashTokenSecret(text)
        // A wrong secret takes the same steps as an unknown id, so that the time says nothing about ids.
        const found = shownIn(yield* current, id, hash) ?? shownIn(yield* knownFromNowOn, id, hash)
        if (found === undefined) return yield* new AccessTokenRefused({ reason: "notValid" })
        used.add(id)
        return found
      })

      /** Held until the transaction ends, so that of two tokens that overlap the second one is refused. */
      const refuseOverlap = Effect.fnUntraced(function* (created: Holder) {
        // Excludes itself and no other write. A role without all of a table's privileges cannot take it.
        yield* sql`LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE`
        const holders = yield* sql<Holder & { readonly id: string }>`
          SELECT id, actor, role FROM ${table} WHERE ${isValid()} ORDER BY created_at, id`
        const conflict = holders.find((holder) => overlaps(holder, created))
        if (conflict === undefined) return
        return yield* new AccessTokenConflict({ actor: created.actor, holder: conflict.actor, id: conflict.id })
      })

      const holdersUnder = (name: string) =>
        Effect.map(current, ({ byId, under }) => {
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
          return { token: only(decodeRows(rows)), secret: Redacted.make(text, { label: "access token" }) }
        }, named),
        list: Effect.map(sql`SELECT ${columns} FROM ${table} ORDER BY created_at, id`, decodeRows),
        revoke: Effect.fn("AccessTokens.revoke")(function* (id, by) {
          const revokedBy = yield* decodeName(by)
          const rows = yield* Effect.suspend(
            () => sql`
                UPDATE ${table} SET revoked_at = coalesce(revoked_at, ${now()}), revoked_by = coalesce(revoked_by, ${revokedBy})
                WHERE id = ${id} RETURNING ${columns}, ${requireDurableCommit(sql)} AS "synchronousCommit"`
          )
          known = undefined
          return rows.length === 0 ? yield* new AccessTokenNotFound({ id }) : only(decodeRows(rows))
        }, named),
        authenticate,
        isTaken: (id, as) =>
          Effect.map(
            takenNow(id),
            (token) => token !== undefined && (as === undefined || (token.actor === as.actor && token.role === as.role))
          ),
        hasAny: Effect.map(
          Effect.suspend(() => knownSince(performance.now())),
          ({ byId }) => byId.size > 0
        )
      })
    })
  ).pipe(Layer.provide(Migrations.layer))
}

/** How long after the last look at the tokens one may be looked for that is not known, at most, in milliseconds. */
const longestPause = 200

interface KnownToken {
  readonly token: AccessToken
  readonly hash: Uint8Array
}

/** The tokens that were taken when the database was asked. */
interface Known {
  /** When that was, by this process's own clock, in milliseconds. */
  readonly readAt: number
  /** What the database's clock said, in milliseconds. */
  readonly databaseTime: number
  readonly byId: ReadonlyMap<string, KnownToken>
  /** Actors under a name, for names that were asked for. */
  readonly under: Map<string, ReadonlyArray<string>>
}

/** Compared with where there is nothing to compare with, so that this takes as long. */
const nothing = new Uint8Array(32)

const only = <A>(rows: ReadonlyArray<A>): A => {
  const [row] = rows
  if (row === undefined) throw new Error("a row was written and not answered")
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
