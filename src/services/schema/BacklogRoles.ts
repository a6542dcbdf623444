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
