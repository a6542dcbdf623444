import { Schema } from "effect"
import { formatFileCount } from "../files/DirectoryAccess.ts"
import { quote } from "../../domain/displayText.ts"
import type { DoctorFacts } from "./DoctorFacts.ts"

/** A finding of the doctor. */
export const DoctorFinding = Schema.Struct({
  /** The name of the check: `migrations`, `clock` … */
  check: Schema.String,
  /**
   * `ok`; `note`: nothing to do; `warning`: will become a problem; `problem`: does not work or is not safe.
   */
  level: Schema.Literals(["ok", "note", "warning", "problem"]),
  /** The result of the check. */
  what: Schema.String,
  /** The recommended action; `null` if none is necessary. */
  toDo: Schema.NullOr(Schema.String)
})

/** A finding of the doctor. */
export interface DoctorFinding extends Schema.Schema.Type<typeof DoctorFinding> {}

const minute = 60
const hour = 60 * minute

/** Maximum difference of the clocks before compared times are misleading, in milliseconds. */
const clockTolerance = 2000

/** Interprets the facts about a backlog. Returns the findings and recommended actions, in the order of the checks. */
export const diagnose = (facts: DoctorFacts): ReadonlyArray<DoctorFinding> =>
  checks.flatMap(([check, run]) => run(facts).map((finding) => ({ check, ...finding })))

/** A finding of a check. */
export type Finding = Omit<DoctorFinding, "check">

export const ok = (what: string): Finding => ({ level: "ok", what, toDo: null })
export const note = (what: string): Finding => ({ level: "note", what, toDo: null })
const warning = (what: string, toDo: string): Finding => ({ level: "warning", what, toDo })
export const problem = (what: string, toDo: string): Finding => ({ level: "problem", what, toDo })

/** The findings that apply, or `ok` if none does. */
const orOk = (found: ReadonlyArray<Finding | false>, what: string): ReadonlyArray<Finding> => {
  const findings = found.filter((each) => each !== false)
  return findings.length === 0 ? [ok(what)] : findings
}

const server = ({
  isEmbedded,
  server: { database, isReplica, isSuperuser, role, version, versionNumber }
}: DoctorFacts) => {
  if (isEmbedded) return [ok(`The database is embedded: Postgres ${version}.`)]
  return orOk(
    [
      versionNumber < 150_000 && problem(`The server is Postgres ${version}.`, "Use Postgres 15 or newer."),
      isReplica &&
        note(
          "The server is a read-only replica: reads, verify, export and serve work, commands are refused, and followers poll once a second."
        ),
      isSuperuser &&
        warning(
          `This connects as the superuser ${JSON.stringify(role)}, whom no grant restricts.`,
          "Let services connect as a writer: `backlog migrate --writer-role ROLE` (docs/roles.md)."
        )
    ],
    `Postgres ${version}, database ${JSON.stringify(database)}, as ${JSON.stringify(role)}.`
  )
}

const settings = ({ isEmbedded, server: { settings: of } }: DoctorFacts) =>
  isEmbedded
    ? []
    : orOk(
        [
          of["fsync"] === "off" &&
            problem("fsync is off: a crash of the machine can destroy the database.", "Set fsync = on."),
          of["full_page_writes"] === "off" &&
            problem("full_page_writes is off: a crash of the machine can destroy pages.", "Set full_page_writes = on."),
          of["synchronous_commit"] === "off" &&
            warning(
              "synchronous_commit is off: commands wait for the disk nevertheless, but a crash can lose other transactions of this role, such as those of consumers.",
              "Set synchronous_commit = on for the role or the database."
            ),
          of["default_transaction_read_only"] === "on" &&
            note("Transactions of this role are read-only: it can audit, but not send commands."),
          of["autovacuum"] === "off" &&
            problem("Autovacuum is off: claims become slower with every command.", "Set autovacuum = on."),
          of["track_counts"] === "off" &&
            problem("track_counts is off, so autovacuum never runs.", "Set track_counts = on.")
        ],
        "The settings keep every committed transaction."
      )

