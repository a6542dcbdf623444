import { Context } from "effect"

/**
 * Names of database roles that share a backlog on a server, each to be left out at will. They must exist, be different,
 * and neither be superusers nor members of the owner. They may be groups of others.
 */
export interface RoleNames {
  /** Is made the owner of the schema and of all that is in it: migrates, rebuilds, redacts, prunes. */
  readonly owner?: string | undefined
  /** Appends events and projects them: every command of `BacklogService`, and consumers. */
  readonly writer?: string | undefined
  /** Reads: verification, history, the past, the feed, anchors, exports. */
  readonly auditor?: string | undefined
}

/**
 * Roles that are given what they need, and nothing else, whenever the migrations are looked at; none unless it is
 * provided. For programs that connect as the owner, or as somebody who may make that role the owner.
 */
export const BacklogRoles: Context.Reference<RoleNames> = Context.Reference<RoleNames>("mosaic-backlog/BacklogRoles", {
  defaultValue: () => ({})
})

/** Who is given something; the owner has everything. */
export type Role = "writer" | "auditor"

/** What of a table a role may do: on all columns, or on some. */
type TablePrivileges = Readonly<Partial<Record<TablePrivilege, "all" | ReadonlyArray<string>>>>

type TablePrivilege = "SELECT" | "INSERT" | "UPDATE" | "DELETE"

/** A table of a backlog, and what each role may do with it. */
interface TableGrants extends Readonly<Record<Role, TablePrivileges>> {
  readonly table: string
}

const reads = { SELECT: "all" } as const

/**
 * Every table of a backlog and what may be done with it by whom, in the order in which commands lock them. The owner may
 * do everything.
 */
const tableGrants: ReadonlyArray<TableGrants> = [
  // The table has no rows. To lock a table in a mode that conflicts with writers takes a write privilege on it.
  { table: "graph_lock", writer: { DELETE: "all" }, auditor: {} },
  // Only the owner rebuilds and redacts.
  { table: "rebuild_lock", writer: {}, auditor: {} },
  {
    table: "cards",
    // An id, a key and a time of birth are never changed, and no card is removed.
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
  // The answer to a command that is tried again is made from the log.
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
  // Everyone may know what is pending; only the owner can rewrite tables.
  { table: "erasures", writer: reads, auditor: reads },
  // A server knows its callers, and makes none: that is for the owner.
  { table: "access_tokens", writer: { SELECT: "all", UPDATE: ["last_used_at"] }, auditor: {} },
  { table: "migrations", writer: reads, auditor: reads }
]

/** Every table of a backlog. */
export const tableNames: ReadonlyArray<string> = tableGrants.map(({ table }) => table)

/** What a role may do with which tables, on all of their columns or on some. */
export const privilegesOf = (role: Role) =>
  tableGrants.flatMap(({ [role]: privileges, table }) =>
    (Object.keys(privileges) as ReadonlyArray<TablePrivilege>).map((privilege) => ({
      table,
      privilege,
      on: privileges[privilege] ?? []
    }))
  )
