import { Schema } from "effect"
import { Checkpoint } from "../../events/Checkpoints.ts"
import { DirectoryAccess } from "../files/DirectoryAccess.ts"

const Count = Schema.Finite

/** What a look at a backlog and its database has found, before anybody says what it means. Ages are in seconds. */
export const DoctorFacts = Schema.Struct({
  /** Whether the database is embedded in this process. */
  isEmbedded: Schema.Boolean,
  server: Schema.Struct({
    version: Schema.String,
    versionNumber: Schema.Int,
    database: Schema.String,
    role: Schema.String,
    isSuperuser: Schema.Boolean,
    isReplica: Schema.Boolean,
    connections: Count,
    maxConnections: Count,
    /** Settings that bear on what is promised, as the server has them for this session. */
    settings: Schema.Record(Schema.String, Schema.NullOr(Schema.String))
  }),
  /** By how many milliseconds the database's clock is ahead of this machine's, and how exactly that is known. */
  clock: Schema.Struct({ aheadMillis: Schema.Finite, precisionMillis: Schema.Finite }),
  migrations: Schema.Struct({
    /** Whether there is a backlog in the schema. */
    exists: Schema.Boolean,
    /** Whether this role may read it. */
    isReadable: Schema.Boolean,
    missing: Schema.Array(Schema.String),
    edited: Schema.Array(Schema.String),
    unknown: Schema.Array(Schema.String)
  }),
  /** Whether one connection keeps its session from one statement to the next; `null` where there is but one. */
  keepsSession: Schema.NullOr(Schema.Boolean),
  /** How long a notification took to come, in milliseconds; "lost" when it did not; `null` where none are needed. */
  notificationMillis: Schema.NullOr(Schema.Union([Schema.Finite, Schema.Literal("lost")])),
  /** Roles that have a part in the backlog, and what is not as it is granted by `migrate`; empty when all is. */
  roles: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      kind: Schema.Literals(["owner", "writer", "auditor"]),
      difference: Schema.NullOr(Schema.String)
    })
  ),
  tables: Schema.Array(
    Schema.Struct({
      table: Schema.String,
      liveRows: Count,
      deadRows: Count,
      bytes: Count,
      autovacuum: Schema.Boolean
    })
  ),
  /** The transaction of this database that began first, if this role may see any. */
  oldestTransaction: Schema.NullOr(
    Schema.Struct({ pid: Schema.Int, state: Schema.NullOr(Schema.String), ageSeconds: Schema.Finite })
  ),
  /** How far the log is; `null` when there is none to read. */
  head: Schema.NullOr(Count),
  /** The generation of tokens and why it began; `null` when there is no backlog to read. */
  generation: Schema.NullOr(
    Schema.Struct({
      number: Count,
      reason: Schema.NullOr(Schema.Literals(["restored", "imported", "failover", "moved"])),
      /** Whether the log was last written on another server, or in another table, than it is in now. */
      hasMoved: Schema.Boolean
    })
  ),
  /** Redactions whose bytes may still be in the data files; `null` when there is no backlog to read. */
  erasures: Schema.NullOr(
    Schema.Struct({
      pending: Count,
      /** How long ago the first of them was carried out. */
      oldestSeconds: Schema.NullOr(Schema.Finite),
      /** Why the last try to remove the bytes did not complete. */
      problem: Schema.NullOr(Schema.String)
    })
  ),
  consumers: Schema.Array(
    Schema.Struct({
      consumer: Checkpoint.fields.consumer,
      behind: Count,
      /** By how many positions its checkpoint is beyond the end of the log. */
      ahead: Count,
      stillSeconds: Schema.Finite,
      parked: Count
    })
  ),
  /** Valid tokens whose holders are under the name of another token's worker; `null` where this role may not read tokens. */
  tokenOverlaps: Schema.NullOr(
    Schema.Array(Schema.Struct({ id: Schema.String, actor: Schema.String, worker: Schema.String }))
  ),
  /** The file of anchors, where one was named. */
  anchorFile: Schema.optionalKey(
    Schema.Struct({
      file: Schema.String,
      /** Why it cannot be used. */
      problem: Schema.NullOr(Schema.String),
      /** Whether its last line is incomplete. */
      isCutShort: Schema.Boolean,
      newest: Schema.NullOr(
        Schema.Struct({
          position: Count,
          ageSeconds: Schema.Finite,
          /** Whether the log, as this server has it, goes as far as the anchor. */
          isReached: Schema.Boolean,
          /** Whether the log has the anchor's chain hash at its position. */
          isContinued: Schema.Boolean,
          /** Events after it. */
          behind: Count
        })
      )
    })
  ),
  /** The directory of an embedded database, where it is known and the system has user ids. */
  directory: Schema.optionalKey(DirectoryAccess),
  expiredClaims: Schema.Struct({ count: Count, oldestSeconds: Schema.NullOr(Schema.Finite) }),
  claimable: Count,
  oldestReadyAgeSeconds: Schema.NullOr(Schema.Finite)
})

/** What a look at a backlog and its database has found. */
export interface DoctorFacts extends Schema.Schema.Type<typeof DoctorFacts> {}
