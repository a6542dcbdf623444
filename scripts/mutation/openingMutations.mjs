/** Opening without creating, connection settings, and replicas. */
const migrations = "src/services/schema/Migrations.ts"
const sharedDirectory = "src/services/pglite/SharedDirectory.ts"
const databaseTarget = "src/cli/databaseTarget.ts"
const settings = "src/services/postgres/connectionSettings.ts"
const tls = "src/services/postgres/connectionFiles.ts"
const passwordFile = "src/services/postgres/connectionFiles.ts"
const serverConfig = "src/services/postgres/serverConfig.ts"
const replica = "src/events/replica.ts"
const eventLog = "src/events/EventLog.ts"

const opening = ["test/cli/opening.test.ts"]
const target = ["test/cli/database.test.ts"]
const connection = ["test/services/postgres/connectionSettings.test.ts"]
const standby = ["test/services/postgres/hotStandby.test.ts"]

export const openingMutations = [
  {
    name: "opening: a read-only opening creates and migrates nothing on a server",
    file: migrations,
    find: '(opening !== "create" || server.isReplica)',
    replace: "server.isReplica",
    tests: opening
  },
  {
    name: "opening: a read-only opening creates no directory",
    file: sharedDirectory,
    find: "else if (!(yield* attempt(() => holdsBacklog(directory)))) return yield* missing()",
    replace: "else yield* attempt(() => makeDirectory(directory))",
    tests: opening
  },
  {
    name: "opening: the creation of a backlog is reported",
    file: migrations,
    find: 'if (isNew.size === files.length) yield* requireEffect("onCreated", onCreated)(schema)\n      else if',
    replace: "if",
    tests: opening
  },
  {
    name: "opening: a .backlog is searched upward",
    file: databaseTarget,
    find: "if (dirname(place) === place) return undefined",
    replace: "return undefined",
    tests: target
  },
  {
    name: "opening: another user's .backlog above the working directory is refused",
    file: databaseTarget,
    find: "currentUser !== undefined && found.uid !== currentUser",
    replace: "false",
    tests: target
  },
  {
    name: "opening: unknown schemes without slashes are refused",
    file: databaseTarget,
    find: "([a-z][a-z0-9+.-]+):(\\/\\/)?/i",
    replace: "([a-z][a-z0-9+.-]+):(\\/\\/)/i",
    tests: target
  },
  {
    name: "opening: a Windows drive is not a scheme",
    file: databaseTarget,
    find: "([a-z][a-z0-9+.-]+):(\\/\\/)?/i",
    replace: "([a-z][a-z0-9+.-]*):(\\/\\/)?/i",
    tests: target
  },
  {
    name: "settings: unknown connection settings are refused",
    file: settings,
    find: "if (instead === undefined && !Object.hasOwn(supportedSettings, name)) {",
    replace: "if (false) {",
    tests: connection
  },
  {
    name: "settings: unsupported environment variables are refused",
    file: settings,
    find: 'if (variable !== null && (env[variable] ?? "") !== "") {',
    replace: "if (false) {",
    tests: connection
  },
  {
    name: "settings: the URL takes precedence over environment variables",
    file: settings,
    find: 'if (variable === null || value === "" || values.has(name)) continue',
    replace: 'if (variable === null || value === "") continue',
    tests: connection
  },
  {
    name: "settings: an unencoded @ in a password is refused",
    file: settings,
    find: 'if (hostList.includes("@"))',
    replace: "if (false)",
    tests: connection
  },
  {
    name: "settings: verify-full checks the host name",
    file: tls,
    find: "if (!isNamed) return undefined",
    replace: "return undefined",
    tests: connection
  },
  {
    name: "settings: verify-ca requires a certificate authority",
    file: tls,
    find: 'if (ssl.mode === "verify-ca" && ca === undefined) {',
    replace: "if (false) {",
    tests: connection
  },
  {
    name: "settings: a password file that other users can read is refused",
    file: passwordFile,
    find: "(mode & 0o077) !== 0",
    replace: "false",
    tests: connection
  },
  {
    name: "settings: a session has the requested target_session_attrs",
    file: serverConfig,
    find: "if (meetsTarget[target](state.success)) return host",
    replace: "return host",
    tests: standby
  },
  {
    name: "replica: a read-only role on a primary is not a replica",
    file: replica,
    find: "is && replicaError !== undefined",
    replace: "replicaError !== undefined",
    tests: standby
  },
  {
    name: "replica: a replica waits for a position that it has not replayed",
    file: replica,
    find: "if (head.position >= position || !(yield* log.isReplica)) return head",
    replace: "if (position > 0) return head",
    tests: standby
  },
  {
    name: "replica: a replica waits for a follower's position",
    file: "src/events/ReadGate.ts",
    find: "const head = yield* awaitPosition(log, position)",
    replace: 'const head = yield* log.head("read")',
    tests: standby
  },
  {
    name: "replica: a replica waits for events that were recorded by the requested time",
    file: eventLog,
    find: "OR (clock_timestamp() > ${DateTime.toDateUtc(time)} + ${inFlight}::interval",
    replace: "OR (${DateTime.toDateUtc(time)} + ${inFlight}::interval IS NOT NULL",
    tests: standby
  },
  {
    name: "replica: nothing is created or migrated on a replica",
    file: migrations,
    find: '(opening !== "create" || server.isReplica)',
    replace: 'opening !== "create"',
    tests: standby
  }
].map((mutation) => ({ ...mutation, startsPrograms: false }))
