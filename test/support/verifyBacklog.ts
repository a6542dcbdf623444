import { DateTime, Effect, Option, Result } from "effect"
import { createHash } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import { expect } from "vitest"
import type { Card } from "../../src/domain/Card.ts"
import type { CardId } from "../../src/domain/CardId.ts"
import { decodeEvent } from "../../src/events/EventCodec.ts"
import { ReadModelState } from "../../src/projections/ReadModelState.ts"
import { rowChanges } from "../../src/projections/rowChanges.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogTestClock } from "../../src/services/layers.ts"
import { tables } from "./backlogs.ts"

/** A row of `events` with parsed JSON and hashes in hexadecimal. */
export interface EventRow {
  readonly position: number
  readonly cardId: string
  readonly version: number
  readonly type: string
  readonly schemaVersion: number
  readonly data: Record<string, unknown>
  readonly commitments: Record<string, { readonly salt?: string; readonly sha256: string }>
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
  readonly occurredAt: Date
  readonly recordedAt: Date
  readonly contentHash: string
  readonly chainHash: string
}

/** The whole log ordered by position, read from its table without the code under test. */
export const readLog = Effect.gen(function* () {
  const { events, sql } = yield* tables
  const rows = yield* sql<EventRow & { readonly data: string; readonly commitments: string }>`
    SELECT position::float8 AS position, card_id AS "cardId", version, type, schema_version AS "schemaVersion",
      data::text AS data, commitments::text AS commitments, actor, correlation_id AS "correlationId",
      causation_id AS "causationId", command_id AS "commandId", occurred_at AS "occurredAt",
      recorded_at AS "recordedAt", encode(content_hash, 'hex') AS "contentHash", encode(chain_hash, 'hex') AS "chainHash"
    FROM ${events} ORDER BY events.position`
  return rows.map((row): EventRow => ({ ...row, data: JSON.parse(row.data), commitments: JSON.parse(row.commitments) }))
})

