import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Card, Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { type BoundStatement, executeStatement, prepareStatement } from "../sql/prepareStatement.ts"
import type { LockPlan } from "./LockPlan.ts"
import { ReadModelState } from "./ReadModelState.ts"

/** Identifies receipts: the id of a command and its actor. */
export interface ReceiptName {
  readonly commandId: string
  readonly actor: string
}

/** The columns of a receipt, as the database returns them. */
export type ReceiptColumns = readonly [
  commandId: string,
  actor: string,
  kind: string | null,
  shape: string | null,
  salt: string | null,
  digest: string | null,
  outcome: unknown
]

/** What a batch decides on: locked cards, facts of other cards, the generation, and the database's clock after the locks. */
export interface LockedState {
  readonly state: ReadModelState
  readonly generation: number
  readonly now: DateTime.Utc
}

/** The result of `lock_and_load_v4`. */
export interface Loaded extends LockedState {
  readonly receipts: ReadonlyArray<ReceiptColumns>
}

/**
 * Calls of `lock_and_load_v4` of the migrations, in the caller's transaction: it takes the locks of a plan in the lock order of
 * `ReadModel.ts`, and loads what a batch decides on.
 */
export interface LockAndLoad {
  /**
   * The call for a plan and receipts. The server ends the transaction when its client sends nothing for `idleMillis`, unless
   * the role or the database sets a time. Defaults to none.
   */
  readonly bindLoad: (plan: LockPlan, receipts: ReadonlyArray<ReceiptName>, idleMillis?: number) => BoundStatement
  /**
   * Decodes the result of the call. Begins a new generation with `recordServer` first where the log was last written on another
   * server or timeline: that locks the head, and nothing is locked after it.
   */
  readonly decodeLoaded: (rows: ReadonlyArray<object>) => Effect.Effect<Loaded, SqlError.SqlError>
  /** Locks and loads what a batch needs, and finds receipts. */
  readonly lockAndLoad: (
    plan: LockPlan,
    receipts?: ReadonlyArray<ReceiptName>
  ) => Effect.Effect<Loaded, SqlError.SqlError>
}

export const makeLockAndLoad = (
  sql: SqlClient.SqlClient,
  schema: string,
  clockOverride: () => Date | null,
  recordServer: Effect.Effect<number, SqlError.SqlError>
): LockAndLoad => {
  const { bind } = prepareStatement<LockAndLoadArguments, LoadedRow>(
    sql,
    (plan) => sql`SELECT ${sql(`${schema}.lock_and_load_v4`)}(${plan.graphLock}, ${plan.cards}, ${plan.keys},
      ${plan.doneChanges}, ${plan.completed}, ${plan.edgeTargets}, ${plan.haveDependents}, ${plan.claimedById},
      ${plan.limit}, ${plan.phases}, ${plan.priorities}, ${plan.limits}, ${plan.labelled}, ${plan.edgesFrom}, ${plan.edgesTo}, ${plan.reclaims},
      ${plan.commandIds}, ${plan.actors}, ${plan.idleTimeout}, ${plan.override}) AS loaded`
  )
  const bindLoad: LockAndLoad["bindLoad"] = (plan, receipts, idleMillis) =>
    bind(toArguments(plan, receipts, idleMillis, clockOverride()))

  const decodeLoaded: LockAndLoad["decodeLoaded"] = (rows) => {
    const [row] = rows as ReadonlyArray<LoadedRow>
    if (row === undefined) throw new Error("the database returned no facts")
    const facts = JSON.parse(row.loaded) as LoadedFacts
    const [, generation, isSameServer] = facts
    return isSameServer === false
      ? Effect.map(recordServer, (begun) => decodeFacts(facts, begun))
      : // Null where the head row is missing: only a damaged backlog has none, and nothing can be appended to it.
        Effect.succeed(decodeFacts(facts, generation ?? 0))
  }

  const execute = executeStatement(sql)
  return {
    bindLoad,
    decodeLoaded,
    lockAndLoad: (plan, receipts = []) =>
      Effect.flatMap(
        Effect.suspend(() => execute(bindLoad(plan, receipts))),
        decodeLoaded
      )
  }
}

