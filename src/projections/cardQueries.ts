import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { ActiveClaim } from "../domain/ActiveClaim.ts"
import type { CardId } from "../domain/CardId.ts"
import type { CardNote } from "../domain/CardNote.ts"
import { redactedText } from "../domain/Event.ts"
import type { Shown } from "../events/ReadGate.ts"
import type { CardTables } from "./CardTables.ts"

/** Which notes of a card to read. */
export interface NotesFilter {
  readonly id: CardId
  readonly limit: number
  /** Only notes before this version of the card. */
  readonly before?: number | undefined
}

/** Which claims to read. */
export interface ClaimsFilter {
  readonly owner?: string | undefined
  readonly limit: number
  /** Only claims after this one in the order. */
  readonly after?: { readonly expiresAt: DateTime.Utc; readonly id: CardId } | undefined
}

/** Queries for the notes on a card and for current claims. */
export interface CardQueries {
  /** The notes on a card, the last one first. */
  readonly notes: (filter: NotesFilter) => Effect.Effect<Shown<ReadonlyArray<CardNote>>, SqlError.SqlError>
  /** The current claims, the one that expires first at the beginning. */
  readonly claims: (filter: ClaimsFilter) => Effect.Effect<Shown<ReadonlyArray<ActiveClaim>>, SqlError.SqlError>
}

export const makeCardQueries = (
  sql: SqlClient.SqlClient,
  schema: string,
  { cards }: CardTables,
  now: () => Statement.Fragment,
  end: Statement.Fragment
): CardQueries => {
  const events = sql(`${schema}.events`)

  const withEnd = <Row, A>(
    statement: Statement.Statement<{ readonly shown: number; readonly row: Row | null }>,
    decode: (row: Row) => A
  ) =>
    Effect.map(statement, (rows): Shown<ReadonlyArray<A>> => ({
      value: rows.flatMap(({ row }) => (row === null ? [] : [decode(row)])),
      position: rows[0]?.shown ?? 0
    }))

  const notes = ({ before, id, limit }: NotesFilter) =>
    Effect.suspend(() =>
      withEnd(
        sql<{ readonly shown: number; readonly row: NoteRow | null }>`
          SELECT ${end} AS shown, pg_catalog.to_jsonb(note) AS row FROM (SELECT) AS one LEFT JOIN (
            SELECT version, data ->> 'text' AS text, actor, (extract(epoch FROM occurred_at) * 1000)::float8 AS at,
              data -> 'claim' AS claim
            FROM ${events} WHERE card_id = ${id} AND type = 'CardNoted'
              ${before === undefined ? sql`` : sql`AND version < ${before}`}
            ORDER BY version DESC LIMIT ${limit}) AS note ON true ORDER BY note.version DESC`,
        ({ at, text, ...note }): CardNote => ({ ...note, text: text ?? redactedText, at: DateTime.makeUnsafe(at) })
      )
    )

  const claims = ({ after, limit, owner }: ClaimsFilter) =>
    Effect.suspend(() =>
      withEnd(
        sql<{ readonly shown: number; readonly row: ClaimRow | null }>`
          SELECT ${end} AS shown, pg_catalog.to_jsonb(claim) AS row FROM (SELECT) AS one LEFT JOIN (
            SELECT id, title, phase, labels, priority, claim_owner AS owner,
              claim_token_high * 2147483648::int8 + claim_token AS token, claim_ttl_seconds AS "ttlSeconds",
              (extract(epoch FROM claimed_at) * 1000)::float8 AS "claimedAt",
              (extract(epoch FROM claim_expires_at) * 1000)::float8 AS "expiresAt",
              claim_expires_at <= ${now()} AS expired, attempts AS attempt, (
                SELECT count(*) FROM ${events} AS renewal WHERE renewal.card_id = cards.id AND renewal.type = 'ClaimRenewed'
                  AND renewal.version > (
                    SELECT version FROM ${events} AS claimed WHERE claimed.card_id = cards.id AND claimed.type = 'CardClaimed'
                    ORDER BY version DESC LIMIT 1)) AS renewals,
              last_note AS "noteText", last_note_actor AS "noteActor",
              (extract(epoch FROM last_note_at) * 1000)::float8 AS "noteAt"
            FROM ${cards} AS cards WHERE status = 'claimed' ${owner === undefined ? sql`` : sql`AND claim_owner = ${owner}`}
              ${
                after === undefined
                  ? sql``
                  : sql`AND (claim_expires_at, id) > (${DateTime.toDateUtc(after.expiresAt)}::timestamptz, ${after.id}::text COLLATE "C")`
              }
            ORDER BY claim_expires_at, id LIMIT ${limit}) AS claim ON true ORDER BY claim."expiresAt", claim.id`,
        ({ claimedAt, expiresAt, noteActor, noteAt, noteText, ...claim }): ActiveClaim => ({
          ...claim,
          claimedAt: DateTime.makeUnsafe(claimedAt),
          expiresAt: DateTime.makeUnsafe(expiresAt),
          lastNote: noteText === null ? null : { text: noteText, actor: noteActor, at: DateTime.makeUnsafe(noteAt) }
        })
      )
    )

  return { notes, claims }
}

interface NoteRow extends Omit<CardNote, "at" | "text"> {
  readonly at: number
  readonly text: string | null
}

interface ClaimRow extends Omit<ActiveClaim, "claimedAt" | "expiresAt" | "lastNote"> {
  readonly claimedAt: number
  readonly expiresAt: number
  readonly noteText: string | null
  readonly noteActor: string
  readonly noteAt: number
}
