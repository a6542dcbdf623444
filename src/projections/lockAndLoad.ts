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

/** The result of `lock_and_load_v3`. */
export interface Loaded extends LockedState {
  readonly receipts: ReadonlyArray<ReceiptColumns>
}

/**
 * Calls of `lock_and_load_v3` of the migrations, in the caller's transaction: it takes the locks of a plan in the lock order of
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
    (plan) => sql`SELECT * FROM ${sql(`${schema}.lock_and_load_v3`)}(${plan.graphLock}, ${plan.cards}, ${plan.keys},
      ${plan.doneChanges}, ${plan.completed}, ${plan.edgeTargets}, ${plan.haveDependents}, ${plan.claimedById},
      ${plan.limit}, ${plan.phases}, ${plan.priorities}, ${plan.limits}, ${plan.labelled}, ${plan.edgesFrom}, ${plan.edgesTo}, ${plan.reclaims},
      ${plan.commandIds}, ${plan.actors}, ${plan.idleTimeout}, ${plan.override})`
  )
  const bindLoad: LockAndLoad["bindLoad"] = (plan, receipts, idleMillis) =>
    bind(toArguments(plan, receipts, idleMillis, clockOverride()))

  const decodeLoaded: LockAndLoad["decodeLoaded"] = (rows) => {
    const [row] = rows as ReadonlyArray<LoadedRow>
    if (row === undefined) throw new Error("the database returned no facts")
    return row.is_same_server === false
      ? Effect.map(recordServer, (generation) => decodeRow(row, generation))
      : // Null where the head row is missing: only a damaged backlog has none, and nothing can be appended to it.
        Effect.succeed(decodeRow(row, Number(row.generation ?? 0)))
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

/** The arguments of `lock_and_load_v3`. Arrays are array literals; null when they are empty. */
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

const leastPriority = -(2 ** 31)

const setLiteral = (values: ReadonlySet<string>): string | null => (values.size === 0 ? null : arrayLiteral(values))

/** The result of `lock_and_load_v3`. */
interface LoadedRow {
  /** Milliseconds since 1970. A bigint or its text, as is the generation. */
  readonly now: bigint | string
  readonly generation: bigint | string | null
  readonly is_same_server: boolean | null
  /** A JSON array of `LoadedCard`. */
  readonly cards: string | null
  /** JSON of `Facts`. */
  readonly facts: string | null
}

type Facts = readonly [
  statuses: ReadonlyArray<readonly [id: CardId, status: Status]> | null,
  dependents: ReadonlyArray<
    readonly [id: CardId, dependsOn: CardId, status: Status, unmetDependencies: number, notBefore: number | null]
  > | null,
  edges: ReadonlyArray<readonly [id: CardId, dependsOn: CardId]> | null,
  receipts: ReadonlyArray<ReceiptColumns> | null
]

const decodeRow = ({ cards, facts, now }: LoadedRow, generation: number): Loaded => {
  const state = new ReadModelState(generation)
  if (cards !== null) {
    for (const loaded of JSON.parse(cards) as ReadonlyArray<LoadedCard>) {
      state.putCard(decodeLoadedCard(loaded), loaded[4])
    }
  }
  const loaded = { state, now: timeOf(Number(now)), generation }
  if (facts === null) return { ...loaded, receipts: [] }
  const [statuses, dependents, edges, receipts] = JSON.parse(facts) as Facts
  for (const [id, status] of statuses ?? []) {
    if (state.summary(id) === undefined) state.putSummary(id, { status, notBefore: null, unmetDependencies: 0 })
  }
  for (const [id, dependsOn, status, unmetDependencies, notBefore] of dependents ?? []) {
    if (state.card(id) === undefined)
      state.putSummary(id, { status, notBefore: timeOrNull(notBefore), unmetDependencies })
    state.putDependency(id, dependsOn)
  }
  for (const [id, dependsOn] of edges ?? []) state.putDependency(id, dependsOn)
  return { ...loaded, receipts: receipts ?? [] }
}

/**
 * The columns of a loaded card. Those after the claim are missing when all of them are null, and those of labels and notes
 * when there are none.
 */
type LoadedCard = readonly [
  id: CardId,
  title: string,
  priority: number,
  status: Status,
  unmetDependencies: number,
  attempts: number,
  version: number,
  createdAt: number,
  updatedAt: number,
  dependsOn: ReadonlyArray<CardId>,
  claimOwner: string | null,
  claimTtlSeconds: number | null,
  claimedAt: number | null,
  claimExpiresAt: number | null,
  claimToken: number | null,
  body?: string | null,
  phase?: string | null,
  idempotencyKey?: string | null,
  blockedReason?: string | null,
  acceptance?: Card["acceptance"],
  result?: Card["result"],
  notBefore?: number | null,
  completedAt?: number | null,
  labels?: ReadonlyArray<string>,
  noteCount?: number,
  lastNote?: string | null,
  lastNoteActor?: string | null,
  lastNoteAt?: number | null
]

/** The types of the columns leave nothing to check. A verification compares the rows with the log. */
const decodeLoadedCard = (from: LoadedCard): Card => ({
  id: from[0],
  title: from[1],
  body: from[15] ?? null,
  phase: from[16] ?? null,
  labels: from[23] ?? noLabels,
  priority: from[2],
  status: from[3],
  dependsOn: from[9],
  claimOwner: from[10],
  claimTtlSeconds: from[11],
  claimedAt: timeOrNull(from[12]),
  claimExpiresAt: timeOrNull(from[13]),
  claimToken: from[14],
  attempts: from[5],
  notBefore: timeOrNull(from[21]),
  idempotencyKey: from[17] ?? null,
  acceptance: from[19] ?? null,
  result: from[20] ?? null,
  blockedReason: from[18] ?? null,
  noteCount: from[24] ?? 0,
  lastNote: from[25] == null ? null : { text: from[25], actor: from[26] ?? "", at: timeOf(from[27] ?? 0) },
  createdAt: timeOf(from[7]),
  updatedAt: timeOf(from[8]),
  completedAt: timeOrNull(from[22]),
  version: from[6]
})

const noLabels: ReadonlyArray<string> = []

let lastTime = DateTime.makeUnsafe(0)

/** Times of a batch repeat: cards that were created together share one. */
const timeOf = (millis: number): DateTime.Utc =>
  lastTime.epochMilliseconds === millis ? lastTime : (lastTime = DateTime.makeUnsafe(millis))

const timeOrNull = (millis: number | null | undefined): DateTime.Utc | null => (millis == null ? null : timeOf(millis))