const connections = ({ isEmbedded, server: { connections: used, maxConnections } }: DoctorFacts) =>
  isEmbedded
    ? []
    : orOk(
        [
          used > maxConnections * 0.8 &&
            warning(
              `${used} of ${maxConnections} connections are in use.`,
              "Make pools smaller, put a pooler in front, or raise max_connections."
            )
        ],
        `${used} of ${maxConnections} connections are in use.`
      )

const clock = ({ clock: { aheadMillis, precisionMillis }, isEmbedded }: DoctorFacts) => {
  if (isEmbedded) return []
  const off = Math.round(Math.abs(aheadMillis))
  const difference = `The database's clock is ${off} ms ${aheadMillis < 0 ? "behind" : "ahead of"} this machine's.`
  return orOk(
    [
      off - precisionMillis > clockTolerance &&
        warning(
          `${difference} Leases follow the database's clock and are correct; times that people compare are misleading.`,
          "Synchronize the clocks of both machines with NTP."
        )
    ],
    difference
  )
}

const migrations = ({ migrations: { edited, exists, isReadable, missing, unknown } }: DoctorFacts) => {
  if (!exists) return [problem("There is no backlog in the schema.", "Create one: `backlog migrate`.")]
  if (!isReadable) {
    return [
      problem(
        "This role may not read the backlog.",
        "Let its owner grant privileges: `backlog migrate --writer-role ROLE`."
      )
    ]
  }
  return orOk(
    [
      unknown.length > 0 &&
        problem(
          `The backlog has migrations that this program does not know: ${unknown.join(", ")}.`,
          "Use the version of the program that applied them, or a newer one."
        ),
      edited.length > 0 &&
        problem(
          `Migrations were edited after they had been applied: ${edited.join(", ")}.`,
          "Reinstall the program, or restore the table of migrations."
        ),
      missing.length > 0 &&
        problem(`Migrations are missing: ${missing.join(", ")}.`, "Apply them as the owner: `backlog migrate`.")
    ],
    "All migrations are applied."
  )
}

const pooler = ({ keepsSession }: DoctorFacts) =>
  keepsSession === null
    ? []
    : keepsSession
      ? [ok("A connection keeps its session: there is no transaction pooler in between.")]
      : [
          note(
            "There is a transaction pooler in between: commands work, but commit notifications of other processes do not arrive, so followers poll once a second."
          )
        ]

const notifications = ({ keepsSession, notificationMillis }: DoctorFacts) => {
  if (notificationMillis === null) return []
  if (notificationMillis !== "lost")
    return [ok(`A commit notification arrived after ${Math.round(notificationMillis)} ms.`)]
  return [
    warning(
      "Commit notifications do not arrive: followers and waiting claims poll once a second instead.",
      keepsSession === false
        ? "If that is too slow, connect without the pooler, or let it pool sessions."
        : "Find the proxy in between that drops LISTEN and NOTIFY."
    )
  ]
}

const roles = ({ roles: of }: DoctorFacts) =>
  orOk(
    of.flatMap(({ difference, kind, name }) =>
      difference === null
        ? []
        : [
            problem(
              `The ${kind} ${JSON.stringify(name)} ${difference}.`,
              `Grant its privileges again as the owner: \`backlog migrate --${kind}-role ROLE\` (docs/roles.md).`
            )
          ]
    ),
    of.length === 0
      ? "No other role has privileges on the backlog."
      : `The privileges match the grants: ${of.map(({ kind, name }) => `${kind} ${JSON.stringify(name)}`).join(", ")}.`
  )

const functionProblems: Readonly<
  Record<DoctorFacts["functions"][number]["problem"], readonly [what: string, toDo: string]>
> = {
  missing: [
    "does not exist, so commands fail",
    "Remove the migration that creates it, and apply it again (docs/upgrading.md)."
  ],
  misdirected: ["works on the tables of another schema: this one was renamed", "Run `backlog migrate` as the owner."],
  owner: [
    "does not belong to the owner of the tables, and runs with the privileges of another role",
    "Run `backlog migrate --owner-role OWNER` as a superuser."
  ],
  public: [
    "can be executed by every role that may use the schema",
    "Revoke that as the owner: `backlog migrate --writer-role ROLE` (docs/roles.md)."
  ]
}

