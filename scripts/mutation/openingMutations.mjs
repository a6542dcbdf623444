/** What keeps readers from creating, connection settings from being ignored, and replicas from wrong answers. */
const migrations = "src/services/schema/Migrations.ts"
const sharedDirectory = "src/services/pglite/SharedDirectory.ts"
const databaseTarget = "src/cli/databaseTarget.ts"
const settings = "src/services/postgres/connectionSettings.ts"
const tls = "src/services/postgres/connectionFiles.ts"
const passwordFile = "src/services/postgres/connectionFiles.ts"
const chosenHost = "src/services/postgres/serverConfig.ts"
const replica = "src/events/replica.ts"
const eventLog = "src/events/EventLog.ts"
const counts = "src/projections/CardCounts.ts"

const opening = ["test/cli/opening.test.ts"]
const target = ["test/cli/database.test.ts"]
const connection = ["test/services/postgres/connectionSettings.test.ts"]
const standby = ["test/services/postgres/hotStandby.test.ts"]

export const openingMutations = [
  {
    name: "opening: that readers create and migrate nothing on a server",
    file: migrations,
    find: '(opening !== "create" || server.isReplica)',
    replace: "server.isReplica",
    tests: opening
  },
  {
    name: "opening: that readers create no directory",
    file: sharedDirectory,
    find: "else if (!(yield* attempt(() => holdsBacklog(directory)))) return yield* missing()",
    replace: "else yield* attempt(() => makeDirectory(directory))",
    tests: opening
  },
  {
    name: "opening: that a creation is said",
    file: migrations,
    find: "if (appliedNow.length === files.length) yield* onCreated(schema)\n      else if",
    replace: "if",
    tests: opening
  },
  {
    name: "opening: the search upward",
    file: databaseTarget,
    find: "if (dirname(place) === place) return undefined",
    replace: "return undefined",
    tests: target
  },
  {
    name: "opening: that a .backlog above of another user is refused",
    file: databaseTarget,
    find: "currentUser !== undefined && found.uid !== currentUser",
    replace: "false",
    tests: target
  },
  {
    name: "opening: that unknown schemes without slashes are refused",
    file: databaseTarget,
    find: "([a-z][a-z0-9+.-]+):(\\/\\/)?/i",
    replace: "([a-z][a-z0-9+.-]+):(\\/\\/)/i",
    tests: target
  },
  {
    name: "opening: that a drive of Windows is no scheme",
    file: databaseTarget,
    find: "([a-z][a-z0-9+.-]+):(\\/\\/)?/i",
    replace: "([a-z][a-z0-9+.-]*):(\\/\\/)?/i",
    tests: target
  },
  {
    name: "settings: that unknown ones are refused",
    file: settings,
    find: "if (instead === undefined && !Object.hasOwn(supported, name)) {",
    replace: "if (false) {",
    tests: connection
  },
  {
    name: "settings: that variables which are not supported are refused",
    file: settings,
    find: 'if (variable !== null && (env[variable] ?? "") !== "") {',
    replace: "if (false) {",
    tests: connection
  },
  {
    name: "settings: that the URL comes before the variables",
    file: settings,
    find: 'if (variable === null || value === "" || values.has(name)) continue',
    replace: 'if (variable === null || value === "") continue',
    tests: connection
  },
  {
    name: "settings: that an unencoded @ in a password is refused",
    file: settings,
    find: 'if (hostList.includes("@"))',
    replace: "if (false)",
    tests: connection
  },
  {
    name: "settings: that verify-full checks the name",
    file: tls,
    find: "if (!isNamed) return undefined",
    replace: "return undefined",
    tests: connection
  },
  {
    name: "settings: that verify-ca needs an authority",
    file: tls,
    find: 'if (ssl.mode === "verify-ca" && ca === undefined) {',
    replace: "if (false) {",
    tests: connection
  },
  {
    name: "settings: that others cannot read the password file",
    file: passwordFile,
    find: "(mode & 0o077) !== 0",
    replace: "false",
    tests: connection
  },
  {
    name: "settings: that a session is in the state that is wanted",
    file: chosenHost,
    find: "if (isWanted[target](state.success)) return host",
    replace: "return host",
    tests: standby
  },
  {
    name: "replica: that nothing is counted there",
    file: counts,
    find: "AND NOT pg_is_in_recovery()\n",
    replace: "\n",
    tests: standby
  },
  {
    name: "replica: that a read-only role of a primary is none",
    file: replica,
    find: "is && trouble !== undefined",
    replace: "trouble !== undefined",
    tests: standby
  },
  {
    name: "replica: that a position which is not replayed is waited for",
    file: replica,
    find: "if (head.position >= position || !(yield* log.isReplica)) return head",
    replace: "if (position > 0) return head",
    tests: standby
  },
  {
    name: "replica: that a follower's position is waited for",
    file: "src/events/MomentNotReached.ts",
    find: "const head = yield* awaitPosition(log, position)",
    replace: 'const head = yield* log.head("read")',
    tests: standby
  },
  {
    name: "replica: that what is on its way at a time is waited for",
    file: eventLog,
    find: "OR (clock_timestamp() > ${DateTime.toDateUtc(time)} + ${inFlight}::interval",
    replace: "OR (${DateTime.toDateUtc(time)} + ${inFlight}::interval IS NOT NULL",
    tests: standby
  },
  {
    name: "replica: that nothing is created or migrated there",
    file: migrations,
    find: '(opening !== "create" || server.isReplica)',
    replace: 'opening !== "create"',
    tests: standby
  }
].map((mutation) => ({ ...mutation, startsPrograms: false }))
