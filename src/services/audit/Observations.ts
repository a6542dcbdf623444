import { type Context, Effect, Schema } from "effect"
import { type SqlClient, type SqlError, Statement } from "effect/sql"
import { Name } from "../../domain/Text.ts"
import { Anchor } from "../../events/Anchor.ts"
import type { VerifyReport } from "../../projections/Divergence.ts"
import type { DatabaseClock } from "../../sql/DatabaseClock.ts"
import { databaseErrorKind } from "../../sql/databaseErrors.ts"

/** A verification that ended, as the program that carried it out reported it. Not part of the log, and proves nothing. */
export const Verification = Schema.Struct({
  /** When it ended, by the clock of the database. */
  verifiedAt: Schema.DateTimeUtcFromString,
  /** Its duration in milliseconds. */
  durationMillis: Schema.Int,
  /** The position of the last event that it verified. */
  position: Schema.Int,
  /** Whether it found no divergence. */
  outcome: Schema.Literals(["consistent", "divergent"]),
  /** The number of divergences that it found. */
  divergences: Schema.Int,
  /** The position of the anchor that it compared with the log; `null` if none was given. */
  anchorPosition: Schema.NullOr(Schema.Int),
  /** Whether the log continues that anchor; `null` if none was given. */
  anchorMatched: Schema.NullOr(Schema.Boolean),
  /** The actor that verified; `null` if it is unknown. */
  actor: Schema.NullOr(Name)
})

/** A verification that ended. */
export interface Verification extends Schema.Schema.Type<typeof Verification> {}

/** An anchor that was made. Not part of the log: an anchor proves something only if it is kept elsewhere. */
export const MadeAnchor = Schema.Struct({
  ...Anchor.fields,
  /** When it was made, by the clock of the database. If it was made several times in a row, the last time. */
  madeAt: Schema.DateTimeUtcFromString,
  /** The actor that made it; `null` if it is unknown. */
  actor: Schema.NullOr(Name)
})

/** An anchor that was made. */
export interface MadeAnchor extends Schema.Schema.Type<typeof MadeAnchor> {}

/** A verification that has ended. */
export interface EndedVerification {
  readonly report: VerifyReport
  /** Whether the log continues the anchor; `null` if none was given. */
  readonly anchorMatched: boolean | null
  readonly durationMillis: number
  readonly actor: string | undefined
}

const decodeVerifications = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ ...Verification.fields, verifiedAt: Schema.DateTimeUtcFromDate }))
)
const decodeAnchors = Schema.decodeUnknownSync(
  Schema.Array(
    Schema.Struct({ ...MadeAnchor.fields, at: Schema.DateTimeUtcFromDate, madeAt: Schema.DateTimeUtcFromDate })
  )
)
const encodeTime = Schema.encodeSync(Schema.DateTimeUtcFromDate)

/** The verifications that were carried out and the anchors that were made: the last 1,000 of each (decision 57). */
export interface Observations {
  /** Records a verification. A failure is logged, and changes nothing. */
  readonly recordVerification: (ended: EndedVerification) => Effect.Effect<void>
  /**
   * Records an anchor. Does nothing in the caller's transaction, which may be rolled back, and which a failure would abort.
   * A failure is logged, and changes nothing.
   */
  readonly recordAnchor: (anchor: Anchor, actor: string | undefined) => Effect.Effect<void>
  /** The last verifications, the latest first. */
  readonly verifications: (limit: number) => Effect.Effect<ReadonlyArray<Verification>, SqlError.SqlError>
  /** The last anchors, the latest first. */
  readonly anchors: (limit: number) => Effect.Effect<ReadonlyArray<MadeAnchor>, SqlError.SqlError>
}

/** Makes the access to the recorded verifications and anchors. */
export const makeObservations = (
  sql: SqlClient.SqlClient,
  schema: string,
  clock: Context.Service.Shape<typeof DatabaseClock>
): Observations => ({
  recordVerification: ({ actor, anchorMatched, durationMillis, report }) =>
    logFailure(
      "verification",
      Effect.suspend(
        () => sql`
          SELECT ${sql(`${schema}.record_verification_v1`)}(${BigInt(report.position)}::int8,
            ${BigInt(report.divergenceCount)}::int8, ${BigInt(durationMillis)}::int8,
            ${report.anchoredPosition === null ? null : BigInt(report.anchoredPosition)}::int8,
            ${anchorMatched}::bool, ${actor ?? null}::text, ${Statement.parameter(clock.override())}::timestamptz)`
      )
    ),
  recordAnchor: ({ at, chainHash, position, signature }, actor) =>
    Effect.flatMap(Effect.serviceOption(sql.transactionService), (open) =>
      open._tag === "Some"
        ? Effect.void
        : logFailure(
            "anchor",
            sql`
              SELECT ${sql(`${schema}.record_anchor_v1`)}(${BigInt(position)}::int8, ${chainHash}::text,
                ${encodeTime(at)}::timestamptz, ${signature}::text, ${actor ?? null}::text,
                ${Statement.parameter(clock.override())}::timestamptz)`
          )
    ),
  verifications: (limit) =>
    Effect.map(
      sql`
        SELECT verified_at AS "verifiedAt", duration_millis::float8 AS "durationMillis", position::float8 AS position,
          CASE divergences WHEN 0 THEN 'consistent' ELSE 'divergent' END AS outcome, divergences::float8 AS divergences,
          anchor_position::float8 AS "anchorPosition", anchor_matched AS "anchorMatched", actor
        FROM ${sql(`${schema}.verifications`)} ORDER BY number DESC, verified_at DESC LIMIT ${BigInt(limit)}::int8`,
      decodeVerifications
    ),
  anchors: (limit) =>
    Effect.map(
      sql`
        SELECT position::float8 AS position, pg_catalog.encode(chain_hash, 'hex') AS "chainHash", anchored_at AS at,
          signature, made_at AS "madeAt", actor
        FROM ${sql(`${schema}.anchors`)} ORDER BY number DESC, made_at DESC LIMIT ${BigInt(limit)}::int8`,
      decodeAnchors
    )
})

/** Logs a failure. A role or a database that may not write is no reason for a warning. */
const logFailure = <A>(what: string, recorded: Effect.Effect<A, SqlError.SqlError>): Effect.Effect<void> =>
  Effect.catch(Effect.asVoid(recorded), (error) =>
    Effect.annotateLogs(
      (databaseErrorKind(error) === "notPermitted" ? Effect.logDebug : Effect.logWarning)(
        `The ${what} was not recorded in the list of those that were carried out. Its result is not affected.`
      ),
      { reason: error.reason._tag }
    )
  )
