import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { Shown } from "../events/ReadGate.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import type { CardTables } from "./CardTables.ts"

/** Identifies a claim. */
export interface ClaimKey {
  readonly id: CardId
  readonly token: number
}

/** Queries for the end of claims. */
export interface ClaimEndQueries {
  /** Whether each claim has ended, in the same order. An expired claim ends when it is reclaimed. */
  readonly haveClaimsEnded: (
    claims: ReadonlyArray<ClaimKey>
  ) => Effect.Effect<Shown<ReadonlyArray<boolean>>, SqlError.SqlError>
}

export const makeClaimEndQueries = (
  sql: SqlClient.SqlClient,
  { cards }: CardTables,
  end: Statement.Fragment
): ClaimEndQueries => ({
  haveClaimsEnded: (claims) =>
    Effect.map(
      Effect.suspend(
        () => sql<{ readonly shown: number; readonly hasEnded: boolean }>`
          SELECT ${end} AS shown, coalesce((
              SELECT card.claim_token_high * 2147483648::int8 + card.claim_token <> held.token
              FROM ${cards} AS card WHERE card.id = held.id
            ), true) AS "hasEnded"
          FROM unnest(${arrayLiteral(claims.map(({ id }) => id))}::text[],
            ${arrayLiteral(claims.map(({ token }) => token))}::int8[]) WITH ORDINALITY AS held (id, token, place)
          ORDER BY held.place`
      ),
      (rows) => ({ value: rows.map(({ hasEnded }) => hasEnded), position: rows[0]?.shown ?? 0 })
    )
})
