import { Context } from "effect"

/**
 * Names of database roles that share a backlog on a server. Each is optional. The roles must exist and be different. The
 * writer and the auditor must be neither superusers nor members of the owner. Group roles are supported.
 */
export interface RoleNames {
  /** Owns the schema and everything in it: migrates, rebuilds, redacts and prunes. Defaults to the current owner. */
  readonly owner?: string | undefined
  /** Appends events and updates the read model: all commands of `BacklogService`, and consumers. Defaults to no grants. */
  readonly writer?: string | undefined
  /** Reads: verification, history, past states, events, anchors and exports. Defaults to no grants. */
  readonly auditor?: string | undefined
}

/**
 * The roles that receive exactly the privileges that they need, each time the migrations are checked. For programs that
 * connect as the owner, or as a role that can make that role the owner. Defaults to none.
 */
export const BacklogRoles: Context.Reference<RoleNames> = Context.Reference<RoleNames>("mosaic-backlog/BacklogRoles", {
  defaultValue: () => ({})
})

/** A role that receives grants. The owner has all privileges. */
export type Role = "writer" | "auditor"

/** The privileges of a role on a table: on all columns or on some. */
type TablePrivileges = Readonly<Partial<Record<TablePrivilege, "all" | ReadonlyArray<string>>>>

type TablePrivilege = "SELECT" | "INSERT" | "UPDATE" | "DELETE"

/** A table of a backlog, and the privileges of each role on it. */
interface TableGrants extends Readonly<Record<Role, TablePrivileges>> {
  readonly table: string
}

const reads = { SELECT: "all" } as const

/**
 * The privileges on every table of a backlog. `grantRoles` locks the tables in this order, which is the lock order of commands.
 * The functions of `functionGrants` change the tables that a writer only reads.
 */
const tableGrants: ReadonlyArray<TableGrants> = [
  // Only the owner rebuilds and redacts.
  { table: "rebuild_lock", writer: {}, auditor: {} },
  { table: "graph_lock", writer: {}, auditor: {} },
  { table: "cards", writer: reads, auditor: reads },
  { table: "dependencies", writer: reads, auditor: reads },
  { table: "card_search", writer: reads, auditor: reads },
  { table: "claimable_labels", writer: reads, auditor: reads },
  { table: "head", writer: reads, auditor: reads },
  { table: "counts", writer: reads, auditor: reads },
  // Repeated commands read their answers from the log.
  { table: "events", writer: reads, auditor: reads },
  { table: "receipts", writer: reads, auditor: {} },
  {
    table: "checkpoints",
    writer: { SELECT: "all", INSERT: "all", UPDATE: ["position", "updated_at"] },
    auditor: reads
  },
  {
    table: "parked_events",
    writer: { SELECT: "all", INSERT: "all", UPDATE: ["reason", "parked_at"], DELETE: "all" },
    auditor: reads
  },
  // All roles may list pending erasures. Only the owner can rewrite tables.
  { table: "erasures", writer: reads, auditor: reads },
  // Only the owner writes them, because past states are read from them without the log.
  { table: "keyframes", writer: reads, auditor: reads },
  // Recorded by functions, so that no role can change or remove what another one has recorded.
  { table: "verifications", writer: reads, auditor: reads },
  { table: "anchors", writer: reads, auditor: reads },
  // A server authenticates callers. Only the owner creates tokens.
  { table: "access_tokens", writer: { SELECT: "all", UPDATE: ["last_used_at"] }, auditor: {} },
  { table: "migrations", writer: reads, auditor: reads }
]

/** The functions that carry out commands, and the roles that may execute them. They run with the owner's privileges. */
const functionGrants: ReadonlyArray<{ readonly name: string; readonly roles: ReadonlyArray<Role> }> = [
  { name: "lock_and_load_v4", roles: ["writer"] },
  { name: "append_and_project_v4", roles: ["writer"] },
  { name: "change_card_v1", roles: ["writer"] },
  // For versions 0.11 to 1.0, which may run at the same time as this one.
  { name: "lock_and_load_v3", roles: ["writer"] },
  { name: "append_and_project_v3", roles: ["writer"] },
  // For versions 0.9 and 0.10.
  { name: "lock_and_load_v2", roles: ["writer"] },
  { name: "append_and_project_v2", roles: ["writer"] },
  // For version 0.8.
  { name: "lock_and_load_v1", roles: ["writer"] },
  { name: "append_and_project_v1", roles: ["writer"] },
  { name: "begin_generation_v1", roles: ["writer"] },
  { name: "lock_head_v1", roles: ["writer"] },
  // A verification and an anchor are reads, and both are recorded.
  { name: "record_verification_v1", roles: ["writer", "auditor"] },
  { name: "record_anchor_v1", roles: ["writer", "auditor"] },
  // Called by the others.
  { name: "current_time_v1", roles: [] },
  { name: "lock_labelled_v1", roles: [] },
  // Verification compares words with it.
  { name: "search_document_v1", roles: ["auditor"] },
  // Called by triggers.
  { name: "index_created_cards_v1", roles: [] },
  { name: "index_changed_labels_v1", roles: [] },
  { name: "index_changed_text_v1", roles: [] },
  { name: "unindex_card_v1", roles: [] }
]

/** The function that appends events. Only writers may execute it. */
export const appendFunction = "append_and_project_v4"

/** The names of the functions whose privileges `grantRoles` sets. */
export const functionNames: ReadonlyArray<string> = functionGrants.map(({ name }) => name)

/** The functions that a role may execute. */
export const functionsOf = (role: Role): ReadonlyArray<string> =>
  functionGrants.flatMap(({ name, roles }) => (roles.includes(role) ? [name] : []))

/** The composite types of the functions' records. */
export const typeNames: ReadonlyArray<string> = [
  "event_v1",
  "card_state_v1",
  "card_content_v1",
  "card_content_v2",
  "card_note_v1",
  "card_counter_v1",
  "dependency_v1",
  "card_counts_v1",
  "receipt_v1"
]

/** The names of all tables of a backlog. */
export const tableNames: ReadonlyArray<string> = tableGrants.map(({ table }) => table)

/** The privileges of a role, with their tables and columns. */
export const privilegesOf = (role: Role) =>
  tableGrants.flatMap(({ [role]: privileges, table }) =>
    (Object.keys(privileges) as ReadonlyArray<TablePrivilege>).map((privilege) => ({
      table,
      privilege,
      on: privileges[privilege] ?? []
    }))
  )
