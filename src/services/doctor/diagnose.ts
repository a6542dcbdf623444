import { Schema } from "effect"
import { formatFileCount } from "../files/DirectoryAccess.ts"
import { quote } from "../../domain/displayText.ts"
import type { DoctorFacts } from "./DoctorFacts.ts"

/** Something that the doctor says. */
export const DoctorFinding = Schema.Struct({
  /** What was looked at: `migrations`, `clock` … */
  check: Schema.String,
  /**
   * `ok`; a `note`, which asks for nothing; a `warning`, of what will become a problem; a `problem`, of what does not work
   * or is not safe as it is.
   */
  level: Schema.Literals(["ok", "note", "warning", "problem"]),
  what: Schema.String,
  /** What to do about it; `null` when there is nothing to do. */
  toDo: Schema.NullOr(Schema.String)
})

/** Something that the doctor says. */
export interface DoctorFinding extends Schema.Schema.Type<typeof DoctorFinding> {}

const minute = 60
const hour = 60 * minute

/** By how much the clocks may differ before times that people compare make no sense, in milliseconds. */
const clockTolerance = 2000

/** What the facts about a backlog mean, and what to do about them, in the order in which they were looked at. */
export const diagnose = (facts: DoctorFacts): ReadonlyArray<DoctorFinding> =>
  checks.flatMap(([check, look]) => look(facts).map((finding) => ({ check, ...finding })))

type Found = Omit<DoctorFinding, "check">

const ok = (what: string): Found => ({ level: "ok", what, toDo: null })
const note = (what: string): Found => ({ level: "note", what, toDo: null })
const warning = (what: string, toDo: string): Found => ({ level: "warning", what, toDo })
const problem = (what: string, toDo: string): Found => ({ level: "problem", what, toDo })

/** Those that apply, or else that nothing does. */
const orOk = (found: ReadonlyArray<Found | false>, what: string): ReadonlyArray<Found> => {
  const those = found.filter((each) => each !== false)
  return those.length === 0 ? [ok(what)] : those
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
          `This connects as the superuser ${JSON.stringify(role)}, whom no grant keeps from anything.`,
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
              "synchronous_commit is off: commands wait for the disk all the same, but a crash can lose other transactions of this role, such as those of consumers.",
              "Set synchronous_commit = on for the role or the database."
            ),
          of["default_transaction_read_only"] === "on" &&
            note("Transactions of this role are read-only: it can audit, and sends no commands."),
          of["autovacuum"] === "off" &&
            problem("Autovacuum is off: claims become slower with every command.", "Set autovacuum = on."),
          of["track_counts"] === "off" &&
            problem("track_counts is off, so autovacuum never runs.", "Set track_counts = on.")
        ],
        "The server keeps what it has answered."
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
  const words = `The database's clock is ${off} ms ${aheadMillis < 0 ? "behind" : "ahead of"} this machine's.`
  return orOk(
    [
      off - precisionMillis > clockTolerance &&
        warning(
          `${words} Leases go by the database's and are right; times that people compare are not.`,
          "Let both machines keep their clocks by NTP."
        )
    ],
    words
  )
}