/** The arguments of `lock_and_load_v4`. Arrays are array literals; null when they are empty. */
interface LockAndLoadArguments {
  readonly graphLock: string | null
  readonly cards: string | null
  readonly keys: string | null
  readonly doneChanges: string | null
  readonly completed: string | null
  readonly edgeTargets: string | null
  readonly haveDependents: string | null
  readonly claimedById: string | null
  readonly limit: number | null
  readonly phases: string | null
  readonly priorities: string | null
  readonly limits: string | null
  /** The claims that filter by labels, as JSON. */
  readonly labelled: string | null
  readonly edgesFrom: string | null
  readonly edgesTo: string | null
  readonly reclaims: boolean
  readonly commandIds: string | null
  readonly actors: string | null
  readonly idleTimeout: string | null
  readonly override: Date | null
}

const toArguments = (
  plan: LockPlan,
  receipts: ReadonlyArray<ReceiptName>,
  idleMillis: number | undefined,
  override: Date | null
): LockAndLoadArguments => {
  const { claims, created, doneChanges, newEdges } = plan
  // Nearly all claims have no filter.
  const filtered = claims.filter(isFiltered)
  const labelled = claims.filter(isLabelled)
  const hasFilters = filtered.length > 0
  const hasNewEdges = newEdges.length > 0
  const hasReceipts = receipts.length > 0
  return {
    graphLock: plan.graphLock === "none" ? null : plan.graphLock,
    cards: setLiteral(plan.cards),
    keys: setLiteral(plan.idempotencyKeys),
    doneChanges: setLiteral(doneChanges),
    completed: setLiteral(plan.completedBeforeClaim),
    edgeTargets: setLiteral(plan.edgeTargets),
    haveDependents: setLiteral(
      created.size === 0 ? doneChanges : doneChanges.size === 0 ? created : new Set([...doneChanges, ...created])
    ),
    claimedById: setLiteral(plan.claimedById),
    limit: claims.find((claim) => !isFiltered(claim) && !isLabelled(claim))?.limit ?? null,
    phases: hasFilters ? arrayLiteral(filtered.map(({ filter }) => filter.phase ?? anyPhase)) : null,
    priorities: hasFilters ? arrayLiteral(filtered.map(({ filter }) => filter.minPriority ?? leastPriority)) : null,
    limits: hasFilters ? arrayLiteral(filtered.map(({ limit }) => limit)) : null,
    labelled:
      labelled.length === 0
        ? null
        : JSON.stringify(
            labelled.map(({ filter: { labels = [], minPriority, phase, withoutLabels = [] }, limit }) => [
              phase ?? null,
              minPriority ?? leastPriority,
              limit,
              labels,
              withoutLabels
            ])
          ),
    edgesFrom: hasNewEdges ? arrayLiteral(newEdges.map((edge) => edge.from)) : null,
    edgesTo: hasNewEdges ? arrayLiteral(new Set(newEdges.flatMap((edge) => edge.to))) : null,
    reclaims: plan.reclaimsExpired,
    commandIds: hasReceipts ? arrayLiteral(receipts.map(({ commandId }) => commandId)) : null,
    actors: hasReceipts ? arrayLiteral(receipts.map(({ actor }) => actor)) : null,
    idleTimeout: idleMillis === undefined ? null : String(idleMillis),
    override
  }
}

/** Whether a claim has a filter, but none by labels. */
const isFiltered = (claim: LockPlan["claims"][number]): boolean =>
  (claim.filter.phase !== undefined || claim.filter.minPriority !== undefined) && !isLabelled(claim)

const isLabelled = ({ filter }: LockPlan["claims"][number]): boolean =>
  filter.labels !== undefined || filter.withoutLabels !== undefined

/** Names are not empty. */
const anyPhase = ""

export const leastPriority = -(2 ** 31)

const setLiteral = (values: ReadonlySet<string>): string | null => (values.size === 0 ? null : arrayLiteral(values))

interface LoadedRow {
  /** JSON of `LoadedFacts`. */
  readonly loaded: string
}

/** The result of `lock_and_load_v4`. */
type LoadedFacts = readonly [
  /** Milliseconds since 1970. */
  now: number,
  generation: number | null,
  isSameServer: boolean | null,
  cards: ReadonlyArray<LoadedCardFacts>,
  others: OtherFacts | null
]

/** A row and its dependencies. */
export type LoadedCardFacts = readonly [row: LoadedCard, dependsOn: ReadonlyArray<CardId>]

