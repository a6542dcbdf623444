/** Whether a column may hold text that a redaction erases, or data that helps to guess such text. */
type Content = "erasable" | "kept"

/**
 * The classification of every column of every table of a backlog. A table with an erasable column is rewritten after a
 * redaction, and the planner keeps no statistics of such a column. A new column must be added here: a test compares this list
 * with the database (decision 38).
 */
export const columnContents: Readonly<Record<string, Readonly<Record<string, Content>>>> = {
  events: {
    ...kept(
      "position card_id version type schema_version actor correlation_id causation_id command_id occurred_at recorded_at content_hash chain_hash"
    ),
    ...erasable("data commitments")
  },
  cards: {
    ...kept(
      "id phase priority status unmet_dependencies not_before deferred claim_owner claim_ttl_seconds claimed_at " +
        "claim_expires_at claim_token_high claim_token attempts idempotency_key created_at updated_at completed_at version position " +
        "labels note_count last_note_actor last_note_at"
    ),
    ...erasable("title body acceptance result blocked_reason last_note")
  },
  card_search: { ...kept("id created_at labels"), ...erasable("document") },
  claimable_labels: kept("label priority created_at id"),
  receipts: { ...kept("command_id actor kind shape recorded_at"), ...erasable("salt digest outcome") },
  parked_events: { ...kept("consumer position parked_at"), ...erasable("reason") },
  dependencies: kept("card_id depends_on_id"),
  head: kept(
    "singleton position guarded_position chain_hash recorded_at generation generation_reason generation_since server server_started server_table claims_from_position claims_from_priority claims_from_created claims_from_id claims_from_expiry claims_from_retry"
  ),
  counts: kept("singleton position ready waiting claimed blocked done"),
  checkpoints: kept("consumer position updated_at"),
  keyframes: kept("position part parts format base previous cards chain_hash written_at data"),
  erasures: kept("position card_id erased_at removed_at tried_at problem"),
  verifications: kept("id verified_at duration_millis position divergences anchor_position anchor_matched actor"),
  anchors: kept("id made_at position chain_hash anchored_at signature actor"),
  access_tokens: kept("id hash actor role created_at created_by expires_at revoked_at revoked_by last_used_at"),
  graph_lock: kept("unused"),
  rebuild_lock: kept("unused"),
  migrations: kept("id name checksum applied_at")
}

/** The tables that may hold erasable text, in the order in which they are rewritten. */
export const erasableTables: ReadonlyArray<string> = Object.keys(columnContents).filter((table) =>
  Object.values(columnContents[table] ?? {}).includes("erasable")
)

/** The erasable columns of all tables, as `table.column`. */
export const erasableColumns: ReadonlyArray<string> = Object.entries(columnContents).flatMap(([table, columns]) =>
  Object.entries(columns).flatMap(([column, content]) => (content === "erasable" ? [`${table}.${column}`] : []))
)

function kept(columns: string): Readonly<Record<string, Content>> {
  return Object.fromEntries(columns.split(" ").map((column) => [column, "kept"]))
}

function erasable(columns: string): Readonly<Record<string, Content>> {
  return Object.fromEntries(columns.split(" ").map((column) => [column, "erasable"]))
}
