import { Effect, Option } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import {
  type GraphCard,
  type Impact,
  longestChain,
  maxCountedNeighbors,
  maxCountedWaiting,
  maxListedClaimable,
  type Neighbourhood
} from "../domain/CardGraph.ts"
import type { CardId } from "../domain/CardId.ts"
import { outsideLog, type Shown } from "../events/ReadGate.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import type { CardTables } from "./CardTables.ts"

/** Which dependents of a card to read. */
export interface DependentsFilter {
  readonly id: CardId
  readonly limit: number
  readonly after?: CardId | undefined
}

/** Which cards around a card to read. */
export interface NeighbourhoodFilter {
  readonly id: CardId
  readonly hops: number
  readonly limit: number
}

/** Among which open cards to find the longest chain. */
export interface ChainFilter {
  readonly phase?: string | undefined
  readonly label?: string | undefined
}

/**
 * Queries of the graph of cards. Each result comes from one statement, so it is a state that existed. Only `criticalPath` reads
 * the cards of the chain after it has found it.
 */
export interface GraphQueries {
  /** The cards that depend on a card, by id. */
  readonly dependents: (filter: DependentsFilter) => Effect.Effect<Shown<ReadonlyArray<GraphCard>>, SqlError.SqlError>
  /** The cards around a card; none if it does not exist. */
  readonly neighbourhood: (
    filter: NeighbourhoodFilter
  ) => Effect.Effect<Shown<Option.Option<Neighbourhood>>, SqlError.SqlError>
  /** What depends on the completion of a card; none if it does not exist. */
  readonly impact: (id: CardId) => Effect.Effect<Shown<Option.Option<Impact>>, SqlError.SqlError>
  /** A longest chain of open cards, the first to be done at the beginning. */
  readonly criticalPath: (filter: ChainFilter) => Effect.Effect<Shown<ReadonlyArray<GraphCard>>, SqlError.SqlError>
}

const isOpen = "status IN ('ready', 'claimed', 'blocked')"

const graphColumns = `id, title, status, phase, labels, priority, claim_owner AS owner,
  unmet_dependencies AS "unmetDependencies"`