/** A second implementation of RFC 8785: keys by UTF-16 code units, numbers and strings as JavaScript writes them. */
export const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(",")}}`
}

const sha256 = (...parts: ReadonlyArray<Buffer | string>): string =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex")

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")

/** Like `expect(found).toStrictEqual(expected)`, but fast for equal values, because logs are long. */
const same = (found: unknown, expected: unknown): void => {
  if (!isDeepStrictEqual(found, expected)) {
    expect(found).toStrictEqual(expected)
    throw new Error("two values differ in a way that cannot be shown")
  }
}

const erasable = new Set(["title", "body", "acceptance", "result", "reason", "blockedReason", "text"])

/**
 * Checks the log: positions and versions without gaps, recording times that never decrease, all commitments, content hashes
 * and chain hashes, and the head at the end.
 */
export const verifyLog = Effect.gen(function* () {
  const { head, sql } = yield* tables
  const log = yield* readLog
  const versions = new Map<string, number>()
  let chain = "00".repeat(32)
  let recordedAt = -Infinity
  for (const [index, event] of log.entries()) {
    const version = (versions.get(event.cardId) ?? 0) + 1
    same([event.position, event.cardId, event.version], [index + 1, event.cardId, version])
    versions.set(event.cardId, version)
    same(event.recordedAt.getTime() >= recordedAt, true)
    recordedAt = event.recordedAt.getTime()

    const hashed: Record<string, unknown> = { ...event.data }
    const committed = Object.keys(event.data).filter((key) => erasable.has(key) && event.data[key] !== null)
    const kept = Object.keys(event.commitments).filter((key) => event.commitments[key]?.salt !== undefined)
    same(kept.sort(), committed.sort())
    for (const [field, { salt, sha256: commitment }] of Object.entries(event.commitments)) {
      hashed[field] = { sha256: commitment }
      if (salt === undefined) {
        same(field in event.data, false)
        continue
      }
      same(/^[0-9a-f]{32,}$/.test(salt), true)
      same(commitment, sha256(bytes(salt), canonical(event.data[field])))
    }
    const content = canonical({
      cardId: event.cardId,
      version: event.version,
      type: event.type,
      schemaVersion: event.schemaVersion,
      data: hashed,
      actor: event.actor,
      correlationId: event.correlationId,
      causationId: event.causationId,
      commandId: event.commandId,
      occurredAt: event.occurredAt.toISOString(),
      recordedAt: event.recordedAt.toISOString()
    })
    same(event.contentHash, sha256(content))
    chain = sha256(bytes(chain), bytes(event.contentHash))
    same(event.chainHash, chain)
  }
  const rows = yield* sql`SELECT position::float8 AS position, encode(chain_hash, 'hex') AS chain FROM ${head}`
  same(
    Array.from(rows, (row) => ({ ...row })),
    [{ position: log.length, chain }]
  )
  return log
})

/** The replacement texts of the erased fields of an event. */
const erasedIn = ({ commitments, data }: EventRow): Record<string, string> =>
  Object.fromEntries(
    Object.keys(commitments)
      .filter((key) => !(key in data))
      .map((key) => [key, "[redacted]"])
  )

const date = (time: DateTime.Utc | null): Date | null => (time === null ? null : DateTime.toDateUtc(time))

/** The expected row of `cards` for a folded card, without `deferred`, which also depends on the time. */
const expectedRow = (card: Card, unmetDependencies: number, position: number) => ({
  id: card.id,
  title: card.title,
  body: card.body,
  phase: card.phase,
  priority: card.priority,
  status: card.status,
  unmet_dependencies: unmetDependencies,
  not_before: date(card.notBefore),
  claim_owner: card.claimOwner,
  claim_ttl_seconds: card.claimTtlSeconds,
  claimed_at: date(card.claimedAt),
  claim_expires_at: date(card.claimExpiresAt),
  claim_token: card.claimToken === null ? null : card.claimToken % 2 ** 31,
  claim_token_high: Math.floor((card.claimToken ?? 0) / 2 ** 31),
  attempts: card.attempts,
  idempotency_key: card.idempotencyKey,
  acceptance: card.acceptance,
  result: card.result,
  blocked_reason: card.blockedReason,
  labels: card.labels,
  note_count: card.noteCount,
  last_note: card.lastNote?.text ?? null,
  last_note_actor: card.lastNote?.actor ?? null,
  last_note_at: date(card.lastNote?.at ?? null),
  created_at: date(card.createdAt),
  updated_at: date(card.updatedAt),
  completed_at: date(card.completedAt),
  version: card.version,
  position
})

/**
 * Compares the read model with a fold of the log: every column of every row and every edge. Also counts the unmet
 * dependencies and the `counts` again.
 */
export const verifyReadModel = Effect.gen(function* () {
  const { cards, counts, dependencies, sql } = yield* tables
  const state = new ReadModelState()
  const positions = new Map<string, number>()
  const log = yield* readLog
  for (const row of log) {
    const event = Result.getOrThrow(
      decodeEvent({
        type: row.type,
        schemaVersion: row.schemaVersion,
        data: { ...erasedIn(row), ...row.data } as never
      })
    )
    const occurredAt = DateTime.fromDateUnsafe(row.occurredAt)
    const changes = rowChanges(state, {
      cardId: row.cardId as CardId,
      version: row.version,
      occurredAt,
      actor: row.actor,
      event
    })
    same(changes.length > 0, true)
    for (const change of changes) state.apply(change)
    positions.set(row.cardId, row.position)
  }
  const found = yield* sql<{ readonly id: CardId }>`
    SELECT cards.*, position::float8 AS position FROM ${cards} AS cards ORDER BY id`
  same(found.map((row) => row.id).sort(), [...positions.keys()].sort())
  const edges: Array<string> = []
  for (const { deferred, ...row } of found as ReadonlyArray<{ readonly id: CardId; readonly deferred?: boolean }>) {
    const card = state.card(row.id)
    if (card === undefined) throw new Error(`the log does not lead to card ${row.id}`)
    same({ ...row }, expectedRow(card, state.unmetDependencies(card.id), positions.get(card.id) ?? 0))
    same(state.unmetDependencies(card.id), card.dependsOn.filter((id) => !state.isDone(id)).length)
    if (deferred === true) same([card.status, card.notBefore === null], ["ready", false])
    edges.push(...card.dependsOn.map((id) => JSON.stringify([card.id, id])))
  }
  const edgeRows = yield* sql<{ readonly card: string; readonly on: string }>`
    SELECT card_id AS card, depends_on_id AS "on" FROM ${dependencies}`
  same(edgeRows.map((edge) => JSON.stringify([edge.card, edge.on])).sort(), edges.sort())

  const rows = found as unknown as ReadonlyArray<{ readonly status: string; readonly unmet_dependencies: number }>
  const having = (status: string) => rows.filter((row) => row.status === status)
  const counted = yield* sql`
    SELECT position::float8 AS position, ready::float8, waiting::float8, claimed::float8, blocked::float8, done::float8
    FROM ${counts}`
  same(
    Array.from(counted, (row) => ({ ...row })),
    [
      {
        position: log.length,
        ready: having("ready").length,
        waiting: having("ready").filter((row) => row.unmet_dependencies > 0).length,
        claimed: having("claimed").length,
        blocked: having("blocked").length,
        done: having("done").length
      }
    ]
  )

  const clock = yield* Effect.serviceOption(BacklogTestClock)
  const now = Option.isSome(clock) ? DateTime.toDateUtc(yield* clock.value.now) : null
  const tooEarly = yield* sql`
    SELECT id FROM ${cards} WHERE status = 'ready' AND NOT deferred
      AND not_before > coalesce(${now}::timestamptz, clock_timestamp())`
  same(Array.from(tooEarly), [])
})

/** Checks all invariants of a backlog and returns its log. */
export const verifyBacklog = Effect.gen(function* () {
  const log = yield* verifyLog
  yield* verifyReadModel
  return log
})

/** Checks that the backlog's own verification finds no divergence. */
export const verifiesItself = Effect.gen(function* () {
  const audit = yield* AuditService
  const { divergences } = yield* audit.verify()
  same(divergences, [])
})