const functions = ({ functions: of, migrations: { exists, missing } }: DoctorFacts) =>
  !exists || missing.length > 0
    ? []
    : orOk(
        of.map(({ name, problem: which }) => {
          const [what, toDo] = functionProblems[which]
          return problem(`The function ${name} ${what}.`, toDo)
        }),
        "The functions that carry out commands are complete."
      )

const bloat = ({ tables }: DoctorFacts) =>
  orOk(
    tables.flatMap(({ autovacuum, deadRows, liveRows, table }) => [
      !autovacuum &&
        problem(`Autovacuum is off for ${table}.`, `As the owner: ALTER TABLE ${table} RESET (autovacuum_enabled).`),
      deadRows > 20_000 &&
        deadRows > liveRows * 0.5 &&
        warning(
          `${table} has ${deadRows} dead rows and ${liveRows} live ones: claims become slower.`,
          `Find what holds vacuum back (a long transaction, a replication slot), then run VACUUM ${table}.`
        )
    ]),
    tables.length === 0 ? "There is nothing to vacuum." : "Dead rows are few."
  )

const transactions = ({ oldestTransaction }: DoctorFacts) =>
  orOk(
    [
      oldestTransaction !== null &&
        oldestTransaction.ageSeconds > 15 * minute &&
        warning(
          `A transaction has been open for ${formatDuration(oldestTransaction.ageSeconds)} (process ${oldestTransaction.pid}, ${oldestTransaction.state ?? "of another user"}), and holds vacuum back.`,
          `End it in its program, or run SELECT pg_terminate_backend(${oldestTransaction.pid}).`
        )
    ],
    "No transaction has been open for long."
  )

const generation = ({ generation: of }: DoctorFacts) =>
  of === null
    ? []
    : orOk(
        [
          (of.hasMoved || of.reason === "moved") &&
            warning(
              "The log was written on another server before, and `backlog restored` has not been run since.",
              "If it was restored from a backup, run `backlog restored` (docs/backup-and-restore.md). If it was moved without a loss, the command only ends the live claims."
            )
        ],
        of.number === 0 ? "The log was never restored." : `Tokens are of generation ${of.number} (${of.reason}).`
      )

/** Whether consumers keep up with the log. */
export const consumers = ({ consumers: of, head }: Pick<DoctorFacts, "consumers" | "head">) =>
  orOk(
    of.flatMap(({ ahead, behind, consumer, parked, stillSeconds }) => [
      ahead > 0 &&
        problem(
          `The checkpoint of consumer ${JSON.stringify(consumer)} is ${ahead} positions beyond the end of the log: the log was restored or truncated, and the consumer fails with CheckpointAhead.`,
          `Check what the consumer did with the events after ${head ?? 0}, then reset it: \`backlog consumers ${consumer} --reset-to ${head ?? 0}\`.`
        ),
      behind > 0 &&
        stillSeconds > 10 * minute &&
        warning(
          `Consumer ${JSON.stringify(consumer)} is ${behind} events behind, and has not moved for ${formatDuration(stillSeconds)}.`,
          "Check whether it runs, and its errors."
        ),
      parked > 0 &&
        warning(
          `Consumer ${JSON.stringify(consumer)} has parked ${parked} events that it could not handle.`,
          `List the reasons with \`backlog consumers ${consumer}\`, then use \`--unpark POSITION\`.`
        )
    ]),
    of.length === 0 ? "No consumer has a checkpoint." : "Consumers keep up."
  )

/** Seconds that a removal may take without a warning. */
const removalTime = 10 * minute

/** Whether erased bytes are left in the data files. */
export const erasures = ({ erasures: found }: Pick<DoctorFacts, "erasures">) => {
  if (found === null) return []
  const { oldestSeconds, pending, problem: why } = found
  const isOld = why !== null || (oldestSeconds ?? 0) > removalTime
  const what =
    `The bytes of ${pending === 1 ? "1 redaction" : `${pending} redactions`} are still in the data files, ` +
    `the oldest for ${formatDuration(oldestSeconds ?? 0)}.${why === null ? "" : ` The last attempt to remove them did not complete: ${why}`}`
  return orOk(
    [
      pending > 0 && !isOld && note(what),
      pending > 0 &&
        isOld &&
        warning(what, "Run `backlog doctor --fix` as the owner, or keep a server running that connects as the owner.")
    ],
    "No erased bytes are left in the data files."
  )
}