export const makeGraphQueries = (
  sql: SqlClient.SqlClient,
  { cards, dependencies }: CardTables,
  now: () => Statement.Fragment,
  end: Statement.Fragment
): GraphQueries => {
  const columns = sql.literal(graphColumns)

  const dependents: GraphQueries["dependents"] = ({ after, id, limit }) =>
    Effect.map(
      sql<{ readonly shown: number; readonly found: ReadonlyArray<GraphCard> | null }>`
        SELECT ${end} AS shown, (
          SELECT pg_catalog.jsonb_agg(to_jsonb(card) ORDER BY card.id) FROM (
            SELECT ${columns} FROM (
              SELECT card_id FROM ${dependencies} WHERE depends_on_id = ${id}
                ${after === undefined ? sql`` : sql`AND card_id > ${after}`}
              ORDER BY card_id LIMIT ${limit}) AS edge JOIN ${cards} AS cards ON cards.id = edge.card_id) AS card) AS found`,
      ([row]) => ({ value: row?.found ?? [], position: row?.shown ?? 0 })
    )

  const neighbourhood: GraphQueries["neighbourhood"] = ({ hops, id, limit }) =>
    Effect.map(
      sql<{
        readonly shown: number
        readonly cards: ReadonlyArray<GraphCard> | null
        readonly edges: Neighbourhood["edges"] | null
        readonly omitted: Neighbourhood["omitted"] | null
        readonly missing: ReadonlyArray<CardId> | null
      }>`
        WITH RECURSIVE reached (id, hop) AS (
            SELECT id, 0 FROM ${cards} WHERE id = ${id}
            UNION SELECT next.id, hop + 1 FROM reached CROSS JOIN LATERAL (
              (SELECT depends_on_id AS id FROM ${dependencies} WHERE card_id = reached.id ORDER BY depends_on_id LIMIT ${limit})
              UNION ALL
              (SELECT card_id FROM ${dependencies} WHERE depends_on_id = reached.id ORDER BY card_id LIMIT ${limit})) AS next
            WHERE hop < ${hops}),
          nearest AS (SELECT id, min(hop) AS hop FROM (SELECT * FROM reached LIMIT ${limit * (hops + 1) * 2}) AS bounded GROUP BY id),
          included AS MATERIALIZED (
            SELECT cards.*, hop FROM nearest JOIN ${cards} AS cards USING (id) ORDER BY hop, id LIMIT ${limit})
        SELECT ${end} AS shown,
          (SELECT pg_catalog.jsonb_agg(to_jsonb(card) - 'hop' ORDER BY card.hop, card.id) FROM (
            SELECT ${columns}, hop FROM included) AS card) AS cards,
          (SELECT pg_catalog.jsonb_agg(jsonb_build_object('from', card_id, 'to', depends_on_id) ORDER BY card_id, depends_on_id)
            FROM included JOIN ${dependencies} AS edge ON edge.card_id = included.id
            WHERE depends_on_id IN (SELECT id FROM included)) AS edges,
          (SELECT pg_catalog.jsonb_agg(to_jsonb(left_out) ORDER BY left_out.id) FROM (
            SELECT id, (
                SELECT count(*) FROM (SELECT FROM ${dependencies} AS edge WHERE card_id = included.id
                  AND depends_on_id NOT IN (SELECT id FROM included) AND EXISTS (
                    SELECT FROM ${cards} AS other WHERE other.id = edge.depends_on_id)
                  LIMIT ${maxCountedNeighbors}) AS edges) AS dependencies, (
                SELECT count(*) FROM (SELECT FROM ${dependencies} WHERE depends_on_id = included.id
                  AND card_id NOT IN (SELECT id FROM included) LIMIT ${maxCountedNeighbors}) AS edges) AS dependents
            FROM included) AS left_out WHERE dependencies > 0 OR dependents > 0) AS omitted,
          (SELECT pg_catalog.jsonb_agg(DISTINCT depends_on_id) FROM included JOIN ${dependencies} AS edge ON edge.card_id = included.id
            WHERE NOT EXISTS (SELECT FROM ${cards} AS other WHERE other.id = edge.depends_on_id)) AS missing`,
      ([row]) =>
        row === undefined || row.cards === null
          ? noCard
          : {
              value: Option.some({
                cards: row.cards,
                edges: row.edges ?? [],
                omitted: row.omitted ?? [],
                missing: row.missing ?? []
              }),
              position: row.shown
            }
    )

  const impact: GraphQueries["impact"] = (id) =>
    Effect.map(
      Effect.suspend(
        () => sql<Impact & { readonly shown: number; readonly isDone: boolean; readonly waiting: number }>`
          WITH RECURSIVE waits (id) AS (
              SELECT card.id FROM ${dependencies} AS edge JOIN ${cards} AS card ON card.id = edge.card_id
              WHERE edge.depends_on_id = ${id} AND card.status <> 'done'
              UNION SELECT next.id FROM waits CROSS JOIN LATERAL (
                SELECT card.id FROM ${dependencies} AS edge JOIN ${cards} AS card ON card.id = edge.card_id
                WHERE edge.depends_on_id = waits.id AND card.status <> 'done' OFFSET 0) AS next),
            freed AS MATERIALIZED (
              SELECT card.id, card.priority, card.created_at FROM ${dependencies} AS edge JOIN ${cards} AS card ON card.id = edge.card_id
              WHERE edge.depends_on_id = ${id} AND card.status = 'ready' AND card.unmet_dependencies = 1
                AND (card.not_before IS NULL OR card.not_before <= ${now()}))
          SELECT ${end} AS shown, status = 'done' AS "isDone", id,
            ARRAY(SELECT freed.id FROM freed ORDER BY priority DESC, created_at, freed.id LIMIT ${maxListedClaimable}) AS claimable,
            (SELECT count(*) FROM freed)::int4 AS "claimableCount",
            (SELECT count(*) FROM (SELECT FROM waits LIMIT ${maxCountedWaiting + 1}) AS bounded)::int4 AS waiting
          FROM ${cards} AS cards WHERE id = ${id}`
      ),
      ([row]) => {
        if (row === undefined) return noCard
        const { isDone, shown, waiting } = row
        const value: Impact = isDone
          ? { id, claimable: [], claimableCount: 0, waiting: 0, isComplete: true }
          : {
              id,
              claimable: row.claimable,
              claimableCount: row.claimableCount,
              waiting: Math.min(waiting, maxCountedWaiting),
              isComplete: waiting <= maxCountedWaiting
            }
        return { value: Option.some(value), position: shown }
      }
    )

  const criticalPath: GraphQueries["criticalPath"] = Effect.fnUntraced(function* ({ label, phase }) {
    const chosen = sql.and([
      sql.literal(isOpen),
      ...(phase === undefined ? [] : [sql`phase = ${phase}`]),
      ...(label === undefined ? [] : [sql`labels @> ${arrayLiteral([label])}::text[]`])
    ])
    // A row for each card: the edges of all cards together can exceed the size of a message.
    const rows = yield* sql<{
      readonly shown: number
      readonly first: CardId | null
      readonly from: CardId | null
      readonly to: string | null
    }>`
      WITH chosen AS MATERIALIZED (SELECT id FROM ${cards} WHERE ${chosen})
      SELECT ${end} AS shown, (SELECT min(id) FROM chosen) AS first, edges.from, edges.to
      FROM (SELECT) AS one LEFT JOIN (
        SELECT card_id AS from, string_agg(depends_on_id, chr(10) ORDER BY depends_on_id) AS to
        FROM ${dependencies} AS edge JOIN chosen ON chosen.id = edge.card_id
        -- As a join it would compare every edge with every chosen card, where statistics expect few of these.
        WHERE (depends_on_id IN (SELECT id FROM chosen)) IS TRUE GROUP BY card_id) AS edges ON true
      ORDER BY edges.from`
    const { first = null, shown = 0 } = rows[0] ?? {}
    const dependenciesOf = new Map<CardId, ReadonlyArray<CardId>>()
    for (const { from, to } of rows)
      if (from !== null && to !== null) dependenciesOf.set(from, to.split("\n") as Array<CardId>)
    const chain = dependenciesOf.size > 0 ? longestChain(dependenciesOf) : first === null ? [] : [first]
    if (chain.length === 0) return { value: [], position: shown }
    const found = yield* sql<GraphCard & { readonly shown: number }>`
      SELECT ${columns}, ${end} AS shown FROM ${cards} AS cards
      JOIN pg_catalog.unnest(${arrayLiteral(chain)}::text[]) WITH ORDINALITY AS chain (card_id, place) ON chain.card_id = cards.id ORDER BY place`
    return {
      value: found.map(({ shown: _shown, ...card }) => card),
      position: Math.max(shown, ...found.slice(0, 1).map((card) => card.shown))
    }
  })

  return { dependents, neighbourhood, impact, criticalPath }
}

const noCard = outsideLog(Option.none() as Option.None<never>)
