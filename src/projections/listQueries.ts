import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Card, Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import type { Claimability, ListOrder, ListSelection } from "../domain/CardFilter.ts"
import { outsideLog, type Shown } from "../events/ReadGate.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { type CardTables, decodeCountedCard } from "./CardTables.ts"

/** The cards to list, and in which order. Every condition must be true. */
export interface ListFilter extends ListSelection {
  /** Only cards with an event after this position. */
  readonly changedAfter?: number | undefined
  /** Only cards after this one in the order. */
  readonly after?: CardId | undefined
  /** Only cards before this one in the order, the nearest ones. */
  readonly before?: CardId | undefined
  /** Whether bodies, acceptance criteria and results are left out: they are null. */
  readonly isSummary?: boolean | undefined
}

/** Converts a value or several to an array. */
export const toArray = <A extends string>(value: A | ReadonlyArray<A>): ReadonlyArray<A> =>
  typeof value === "string" ? [value] : value

const allStatuses: ReadonlyArray<Status> = ["ready", "claimed", "blocked", "done"]

/** The condition of the index of the claim order. Deferred cards whose time has passed are claimable too. */
const claimableCondition = "status = 'ready' AND unmet_dependencies = 0 AND NOT deferred"

/** The condition of the index of the other ready cards. */
const unclaimableCondition = "status = 'ready' AND (unmet_dependencies > 0 OR deferred)"

/** The conditions of the indexes that together have all cards of a status, in claim order. */
const indexConditions: Readonly<Record<Status, ReadonlyArray<string>>> = {
  ready: [claimableCondition, unclaimableCondition],
  claimed: ["status = 'claimed'"],
  blocked: ["status = 'blocked'"],
  done: ["status = 'done'"]
}

/** The status of the cards that are not claimable for a reason, and the condition of the index that has them in claim order. */
const indexOf: Readonly<Record<Exclude<Claimability, "claimable">, readonly [Status, condition: string]>> = {
  waiting: ["ready", unclaimableCondition],
  deferred: ["ready", unclaimableCondition],
  expired: ["claimed", "status = 'claimed'"]
}

/**
 * The columns of each order, first to last and last to first. `listed_position` and `listed_at` are those of the table by whose index the
 * list is read: the planner would not use that index for the equal column of a card.
 */
const orders: Readonly<Record<ListOrder, readonly [forward: string, backward: string]>> = {
  claim: ["priority DESC, created_at, id", "priority, created_at DESC, id DESC"],
  changed: ["listed_position DESC", "listed_position"],
  created: ["listed_at DESC, id DESC", "listed_at, id"],
  completed: ["completed_at DESC, id DESC", "completed_at, id"]
}

/** Up to this many cards that an index finds are sorted. With more, a scan in the order of the list finds the first ones sooner. */
const maxSorted = 50_000

/** If up to this many cards have the labels of a search, the words are searched for in these cards. */
const maxLabelled = 5000

/**
 * The number of cards that are read in the order of the list, before an index on a condition is used, for a list of at most
 * `limit` cards. Cards that match a frequent condition are among them.
 */
const walkLength = (limit: number): number => Math.max(1000, 8 * limit)

/** Rows that one index has in the order of the list. */
interface Part {
  readonly from: Statement.Fragment
  readonly condition: Statement.Fragment
}

/** A row with the position that it shows. Without a card, the id is null. */
interface ShownRow {
  readonly id: string | null
  readonly shown: number
}