/** Whether the log continues the newest anchor of a file. */
export const anchors = ({
  anchorFile,
  server: { isReplica }
}: Pick<DoctorFacts, "anchorFile"> & { readonly server: Pick<DoctorFacts["server"], "isReplica"> }) => {
  if (anchorFile === undefined) return []
  const { isCutShort, newest, problem: wrong } = anchorFile
  const file = JSON.stringify(anchorFile.file)
  if (wrong !== null) {
    return [
      problem(
        `The anchor file ${file} cannot be used: ${wrong}.`,
        "Check whether a server with --anchor-file writes it."
      )
    ]
  }
  if (newest === null) return []
  const { ageSeconds, behind, isContinued, isReached, position } = newest
  if (isReplica && !isReached) {
    return [note(`This replica does not have the newest anchor in ${file} yet, at position ${position}.`)]
  }
  const state = `The newest anchor in ${file} is at position ${position}, ${formatDuration(ageSeconds)} old, and ${behind} events came after it.`
  return orOk(
    [
      !isContinued &&
        problem(
          `The log does not continue the newest anchor in ${file}, at position ${position}: it was truncated or rewritten.`,
          "Find where: `backlog verify --anchor-file PATH`. If a restore explains it, keep the file and start with a new one."
        ),
      isContinued &&
        behind > 0 &&
        ageSeconds > 24 * hour &&
        warning(state, "Check whether a server with --anchor-file runs, and its log."),
      isCutShort && note(`The last line of ${file} is incomplete: a write failed. The next anchor replaces it.`)
    ],
    state
  )
}

/** Whether expired claims are reclaimed. */
export const claims = ({ expiredClaims: { count, oldestSeconds } }: Pick<DoctorFacts, "expiredClaims">) =>
  orOk(
    [
      count > 0 &&
        (oldestSeconds ?? 0) > hour &&
        warning(
          `${count} ${count === 1 ? "claim has" : "claims have"} expired, the first ${formatDuration(oldestSeconds ?? 0)} ago, and no worker has reclaimed ${count === 1 ? "it" : "them"}.`,
          "Check whether workers run: the next claim reclaims such a card. `backlog reclaim` reclaims all of them."
        )
    ],
    "No claim has been expired for long."
  )

/** Whether there is work. */
export const work = ({ claimable, oldestReadyAgeSeconds }: Pick<DoctorFacts, "claimable" | "oldestReadyAgeSeconds">) =>
  claimable === 0
    ? []
    : [
        ok(
          `${claimable} ${claimable === 1 ? "card is" : "cards are"} claimable${oldestReadyAgeSeconds === null ? "" : `; the oldest that is ready is ${formatDuration(oldestReadyAgeSeconds)} old`}.`
        )
      ]

const durability = ({ durability: of, server: { role, settings: names } }: DoctorFacts) => {
  if (of == null) return []
  const standbys = names["synchronous_standby_names"] ?? ""
  return orOk(
    [
      of === "unconfirmed" &&
        problem(
          `The last commands did not become durable within 3 seconds: ${standbys === "" ? "the server's disk" : `the disk, or a synchronous standby (${standbys}),`} does not answer. Commands and reads wait.`,
          standbys === ""
            ? "Check the server's disk: SELECT wait_event FROM pg_stat_activity."
            : "Start the standby, or remove it from synchronous_standby_names."
        ),
      of === "synchronous" &&
        warning(
          `The role ${JSON.stringify(role)} may not execute pg_logical_emit_message: each command holds the head row of the log until its commit is durable, and reads wait for the server's disk only.`,
          `As a superuser: GRANT EXECUTE ON FUNCTION pg_logical_emit_message TO ${JSON.stringify(role)}, once for each argument list that \\df pg_logical_emit_message shows.`
        )
    ],
    "Commands release their locks before their commit is flushed, and return when it is durable."
  )
}