const migrations = ({ migrations: { edited, exists, isReadable, missing, unknown } }: DoctorFacts) => {
  if (!exists) return [problem("There is no backlog in the schema.", "Make one: `backlog migrate`.")]
  if (!isReadable) {
    return [
      problem(
        "This role may not read the backlog.",
        "Have its owner grant it a part: `backlog migrate --writer-role ROLE`."
      )
    ]
  }
  return orOk(
    [
      unknown.length > 0 &&
        problem(
          `It has migrations that this program does not know: ${unknown.join(", ")}.`,
          "Use the version of the program that made them, or a newer one."
        ),
      edited.length > 0 &&
        problem(
          `Migrations were edited after they had been applied: ${edited.join(", ")}.`,
          "Install the program anew, or restore the table of migrations."
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
            "A pooler that pools transactions is in between: commands work; news of commits in other processes do not come, so whoever follows events looks once a second."
          )
        ]

const notifications = ({ keepsSession, notificationMillis }: DoctorFacts) => {
  if (notificationMillis === null) return []
  if (notificationMillis !== "lost") return [ok(`News of a commit took ${Math.round(notificationMillis)} ms to come.`)]
  return [
    warning(
      "News of commits do not come: whoever follows events or waits for a card looks once a second instead.",
      keepsSession === false
        ? "Connect past the pooler, or let it pool sessions, where that is too late."
        : "Look for what is in between and drops LISTEN and NOTIFY."
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
              `Grant it anew as the owner: \`backlog migrate --${kind}-role ROLE\` (docs/roles.md).`
            )
          ]
    ),
    of.length === 0
      ? "The backlog is shared with no other role."
      : `As granted: ${of.map(({ kind, name }) => `${kind} ${JSON.stringify(name)}`).join(", ")}.`
  )

const bloat = ({ tables }: DoctorFacts) =>
  orOk(
    tables.flatMap(({ autovacuum, deadRows, liveRows, table }) => [
      !autovacuum &&
        problem(
          `Autovacuum is switched off for ${table}.`,
          `As the owner: ALTER TABLE ${table} RESET (autovacuum_enabled).`
        ),
      deadRows > 20_000 &&
        deadRows > liveRows * 0.5 &&
        warning(
          `${table} has ${deadRows} dead rows beside ${liveRows} live ones: claims become slower.`,
          `Look for what holds vacuum back (a long transaction, a replication slot), then VACUUM ${table}.`
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
          `A transaction has been open for ${long(oldestTransaction.ageSeconds)} (process ${oldestTransaction.pid}, ${oldestTransaction.state ?? "of another user"}), and holds vacuum back.`,
          `End it where it comes from, or SELECT pg_terminate_backend(${oldestTransaction.pid}).`
        )
    ],
    "No transaction is open for long."
  )

const generation = ({ generation: of }: DoctorFacts) =>
  of === null
    ? []
    : orOk(
        [
          (of.hasMoved || of.reason === "moved") &&
            warning(
              "The log was written on another server before, and `backlog restored` has not been run since.",
              "If it was restored from a backup, run `backlog restored` (docs/backup-and-restore.md). If it was moved without a loss, running it only ends the live claims."
            )
        ],
        of.number === 0 ? "The log was never restored." : `Tokens are of generation ${of.number} (${of.reason}).`
      )

const consumers = ({ consumers: of, head }: DoctorFacts) =>
  orOk(
    of.flatMap(({ ahead, behind, consumer, parked, stillSeconds }) => [
      ahead > 0 &&
        problem(
          `The checkpoint of consumer ${JSON.stringify(consumer)} is ${ahead} positions beyond the end of the log: the log was restored or truncated, and the consumer fails with CheckpointAhead.`,
          `Check what it did with the events after ${head ?? 0}, then set it back: \`backlog consumers ${consumer} --reset-to ${head ?? 0}\`.`
        ),
      behind > 0 &&
        stillSeconds > 10 * minute &&
        warning(
          `Consumer ${JSON.stringify(consumer)} is ${behind} events behind, and has not moved for ${long(stillSeconds)}.`,
          "See whether it runs, and what it fails with."
        ),
      parked > 0 &&
        warning(
          `Consumer ${JSON.stringify(consumer)} has parked ${parked} events that it could not take.`,
          `See why: \`backlog consumers ${consumer}\`; then \`--unpark POSITION\`.`
        )
    ]),
    of.length === 0 ? "No consumer keeps a checkpoint." : "Consumers keep up."
  )

/** How long a removal may take before it is worth a warning. */
const removalTime = 10 * minute

const erasures = ({ erasures: found }: DoctorFacts) => {
  if (found === null) return []
  const { oldestSeconds, pending, problem: why } = found
  const isOld = why !== null || (oldestSeconds ?? 0) > removalTime
  const what =
    `The bytes of ${pending === 1 ? "1 redaction" : `${pending} redactions`} are still in the data files, ` +
    `the oldest for ${long(oldestSeconds ?? 0)}.${why === null ? "" : ` The last try to remove them did not complete: ${why}`}`
  return orOk(
    [
      pending > 0 && !isOld && note(what),
      pending > 0 &&
        isOld &&
        warning(what, "Run `backlog doctor --fix` as the owner, or let a server that connects as the owner run.")
    ],
    "No erased bytes are left in the data files."
  )
}

const anchors = ({ anchorFile, server: { isReplica } }: DoctorFacts) => {
  if (anchorFile === undefined) return []
  const { isCutShort, newest, problem: wrong } = anchorFile
  const file = JSON.stringify(anchorFile.file)
  if (wrong !== null) {
    return [
      problem(`The anchor file ${file} cannot be used: ${wrong}.`, "See whether a server with --anchor-file writes it.")
    ]
  }
  if (newest === null) return []
  const { ageSeconds, behind, isContinued, isReached, position } = newest
  if (isReplica && !isReached) {
    return [note(`This replica does not have the newest anchor in ${file} yet, at position ${position}.`)]
  }
  const words = `The newest anchor in ${file} is at position ${position}, ${long(ageSeconds)} old, and ${behind} events came after it.`
  return orOk(
    [
      !isContinued &&
        problem(
          `The log does not continue the newest anchor in ${file}, at position ${position}: it was truncated or rewritten.`,
          "See where: `backlog verify --anchor-file PATH`. If a restore explains it, keep the file, and start with a new one."
        ),
      isContinued &&
        behind > 0 &&
        ageSeconds > 24 * hour &&
        warning(words, "See whether a server with --anchor-file runs, and what it logs."),
      isCutShort &&
        note(`The last line of ${file} is incomplete: a write was cut short. The next anchor takes its place.`)
    ],
    words
  )
}

const claims = ({ expiredClaims: { count, oldestSeconds } }: DoctorFacts) =>
  orOk(
    [
      count > 0 &&
        (oldestSeconds ?? 0) > hour &&
        warning(
          `${count} ${count === 1 ? "claim has" : "claims have"} run out, the first ${long(oldestSeconds ?? 0)} ago, and nobody has taken over.`,
          "See whether workers run: the next claim takes such a card over. `backlog reclaim` gives them all back at once."
        )
    ],
    "No claim has run out for long."
  )

const work = ({ claimable, oldestReadyAgeSeconds }: DoctorFacts) =>
  claimable === 0
    ? []
    : [
        ok(
          `${claimable} ${claimable === 1 ? "card is" : "cards are"} claimable${oldestReadyAgeSeconds === null ? "" : `; the oldest that is ready is ${long(oldestReadyAgeSeconds)} old`}.`
        )
      ]

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
          `synchronous_commit is ${level} although there is a synchronous standby (${names}): commands wait for it all the same, but a failover can lose other transactions of this role, such as those of consumers.`,
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
          `Other users than ${user} own ${formatFileCount(foreign)} of ${place}, the first ${JSON.stringify(firstForeign)}.`,
          `Let an administrator give them to this user: \`chown -R ${user} ${place}\`, then check the log: \`backlog verify --anchor-file PATH\`.`
        ),
      firstOpen !== null &&
        problem(
          `${formatFileCount(open)} of ${place} let other users in, the first ${JSON.stringify(firstOpen)}.`,
          `Close them: \`chmod -R go= ${toClose.map((part) => JSON.stringify(part)).join(" ")}\`. Others could read the backlog; if they could write, check the log: \`backlog verify --anchor-file PATH\`.`
        ),
      openBefore > open &&
        warning(
          `${formatFileCount(openBefore - open)} of ${place} let other users in until this command closed them.`,
          "Others could read the backlog; if they could write, check the log: `backlog verify --anchor-file PATH`."
        ),
      socketProblem !== null &&
        warning(
          `Processes may not be able to share ${place}, and wait for each other: ${socketProblem}`,
          "Free the place of the folder, or set TMPDIR or XDG_RUNTIME_DIR to a directory of this user for all programs."
        )
    ],
    `Only user ${user} can enter ${place}, and every file in it is that user's.`
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

const checks: ReadonlyArray<readonly [string, (facts: DoctorFacts) => ReadonlyArray<Found>]> = [
  ["server", server],
  ["settings", settings],
  ["connections", connections],
  ["clock", clock],
  ["migrations", migrations],
  ["pooler", pooler],
  ["notifications", notifications],
  ["roles", roles],
  ["vacuum", bloat],
  ["transactions", transactions],
  ["generation", generation],
  ["consumers", consumers],
  ["erasures", erasures],
  ["anchors", anchors],
  ["claims", claims],
  ["work", work],
  ["standby", standby],
  ["directory", directory],
  ["tokens", tokens]
]

const long = (seconds: number): string => {
  if (seconds < 2 * minute) return `${Math.round(seconds)} seconds`
  if (seconds < 2 * hour) return `${Math.round(seconds / minute)} minutes`
  return seconds < 48 * hour ? `${Math.round(seconds / hour)} hours` : `${Math.round(seconds / (24 * hour))} days`
}
