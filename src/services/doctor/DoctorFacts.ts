import { Schema } from "effect"
import { Checkpoint } from "../../events/Checkpoints.ts"
import { DirectoryAccess } from "../files/DirectoryAccess.ts"

const Count = Schema.Finite

/**
 * `missing`: commands fail. `misdirected`: it works on the tables of another schema. `owner`: it runs with the privileges of a
 * role that does not own the tables. `public`: every role that may use the schema can execute it.
 */
const FunctionProblem = Schema.Literals(["missing", "misdirected", "owner", "public"])

/** The facts about a backlog and its database, which `diagnose` interprets. Ages are in seconds. */
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
    /** Settings of this session on which the guarantees depend. */
    settings: Schema.Record(Schema.String, Schema.NullOr(Schema.String))
  }),
  /** Milliseconds by which the database's clock is ahead of this machine's, and the precision of that value. */
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
  /** Whether a connection keeps its session from one statement to the next; `null` if the database is embedded. */
  keepsSession: Schema.NullOr(Schema.Boolean),
  /** Milliseconds until a notification arrived; "lost" if it did not; `null` if none are used. */
  notificationMillis: Schema.NullOr(Schema.Union([Schema.Finite, Schema.Literal("lost")])),
  /**
   * How commands become durable. `barrier`: their locks are released before the flush. `synchronous`: this role may not write
   * barriers, so they hold the head row until their commit is durable. `unconfirmed`: the end of the log did not become durable
   * within 3 seconds, so the facts show nothing of the log. `null` if the database is embedded or a replica.
   */
  durability: Schema.optional(Schema.NullOr(Schema.Literals(["barrier", "synchronous", "unconfirmed"]))),
  /** The roles with privileges on the backlog, and how they differ from what `migrate` grants. */
  roles: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      kind: Schema.Literals(["owner", "writer", "auditor"]),
      difference: Schema.NullOr(Schema.String)
    })
  ),
  /** The problems of the functions that carry out commands: the first problem of each. */
  functions: Schema.Array(Schema.Struct({ name: Schema.String, problem: FunctionProblem })),
  tables: Schema.Array(
    Schema.Struct({
      table: Schema.String,
      liveRows: Count,
      deadRows: Count,
      bytes: Count,
      autovacuum: Schema.Boolean
    })
  ),
  /** The oldest open transaction of this database; `null` if this role sees none. */
  oldestTransaction: Schema.NullOr(
    Schema.Struct({ pid: Schema.Int, state: Schema.NullOr(Schema.String), ageSeconds: Schema.Finite })
  ),
  /** The position of the last event; `null` if no log can be read. */
  head: Schema.NullOr(Count),
  /** The generation of tokens and why it began; `null` if no backlog can be read. */
  generation: Schema.NullOr(
    Schema.Struct({
      number: Count,
      reason: Schema.NullOr(Schema.Literals(["restored", "imported", "failover", "moved"])),
      /** Whether the log was last written on another server or in another table. */
      hasMoved: Schema.Boolean
    })
  ),
  /** Redactions whose bytes may still be in the data files; `null` if no backlog can be read. */
  erasures: Schema.NullOr(
    Schema.Struct({
      pending: Count,
      /** Seconds since the oldest of them. */
      oldestSeconds: Schema.NullOr(Schema.Finite),
      /** Why the last attempt to remove the bytes did not complete. */
      problem: Schema.NullOr(Schema.String)
    })
  ),
  consumers: Schema.Array(
    Schema.Struct({
      consumer: Checkpoint.fields.consumer,
      behind: Count,
      /** The number of positions by which its checkpoint is beyond the end of the log. */
      ahead: Count,
      stillSeconds: Schema.Finite,
      parked: Count
    })
  ),
  /** Valid tokens whose holders have a name under another token's worker; `null` if this role may not read tokens. */
  tokenOverlaps: Schema.NullOr(
    Schema.Array(Schema.Struct({ id: Schema.String, actor: Schema.String, worker: Schema.String }))
  ),
  /** The anchor file, if one was named. */
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
          /** Whether the log on this server reaches the position of the anchor. */
          isReached: Schema.Boolean,
          /** Whether the log has the anchor's chain hash at its position. */
          isContinued: Schema.Boolean,
          /** The number of events after it. */
          behind: Count
        })
      )
    })
  ),
  /** The directory of an embedded database, if it is known and the system has user ids. */
  directory: Schema.optionalKey(DirectoryAccess),
  expiredClaims: Schema.Struct({ count: Count, oldestSeconds: Schema.NullOr(Schema.Finite) }),
  claimable: Count,
  oldestReadyAgeSeconds: Schema.NullOr(Schema.Finite)
})

/** The facts about a backlog and its database. */
export interface DoctorFacts extends Schema.Schema.Type<typeof DoctorFacts> {}