const standby = ({ isEmbedded, server: { settings: of } }: DoctorFacts) => {
  const names = of["synchronous_standby_names"] ?? ""
  if (isEmbedded || names === "") return []
  const level = of["synchronous_commit"]
  const toDo =
    "Set synchronous_commit = on where it is set: SELECT source FROM pg_settings WHERE name = 'synchronous_commit' names the place."
  return orOk(
    [
      (level === "off" || level === "local") &&
        warning(
          `synchronous_commit is ${level} although there is a synchronous standby (${names}): commands wait for it nevertheless, but a failover can lose other transactions of this role, such as those of consumers.`,
          toDo
        ),
      level === "remote_write" &&
        warning(
          `synchronous_commit is remote_write: a synchronous standby (${names}) acknowledges commands before they are on its disk, and a failover after it crashed can lose them.`,
          toDo
        )
    ],
    `Commits wait for a synchronous standby: ${names}.`
  )
}

const directory = ({ directory: of }: DoctorFacts) => {
  if (of === undefined) return []
  const { firstForeign, firstOpen, foreign, open, openBefore, openParts, socketProblem, user } = of
  const place = JSON.stringify(of.directory)
  const toClose = openParts.includes(of.directory) ? [of.directory] : openParts
  return orOk(
    [
      firstForeign !== null &&
        problem(
          `Users other than ${user} own ${formatFileCount(foreign)} of ${place}, the first ${JSON.stringify(firstForeign)}.`,
          `Let an administrator change their owner: \`chown -R ${user} ${place}\`, then check the log: \`backlog verify --anchor-file PATH\`.`
        ),
      firstOpen !== null &&
        problem(
          `${formatFileCount(open)} of ${place} are open to other users, the first ${JSON.stringify(firstOpen)}.`,
          `Remove the permissions: \`chmod -R go= ${toClose.map((part) => JSON.stringify(part)).join(" ")}\`. Other users could read the backlog. If they could also write, check the log: \`backlog verify --anchor-file PATH\`.`
        ),
      openBefore > open &&
        warning(
          `${formatFileCount(openBefore - open)} of ${place} were open to other users until this command closed them.`,
          "Other users could read the backlog. If they could also write, check the log: `backlog verify --anchor-file PATH`."
        ),
      socketProblem !== null &&
        warning(
          `Processes may not be able to share ${place}, and then wait for each other: ${socketProblem}`,
          "Remove what is in the place of the folder, or set TMPDIR or XDG_RUNTIME_DIR to a directory of this user for all programs."
        )
    ],
    `Only user ${user} can enter ${place} and owns every file in it.`
  )
}

const tokens = ({ tokenOverlaps: of }: DoctorFacts) =>
  of === null
    ? []
    : orOk(
        of.map(({ actor, id, worker }) =>
          warning(
            `Token ${id} belongs to ${quote(actor)}, a name under the worker ${quote(worker)}, who has a token too. Servers do not let the worker act for it.`,
            `Create it again under another name, and revoke it: \`backlog token revoke ${id}\`.`
          )
        ),
        "No token's holder is under the name of another token's worker."
      )

const checks: ReadonlyArray<readonly [string, (facts: DoctorFacts) => ReadonlyArray<Finding>]> = [
  ["server", server],
  ["settings", settings],
  ["connections", connections],
  ["clock", clock],
  ["migrations", migrations],
  ["pooler", pooler],
  ["notifications", notifications],
  ["roles", roles],
  ["functions", functions],
  ["vacuum", bloat],
  ["transactions", transactions],
  ["generation", generation],
  ["consumers", consumers],
  ["erasures", erasures],
  ["anchors", anchors],
  ["claims", claims],
  ["work", work],
  ["durability", durability],
  ["standby", standby],
  ["directory", directory],
  ["tokens", tokens]
]

const formatDuration = (seconds: number): string => {
  if (seconds < 2 * minute) return `${Math.round(seconds)} seconds`
  if (seconds < 2 * hour) return `${Math.round(seconds / minute)} minutes`
  return seconds < 48 * hour ? `${Math.round(seconds / hour)} hours` : `${Math.round(seconds / (24 * hour))} days`
}
