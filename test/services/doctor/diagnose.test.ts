import { describe, expect, it } from "vitest"
import { diagnose, type DoctorFacts } from "../../../src/index.ts"

const healthy: DoctorFacts = {
  isEmbedded: false,
  server: {
    version: "18.4",
    versionNumber: 180_004,
    database: "work",
    role: "backlog_writer",
    isSuperuser: false,
    isReplica: false,
    connections: 5,
    maxConnections: 100,
    settings: {
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      default_transaction_read_only: "off",
      autovacuum: "on",
      track_counts: "on"
    }
  },
  clock: { aheadMillis: -12, precisionMillis: 1 },
  migrations: { exists: true, isReadable: true, missing: [], edited: [], unknown: [] },
  keepsSession: true,
  notificationMillis: 3,
  roles: [
    { name: "backlog_owner", kind: "owner", difference: null },
    { name: "backlog_writer", kind: "writer", difference: null }
  ],
  functions: [],
  tables: [{ table: "cards", liveRows: 1000, deadRows: 900, bytes: 1e6, autovacuum: true }],
  oldestTransaction: { pid: 7, state: "active", ageSeconds: 3 },
  head: 100,
  generation: { number: 0, reason: null, hasMoved: false },
  erasures: { pending: 0, oldestSeconds: null, problem: null },
  consumers: [{ consumer: "mailer", behind: 3, ahead: 0, stillSeconds: 2, parked: 0 }],
  expiredClaims: { count: 1, oldestSeconds: 30 },
  claimable: 2,
  oldestReadyAgeSeconds: 7300,
  tokenOverlaps: []
}

const setting = (name: string, value: string): Partial<DoctorFacts> => ({
  server: { ...healthy.server, settings: { ...healthy.server.settings, [name]: value } }
})

/** A directory that only its user can enter. */
const closed: NonNullable<DoctorFacts["directory"]> = {
  directory: "/d",
  open: 0,
  firstOpen: null,
  openParts: [],
  openBefore: 0,
  foreign: 0,
  firstForeign: null,
  user: 1000,
  socketProblem: null
}

type Newest = NonNullable<NonNullable<DoctorFacts["anchorFile"]>["newest"]>

/** An anchor file whose newest anchor is older than a day, with some changed fields. */
const anchored = (newest: Partial<Newest>): Pick<DoctorFacts, "anchorFile"> => ({
  anchorFile: {
    file: "a.txt",
    problem: null,
    isCutShort: false,
    newest: { position: 90, ageSeconds: 90_000, isReached: true, isContinued: true, behind: 10, ...newest }
  }
})

const withStandby = (level: string): Partial<DoctorFacts> => ({
  server: {
    ...healthy.server,
    settings: { ...healthy.server.settings, synchronous_standby_names: "one", synchronous_commit: level }
  }
})