/** The marks that `search_document_v1` leaves out. */
const leftOutMarks = /[/._\-:@<>&+=~%#?*|\\]/g

/** A query of the search index: words with marks between them must follow each other. */
export const searchQuery = (text: string): string =>
  text
    .split(/\s+/)
    .map((word) => word.replaceAll(leftOutMarks, " ").trim())
    .filter((word) => word !== "")
    .map((word) => `'${word.replaceAll("'", "''")}':*`)
    .join(" & ")

/** Makes the query for lists. Each result comes from one statement, so it is a state that existed. */
export const makeListQuery = (
  sql: SqlClient.SqlClient,
  schema: string,
  tables: CardTables,
  now: () => Statement.Fragment,
  end: Statement.Fragment
): ((filter: ListFilter) => Effect.Effect<Shown<ReadonlyArray<Card>>, SqlError.SqlError>) => {
  const { cards, search } = tables
  const events = sql(`${schema}.events`)
  const literal = (text: string) => sql.literal(text)
  const textArray = (values: ReadonlyArray<string>) => sql`${arrayLiteral(values)}::text[]`

  const readEnd = Effect.map(
    sql<Pick<ShownRow, "shown">>`SELECT ${end} AS shown`,
    ([row]): Shown<ReadonlyArray<Card>> => ({
      value: [],
      position: row?.shown ?? 0
    })
  )

  const isClaimability = (claimability: Claimability): Statement.Fragment => {
    switch (claimability) {
      case "claimable":
        return sql`status = 'ready' AND unmet_dependencies = 0 AND (not_before IS NULL OR not_before <= ${now()})`
      case "waiting":
        return sql`status = 'ready' AND unmet_dependencies > 0`
      case "deferred":
        return sql`status = 'ready' AND unmet_dependencies = 0 AND not_before > ${now()}`
      case "expired":
        return sql`status = 'claimed' AND claim_expires_at <= ${now()}`
    }
  }

  /** The conditions on the row of a card, except for its words. */
  const rowConditions = (filter: ListFilter): ReadonlyArray<Statement.Fragment> => {
    const { changedAfter, claimability, labels, maxPriority, minPriority, owner, phase, status, withoutLabels } = filter
    return [
      ...(status === undefined ? [] : [sql`status = ANY(${textArray(toArray(status))})`]),
      ...(claimability === undefined ? [] : [isClaimability(claimability)]),
      ...(phase === undefined
        ? []
        : typeof phase === "string"
          ? [sql`phase = ${phase}`]
          : [sql`phase = ANY(${textArray(phase)})`]),
      ...(labels === undefined || labels.length === 0 ? [] : [sql`labels @> ${textArray(labels)}`]),
      ...(withoutLabels === undefined || withoutLabels.length === 0
        ? []
        : [sql`NOT labels && ${textArray(withoutLabels)}`]),
      ...(owner === undefined ? [] : [sql`claim_owner = ${owner}`]),
      ...(minPriority === undefined ? [] : [sql`priority >= ${minPriority}`]),
      ...(maxPriority === undefined ? [] : [sql`priority <= ${maxPriority}`]),
      ...(changedAfter === undefined ? [] : [sql`position > ${BigInt(changedAfter)}::int8`])
    ]
  }

  const hasWords = (text: string) => sql`document @@ to_tsquery('pg_catalog.simple', ${searchQuery(text)})`

  /** The ids of the cards that an index outside the order of the list finds. `undefined` if no condition has such an index. */
  const selectMatches = (filter: ListFilter): Statement.Fragment | undefined => {
    const { changedAfter, claimability, labels = [], owner, text } = filter
    if (labels.length > 0) {
      const labelled = sql`labels <> '{}' AND labels @> ${textArray(labels)}`
      if (text === undefined) return sql`SELECT id FROM ${search} WHERE ${labelled}`
      // A frequent word is found in each card of a label sooner than in the index.
      const limited = sql`SELECT * FROM ${search} WHERE ${labelled} LIMIT ${maxLabelled + 1}`
      const isRare = (than: string) => sql`(SELECT count(*) FROM labelled) ${literal(than)} ${maxLabelled}`
      return sql`WITH labelled AS MATERIALIZED (${limited})
        SELECT id FROM labelled WHERE ${isRare("<=")} AND ${hasWords(text)}
        UNION ALL SELECT id FROM ${search} WHERE ${isRare(">")} AND ${hasWords(text)}`
    }
    if (text !== undefined) return sql`SELECT id FROM ${search} WHERE ${hasWords(text)}`
    if (claimability === "expired") {
      return sql`SELECT id FROM ${cards} WHERE status = 'claimed' AND claim_expires_at <= ${now()}`
    }
    if (claimability === "deferred") return sql`SELECT id FROM ${cards} WHERE deferred AND not_before > ${now()}`
    if (owner !== undefined) return sql`SELECT id FROM ${cards} WHERE status = 'claimed' AND claim_owner = ${owner}`
    return changedAfter === undefined
      ? undefined
      : sql`SELECT DISTINCT card_id AS id FROM ${events} WHERE position > ${BigInt(changedAfter)}::int8`
  }

  /** The cards whose time has passed since the last claim: few, which are read by these times and sorted. */
  const dueAgain = (): Part => ({
    from: sql`(SELECT * FROM ${cards} WHERE deferred AND not_before <= ${now()} OFFSET 0) AS due`,
    condition: sql`unmet_dependencies = 0`
  })

  /** Indexes that together have the cards in the order. */
  const partsOf = (order: ListOrder, { claimability, status = allStatuses }: ListFilter): ReadonlyArray<Part> => {
    const ofIndex = (condition: string): Part => ({ from: sql`${cards}`, condition: literal(condition) })
    switch (order) {
      case "claim":
        if (claimability === "claimable") return [ofIndex(claimableCondition), dueAgain()]
        if (claimability === undefined) return toArray(status).flatMap((each) => indexConditions[each].map(ofIndex))
        return toArray(status).includes(indexOf[claimability][0]) ? [ofIndex(indexOf[claimability][1])] : []
      // A card is listed at the last of its events.
      case "changed":
        return [
          {
            // With a join of two equal columns the planner expects a single card, and sorts all of them.
            from: sql`(SELECT cards.*, event.position AS listed_position FROM ${events} AS event CROSS JOIN LATERAL
              (SELECT * FROM ${cards} AS cards WHERE cards.id = event.card_id AND cards.position = event.position LIMIT 1
              ) AS cards) AS cards`,
            condition: literal("true")
          }
        ]
      case "created":
        return [
          {
            from: sql`(SELECT cards.*, search.created_at AS listed_at FROM ${search} AS search JOIN ${cards} AS cards
              ON cards.id = search.id) AS cards`,
            condition: literal("true")
          }
        ]
      case "completed":
        return [ofIndex("status = 'done'")]
    }
  }

  /** The conditions of what is after a card in an order, or before it: each alternative is a range of an index. */
  const placesOf = (
    order: ListOrder,
    id: CardId | undefined,
    isBackward: boolean
  ): ReadonlyArray<ReadonlyArray<Statement.Fragment>> => {
    if (id === undefined) return [[]]
    const of = (column: string) => sql`(SELECT ${literal(column)} FROM ${cards} WHERE id = ${id})`
    const [less, greater] = isBackward ? [literal(">"), literal("<")] : [literal("<"), literal(">")]
    switch (order) {
      case "claim":
        return [
          [sql`priority = ${of("priority")}`, sql`(created_at, id) ${greater} (${of("created_at")}, ${of("id")})`],
          [sql`priority ${less} ${of("priority")}`]
        ]
      case "changed":
        return [[sql`listed_position ${less} ${of("position")}`]]
      case "created":
        return [[sql`(listed_at, id) ${less} (${of("created_at")}, ${of("id")})`]]
      case "completed":
        return [[sql`(completed_at, id) ${less} (${of("completed_at")}, ${of("id")})`]]
    }
  }

  const columnsOfOrder: Readonly<Record<ListOrder, Statement.Fragment>> = {
    claim: sql``,
    changed: sql`, cards.position AS listed_position`,
    created: sql`, cards.created_at AS listed_at`,
    completed: sql``
  }

  /**
   * Reads the indexes that have the cards in the order of the list, merged, without a sort. A condition that another index has
   * is either frequent, and enough cards at the beginning of the order match, or all cards that the other index finds are read
   * and sorted.
   */
  return (filter) => {
    const { after, before, order = "claim", text } = filter
    const isBackward = after === undefined && before !== undefined
    const [forward, backward] = orders[order]
    const direction = literal(isBackward ? backward : forward)
    const limitTo = (count: number | undefined) => (count === undefined ? sql`` : sql`LIMIT ${count}`)
    const conditions = rowConditions(filter)
    const parts = partsOf(order, filter)
    if (parts.length === 0) return Effect.succeed(outsideLog<ReadonlyArray<Card>>([]))
    const places = placesOf(order, isBackward ? before : after, isBackward)

    const columns = filter.isSummary === true ? tables.summaryColumns : tables.columns
    const toPage = (rows: ReadonlyArray<ShownRow>): Effect.Effect<Shown<ReadonlyArray<Card>>, SqlError.SqlError> => {
      const position = rows[0]?.shown
      // No row says what an empty list shows. An end that is read later includes it.
      if (position === undefined) return readEnd
      const value = rows.flatMap((row) => (row.id === null ? [] : [decodeCountedCard(row).card]))
      return Effect.succeed({ value: isBackward ? value.reverse() : value, position })
    }
    const inOrder = (more: ReadonlyArray<Statement.Fragment>, count: number | undefined) => {
      const ranges = parts.flatMap(({ condition, from }) =>
        places.map(
          (place) =>
            sql`(SELECT * FROM ${from} WHERE ${sql.and([condition, ...place, ...more])}
              ORDER BY ${direction} ${limitTo(count)})`
        )
      )
      return sql`(${unionAll(sql, ranges)}) AS cards`
    }
    const select = (from: Statement.Fragment, where: ReadonlyArray<Statement.Fragment>) =>
      sql<ShownRow>`
        SELECT ${columns}, ${end} AS shown
        FROM ${from} ${where.length === 0 ? sql`` : sql`WHERE ${sql.and(where)}`}
        ORDER BY ${direction} ${limitTo(filter.limit)}`

    const matches = selectMatches(filter)
    const { limit } = filter
    if (matches === undefined) return Effect.flatMap(select(inOrder(conditions, limit), []), toPage)

    const isPlace = sql.or(places.map((place) => sql.and(place.length === 0 ? [literal("true")] : place)))
    const isListed = order === "completed" ? [literal("status = 'done'")] : []
    const sorted = (source: Statement.Fragment, where: ReadonlyArray<Statement.Fragment>) => sql`(
      SELECT * FROM (SELECT cards.*${columnsOfOrder[order]} FROM ${source}) AS cards
      WHERE ${sql.and([...conditions, ...isListed, isPlace, ...where])} ORDER BY ${direction} ${limitTo(limit)})`
    if (limit === undefined) {
      return Effect.flatMap(
        select(sql`${sorted(sql`(${matches}) AS found JOIN ${cards} AS cards USING (id)`, [])} AS cards`, []),
        toPage
      )
    }

    const readMatches = Effect.suspend(() => {
      // The planner overestimates the number of cards with a word, and compiles the query or starts parallel workers, which
      // takes longer than reading the cards. With a limit that it does not know, it expects a tenth of them.
      const found = sql`(${matches} LIMIT (SELECT ${maxSorted + 1}::int8))`
      // An index scan for an array takes less than half as long as a join.
      const page = sorted(sql`${cards} AS cards WHERE cards.id = ANY(ARRAY(SELECT id FROM found))`, [
        sql`(SELECT count(*) FROM found) <= ${maxSorted}`
      ])
      return sql<ShownRow & { readonly found: number }>`
        WITH found AS MATERIALIZED ${found} SELECT ${columns}, ${end} AS shown, total.found
        FROM (SELECT count(*)::int4 AS found FROM found) AS total LEFT JOIN ${page} AS cards ON true ORDER BY ${direction}`
    })
    const readManyMatches = Effect.suspend(() => {
      const hasText = text === undefined ? [] : [sql`id IN (SELECT id FROM ${search} WHERE ${hasWords(text)})`]
      return select(inOrder([...conditions, ...hasText], limit), [])
    })
    const length = walkLength(limit)
    const beginning = sql`(SELECT * FROM ${inOrder([], length)} ORDER BY ${direction} LIMIT ${length}) AS cards`
    const readBeginning = select(beginning, [
      ...conditions,
      ...(text === undefined
        ? []
        : [sql`(SELECT ${hasWords(text)} FROM ${search} AS search WHERE search.id = cards.id)`])
    ])
    return Effect.gen(function* () {
      const first = yield* readBeginning
      if (first.length === limit) return yield* toPage(first)
      const all = yield* readMatches
      return yield* toPage((all[0]?.found ?? 0) > maxSorted ? yield* readManyMatches : all)
    })
  }
}

const unionAll = (sql: SqlClient.SqlClient, parts: ReadonlyArray<Statement.Fragment>): Statement.Fragment =>
  parts.reduce((all, part) => sql`${all} UNION ALL ${part}`)
