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

/** The privileges on every table of a backlog. `grantRoles` locks the tables in this order. */
const tableGrants: ReadonlyArray<TableGrants> = [
  // The table has no rows. Locking it in a mode that conflicts with writers needs a write privilege on it.
  { table: "graph_lock", writer: { DELETE: "all" }, auditor: {} },
  // Only the owner rebuilds and redacts.
  { table: "rebuild_lock", writer: {}, auditor: {} },
  {
    table: "cards",
    // Ids, idempotency keys and creation times never change, and no card is deleted.
    writer: {
      SELECT: "all",
      INSERT: "all",
      UPDATE: (
        "title body phase priority status unmet_dependencies not_before deferred claim_owner claim_ttl_seconds " +
        "claimed_at claim_expires_at claim_token_high claim_token attempts acceptance result blocked_reason updated_at completed_at " +
        "version position"
      ).split(" ")
    },
    auditor: reads
  },
  { table: "dependencies", writer: { SELECT: "all", INSERT: "all", DELETE: "all" }, auditor: reads },
  {
    table: "head",
    writer: {
      SELECT: "all",
      UPDATE:
        "position guarded_position chain_hash recorded_at generation generation_reason generation_since server server_started server_table".split(
          " "
        )
    },
    auditor: reads
  },
  {
    table: "counts",
    writer: { SELECT: "all", UPDATE: "position ready waiting claimed blocked done".split(" ") },
    auditor: reads
  },
  // Repeated commands read their answers from the log.
  { table: "events", writer: { SELECT: "all", INSERT: "all" }, auditor: reads },
  { table: "receipts", writer: { SELECT: "all", INSERT: "all" }, auditor: {} },
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
  // A server authenticates callers. Only the owner creates tokens.
  { table: "access_tokens", writer: { SELECT: "all", UPDATE: ["last_used_at"] }, auditor: {} },
  { table: "migrations", writer: reads, auditor: reads }
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