type OtherFacts = readonly [
  statuses: ReadonlyArray<readonly [id: CardId, status: Status]> | null,
  dependents: ReadonlyArray<
    readonly [id: CardId, dependsOn: CardId, status: Status, unmetDependencies: number, notBefore: number | null]
  > | null,
  edges: ReadonlyArray<readonly [id: CardId, dependsOn: CardId]> | null,
  receipts: ReadonlyArray<ReceiptColumns> | null
]

const decodeFacts = ([now, , , cards, others]: LoadedFacts, generation: number): Loaded => {
  const state = new ReadModelState(generation)
  for (const [row, dependsOn] of cards) state.putCard(decodeLoadedCard(row, dependsOn), row.unmet_dependencies)
  const loaded = { state, now: timeAt(now), generation }
  if (others === null) return { ...loaded, receipts: [] }
  const [statuses, dependents, edges, receipts] = others
  for (const [id, status] of statuses ?? []) {
    if (state.summary(id) === undefined) state.putSummary(id, { status, notBefore: null, unmetDependencies: 0 })
  }
  for (const [id, dependsOn, status, unmetDependencies, notBefore] of dependents ?? []) {
    if (state.card(id) === undefined)
      state.putSummary(id, { status, notBefore: notBefore === null ? null : timeAt(notBefore), unmetDependencies })
    state.putDependency(id, dependsOn)
  }
  for (const [id, dependsOn] of edges ?? []) state.putDependency(id, dependsOn)
  return { ...loaded, receipts: receipts ?? [] }
}

/** The columns of a row of the table `cards` that a card has. Times are texts of ISO 8601. */
interface LoadedCard {
  readonly id: CardId
  readonly title: string
  readonly body: string | null
  readonly phase: string | null
  readonly labels: ReadonlyArray<string>
  readonly priority: number
  readonly status: Status
  readonly unmet_dependencies: number
  readonly claim_owner: string | null
  readonly claim_ttl_seconds: number | null
  readonly claimed_at: string | null
  readonly claim_expires_at: string | null
  readonly claim_token_high: number
  readonly claim_token: number | null
  readonly attempts: number
  readonly not_before: string | null
  readonly idempotency_key: string | null
  readonly acceptance: Card["acceptance"]
  readonly result: Card["result"]
  readonly blocked_reason: string | null
  readonly note_count: number
  readonly last_note: string | null
  readonly last_note_actor: string | null
  readonly last_note_at: string | null
  readonly created_at: string
  readonly updated_at: string
  readonly completed_at: string | null
  readonly version: number
}

/** The types of the columns leave nothing to check. A verification compares the rows with the log. */
export const decodeLoadedCard = (row: LoadedCard, dependsOn: ReadonlyArray<CardId>): Card => ({
  id: row.id,
  title: row.title,
  body: row.body,
  phase: row.phase,
  labels: row.labels,
  priority: row.priority,
  status: row.status,
  dependsOn,
  claimOwner: row.claim_owner,
  claimTtlSeconds: row.claim_ttl_seconds,
  claimedAt: timeOrNull(row.claimed_at),
  claimExpiresAt: timeOrNull(row.claim_expires_at),
  claimToken: row.claim_token === null ? null : row.claim_token_high * 2 ** 31 + row.claim_token,
  attempts: row.attempts,
  notBefore: timeOrNull(row.not_before),
  idempotencyKey: row.idempotency_key,
  acceptance: row.acceptance,
  result: row.result,
  blockedReason: row.blocked_reason,
  noteCount: row.note_count,
  lastNote:
    row.last_note === null
      ? null
      : { text: row.last_note, actor: row.last_note_actor ?? "", at: timeOf(row.last_note_at ?? "") },
  createdAt: timeOf(row.created_at),
  updatedAt: timeOf(row.updated_at),
  completedAt: timeOrNull(row.completed_at),
  version: row.version
})

const timeAt = (millis: number): DateTime.Utc => DateTime.makeUnsafe(millis)

let lastText = ""
let lastTime = timeAt(0)

/** Reads a time. Times of a batch repeat: cards that were created together share one. */
const timeOf = (text: string): DateTime.Utc => {
  if (text !== lastText) {
    lastTime = timeAt(Date.parse(text))
    lastText = text
  }
  return lastTime
}

const timeOrNull = (text: string | null): DateTime.Utc | null => (text === null ? null : timeOf(text))