describe("diagnose", () => {
  it.each([
    ["on", "ok", /^Commits wait for a synchronous standby: one\.$/],
    ["remote_apply", "ok", /^Commits wait/],
    ["remote_write", "warning", /^synchronous_commit is remote_write: .*before they are on its disk/],
    ["local", "warning", /^synchronous_commit is local although there is a synchronous standby \(one\)/],
    ["off", "warning", /^synchronous_commit is off although/]
  ])("explains synchronous_commit = %s with a synchronous standby", (synchronousCommit, level, what) => {
    const found = diagnose({ ...healthy, ...withStandby(synchronousCommit) }).filter(({ check }) => check === "standby")
    expect(found.map((each) => each.level)).toEqual([level])
    expect(found[0]?.what).toMatch(what)
  })

  it("finds nothing to do on a healthy backlog", () => {
    const findings = diagnose(healthy)
    expect(findings.filter(({ level, toDo }) => level !== "ok" || toDo !== null)).toEqual([])
    expect(new Set(findings.map(({ check }) => check)).size).toBe(findings.length)
    expect(findings.map(({ what }) => what)).toContain(
      "2 cards are claimable; the oldest that is ready is 2 hours old."
    )
  })

  it.each<readonly [string, Partial<DoctorFacts>, string, string, RegExp]>([
    [
      "an old server",
      { server: { ...healthy.server, version: "14.2", versionNumber: 140_002 } },
      "server",
      "problem",
      /14\.2/
    ],
    ["a replica", { server: { ...healthy.server, isReplica: true } }, "server", "note", /read-only replica/],
    [
      "a superuser",
      { server: { ...healthy.server, isSuperuser: true } },
      "server",
      "warning",
      /superuser "backlog_writer"/
    ],
    ["no fsync", setting("fsync", "off"), "settings", "problem", /fsync is off/],
    ["torn pages", setting("full_page_writes", "off"), "settings", "problem", /full_page_writes/],
    [
      "commits that do not wait for the disk",
      setting("synchronous_commit", "off"),
      "settings",
      "warning",
      /synchronous_commit/
    ],
    ["a role that only reads", setting("default_transaction_read_only", "on"), "settings", "note", /read-only/],
    ["no autovacuum", setting("autovacuum", "off"), "settings", "problem", /Autovacuum is off/],
    ["no counts for autovacuum", setting("track_counts", "off"), "settings", "problem", /track_counts/],
    [
      "connections near the maximum",
      { server: { ...healthy.server, connections: 81 } },
      "connections",
      "warning",
      /81 of 100/
    ],
    ["a clock ahead", { clock: { aheadMillis: 5000, precisionMillis: 1 } }, "clock", "warning", /5000 ms ahead of/],
    ["a clock behind", { clock: { aheadMillis: -2100, precisionMillis: 1 } }, "clock", "warning", /2100 ms behind/],
    ["no backlog", { migrations: { ...healthy.migrations, exists: false } }, "migrations", "problem", /no backlog/],
    [
      "a backlog that may not be read",
      { migrations: { ...healthy.migrations, isReadable: false } },
      "migrations",
      "problem",
      /may not read/
    ],
    [
      "a missing migration",
      { migrations: { ...healthy.migrations, missing: ["0005_x"] } },
      "migrations",
      "problem",
      /missing: 0005_x/
    ],
    [
      "an edited migration",
      { migrations: { ...healthy.migrations, edited: ["0002_x"] } },
      "migrations",
      "problem",
      /edited .*0002_x/
    ],
    [
      "a newer version's migration",
      { migrations: { ...healthy.migrations, unknown: ["0099_x"] } },
      "migrations",
      "problem",
      /0099_x/
    ],
    ["a pooler", { keepsSession: false }, "pooler", "note", /pooler/],
    ["lost notifications", { notificationMillis: "lost" }, "notifications", "warning", /do not arrive/],
    [
      "a role with more privileges than granted",
      { roles: [{ name: "w", kind: "writer", difference: "has DELETE on events" }] },
      "roles",
      "problem",
      /writer "w" has DELETE on events/
    ],
    [
      "a table without autovacuum",
      { tables: [{ table: "cards", liveRows: 1, deadRows: 1, bytes: 1, autovacuum: false }] },
      "vacuum",
      "problem",
      /Autovacuum is off for cards/
    ],
    [
      "dead rows",
      { tables: [{ table: "cards", liveRows: 30_000, deadRows: 20_001, bytes: 1, autovacuum: true }] },
      "vacuum",
      "warning",
      /20001 dead rows/
    ],
    [
      "erased bytes that are still in the data files",
      { erasures: { pending: 2, oldestSeconds: 30, problem: null } },
      "erasures",
      "note",
      /bytes of 2 redactions are still in the data files/
    ],
    [
      "erased bytes that have been in the data files for a long time",
      { erasures: { pending: 1, oldestSeconds: 601, problem: null } },
      "erasures",
      "warning",
      /the oldest for 10 minutes/
    ],
    [
      "a removal of erased bytes that did not complete",
      { erasures: { pending: 1, oldestSeconds: 5, problem: "an index is in the way." } },
      "erasures",
      "warning",
      /did not complete: an index is in the way/
    ],
    [
      "a long transaction",
      { oldestTransaction: { pid: 7, state: "idle in transaction", ageSeconds: 901 } },
      "transactions",
      "warning",
      /15 minutes \(process 7, idle in transaction\)/
    ],
    [
      "a consumer without progress",
      { consumers: [{ consumer: "mailer", behind: 5, ahead: 0, stillSeconds: 601, parked: 0 }] },
      "consumers",
      "warning",
      /"mailer" is 5 events behind, .* 10 minutes/
    ],
    [
      "a checkpoint beyond the end of the log",
      { consumers: [{ consumer: "mailer", behind: 0, ahead: 5, stillSeconds: 1, parked: 0 }] },
      "consumers",
      "problem",
      /"mailer" is 5 positions beyond the end of the log/
    ],
    [
      "an anchor that is old",
      anchored({}),
      "anchors",
      "warning",
      /position 90, 25 hours old, and 10 events came after/
    ],
    [
      "a log that differs",
      anchored({ isContinued: false }),
      "anchors",
      "problem",
      /does not continue the newest anchor/
    ],
    [
      "a log that is too short for an anchor",
      anchored({ isContinued: false, isReached: false, behind: 0 }),
      "anchors",
      "problem",
      /does not continue the newest anchor/
    ],
    [
      "a file of anchors that cannot be used",
      { anchorFile: { file: "a.txt", problem: "it is gone", isCutShort: false, newest: null } },
      "anchors",
      "problem",
      /"a.txt" cannot be used: it is gone/
    ],
    [
      "parked events",
      { consumers: [{ consumer: "mailer", behind: 0, ahead: 0, stillSeconds: 1e6, parked: 2 }] },
      "consumers",
      "warning",
      /parked 2 events/
    ],
    [
      "expired claims that no worker reclaims",
      { expiredClaims: { count: 3, oldestSeconds: 3601 } },
      "claims",
      "warning",
      /3 claims have expired, the first 60 minutes ago/
    ],
    [
      "files that other users can use",
      { directory: { ...closed, open: 2, firstOpen: "/d/pgdata/base", openParts: ["/d/pgdata"], openBefore: 2 } },
      "directory",
      "problem",
      /^2 files and folders of "\/d" are open to other users, the first "\/d\/pgdata\/base"\.$/
    ],
    [
      "files that other users could use before",
      { directory: { ...closed, openBefore: 970 } },
      "directory",
      "warning",
      /^970 files and folders of "\/d" were open to other users until this command closed them\.$/
    ],
    [
      "files of other users",
      { directory: { ...closed, foreign: 1, firstForeign: "/d/pgdata" } },
      "directory",
      "problem",
      /^Users other than 1000 own 1 file or folder of "\/d", the first "\/d\/pgdata"\.$/
    ],
    [
      "a blocked path of the socket",
      { directory: { ...closed, socketProblem: "It belongs to user 7." } },
      "directory",
      "warning",
      /share "\/d", and then wait for each other: It belongs to user 7\.$/
    ]
  ])("reports %s", (_, difference, check, level, what) => {
    const changed = diagnose({ ...healthy, ...difference }).filter((finding) => finding.level !== "ok")
    expect(changed).toHaveLength(1)
    expect(changed[0]).toMatchObject({ check, level, what: expect.stringMatching(what) })
    expect(changed[0]?.toDo === null).toBe(level === "note")
  })

  it("accepts an anchor that is new or has no later event, and only notes that a replica has not reached it", () => {
    const found = (facts: Partial<DoctorFacts>) =>
      diagnose({ ...healthy, ...facts }).filter(({ check }) => check === "anchors")
    expect(found({})).toEqual([])
    for (const newest of [{ ageSeconds: 60 }, { behind: 0 }]) {
      expect(found(anchored(newest))).toMatchObject([{ level: "ok" }])
    }
    const onReplica = {
      ...anchored({ isReached: false, isContinued: false, behind: 0 }),
      server: { ...healthy.server, isReplica: true }
    }
    expect(found(onReplica)).toMatchObject([
      { level: "note", what: expect.stringContaining("does not have") as string }
    ])
  })

  it.each([
    [["/d", "/d/pgdata"], '`chmod -R go= "/d"`'],
    [["/d/pgdata"], '`chmod -R go= "/d/pgdata"`'],
    [["/d/backlog.lock", "/d/pgdata"], '`chmod -R go= "/d/backlog.lock" "/d/pgdata"`']
  ])("returns the command that removes the permissions of %s", (openParts, command) => {
    const access = { ...closed, open: 997, firstOpen: openParts[0] ?? null, openParts, openBefore: 997 }
    const findings = diagnose({ ...healthy, directory: access })
    expect(findings.find(({ check }) => check === "directory")?.toDo).toContain(command)
  })

  it("skips the checks that an embedded database does not have", () => {
    const embedded: DoctorFacts = {
      ...healthy,
      isEmbedded: true,
      server: { ...healthy.server, isSuperuser: true, settings: { fsync: "off" }, connections: 1, maxConnections: 1 },
      keepsSession: null,
      notificationMillis: null,
      roles: []
    }
    expect(diagnose(embedded).filter(({ level }) => level !== "ok")).toEqual([])
  })
})
