/** What keeps the files of an embedded directory, and those that the command line writes, to their user: docs/embedded.md. */
const access = "src/services/pglite/directoryPermissions.ts"
const doctor = "src/services/doctor/diagnose.ts"
const engine = "src/services/pglite/PgliteEngine.ts"
const listener = "src/services/pglite/DirectoryServer.ts"
const lock = "src/services/pglite/lockFiles.ts"
const modes = "src/services/files/privateFiles.ts"
const place = "src/services/pglite/directorySocket.ts"
const shared = "src/services/pglite/SharedDirectory.ts"
const written = "src/cli/writeLines.ts"

const files = ["test/security/files.test.ts"]

export const fileMutations = [
  // What is created
  {
    name: "files: that the engine's new files and folders are for their user only",
    file: engine,
    find: "mknod(parent, name, withoutOtherUsers(mode as number), device)",
    replace: "mknod(parent, name, mode, device)",
    tests: files
  },
  {
    name: "files: that the engine does not open its files later",
    file: engine,
    find: 'node_ops["setattr"] = (node, attributes) => setattr(node, withPrivateMode(attributes))',
    replace: "",
    tests: files
  },
  {
    name: "files: that the umask leaves the owner's rights to the engine's files",
    file: engine,
    find: "setattr(node, { mode: node.mode })",
    replace: "",
    tests: files
  },
  {
    name: "files: the mode of a new folder",
    file: modes,
    find: "await mkdir(folder, { mode: privateFolderMode })",
    replace: "await mkdir(folder)",
    tests: files
  },
  {
    name: "files: that the umask leaves the owner's rights to a new folder",
    file: modes,
    find: "if (((await lstat(folder)).mode & privateFolderMode) !== privateFolderMode) await chmod(folder, privateFolderMode)",
    replace: "",
    tests: files
  },
  {
    name: "files: the mode of the lock",
    file: lock,
    find: 'const file = await open(path, "w", privateFileMode)\n  try {\n    await setPrivateMode(file)',
    replace: 'const file = await open(path, "w")\n  try {',
    tests: files
  },
  {
    name: "files: the mode of the life sign",
    file: "src/services/pglite/LivenessSocket.ts",
    find: "await chmod(file, privateFileMode)",
    replace: "",
    tests: files
  },
  {
    name: "files: the mode of the socket",
    file: place,
    find: "await chmod(draft, privateFileMode)",
    replace: "",
    tests: files
  },
  {
    name: "files: the mode of an export",
    file: written,
    find: "yield* tried(() => setPrivateMode(handle))",
    replace: "yield* tried(() => handle.chmod(0o644))",
    tests: files
  },
  {
    name: "files: that the umask leaves the owner's rights to an export",
    file: written,
    find: "yield* tried(() => setPrivateMode(handle))",
    replace: "",
    tests: files
  },
  {
    name: "files: the mode of a new anchor file",
    file: "src/services/audit/AnchorFile.ts",
    find: "await setPrivateMode(handle)",
    replace: "",
    tests: files
  },
  // What is there already
  {
    name: "files: that an open directory is closed",
    file: access,
    find: "} else if (isOpenToOthers(found)) restrict(directory, directory, true)",
    replace: "}",
    tests: files
  },
  {
    name: "files: that a directory which others may write is refused when its mode is left",
    file: access,
    find: "if (isWritableByOthers(found)) {\n      throw",
    replace: "if (false) {\n      throw",
    tests: files
  },
  {
    name: "files: that a directory with other files keeps its mode",
    file: access,
    find: ".some((name) => !isBacklogFile(name))",
    replace: ".some((name) => !isBacklogFile(name) && false)",
    tests: files
  },
  {
    name: "files: that an open database's folder is closed",
    file: access,
    find: "return isOpenToOthers(folder) && restrict(directory, database, true)",
    replace: "return isOpenToOthers(folder)",
    tests: files
  },
  {
    name: "files: that every open file is closed",
    file: access,
    find: "if (isOpenToOthers(found) && restrict(directory, path)) count++",
    replace: "",
    tests: files
  },
  {
    name: "files: that the sign of a closed database is closed",
    file: access,
    find: 'restrictEach([[join(database, "PG_VERSION"), lstatSync(join(database, "PG_VERSION"))]])',
    replace: "",
    tests: files
  },
  {
    name: "files: that the sign of a closed database is closed last",
    file: access,
    find: 'restrictEach(filesIn(database, "PG_VERSION"))',
    replace: "restrictEach(filesIn(database))",
    tests: files
  },
  {
    name: "files: that links are not followed",
    file: modes,
    find: "(isFollowed ? 0 : constants.O_NOFOLLOW)",
    replace: "0",
    tests: files
  },
  {
    name: "files: that a file which stays open is refused",
    file: modes,
    find: "if (isOpenToOthers(fstatSync(handle))) throw new PermissionsUnsupported(path)",
    replace: "",
    tests: files
  },
  {
    name: "files: that another user's directory and files are refused",
    file: access,
    find: "  if (uid === user) return\n  throw",
    replace: "  if (uid >= 0) return\n  throw",
    tests: files
  },
  {
    name: "files: that another user's lock is refused",
    file: access,
    find: "if (file !== undefined) refuseOther(directory, `its ${JSON.stringify(name)}`, file, user)",
    replace: "",
    tests: files
  },
  {
    name: "files: that a file of another user is found by the owner of the sign",
    file: access,
    find: "(isOpenToOthers(stats) || stats.uid !== user)",
    replace: "isOpenToOthers(stats)",
    tests: files
  },
  {
    name: "files: that the files of the database are checked when it is opened",
    file: shared,
    find: "restrictDatabase(directory, ownership, wasOpen)",
    replace: "0 * restrictDatabase.length",
    tests: files
  },
  {
    name: "files: that people are warned of what was open",
    file: shared,
    find: "if (restricted > 0) yield*",
    replace: "if (restricted < 0) yield*",
    tests: files
  },
  // The socket
  {
    name: "files: that a long path has its socket inside the directory too",
    file: listener,
    find: "await withShortPath(place.draft, listen)",
    replace: "await listen(place.draft)",
    tests: files
  },
  {
    name: "files: that another user's folder for the socket is reported by the holder",
    file: listener,
    find: "cause instanceof SocketPlaceRefused\n",
    replace: "cause instanceof SocketPlaceRefused && false\n",
    tests: files
  },
  {
    name: "files: that another user's folder for the socket is not used",
    file: place,
    find: "if (problem !== undefined) throw new SocketPlaceRefused(problem)",
    replace: "",
    tests: files
  },
  {
    name: "files: that DirectoryLocked says why the directory is not shared",
    file: shared,
    find: "return notShared === undefined\n",
    replace: "return notShared !== undefined\n",
    tests: files
  },
  // The doctor
  {
    name: "files: that the doctor finds open files",
    file: doctor,
    find: "firstOpen !== null &&",
    replace: "false &&",
    tests: files
  },
  {
    name: "files: that the doctor says what was open before",
    file: doctor,
    find: "openBefore > open &&",
    replace: "false &&",
    tests: files
  },
  {
    name: "files: that the doctor finds files of other users",
    file: doctor,
    find: "firstForeign !== null &&",
    replace: "false &&",
    startsPrograms: false,
    tests: ["test/services/doctor/diagnose.test.ts"]
  },
  {
    name: "files: that the doctor finds a socket that cannot be used",
    file: doctor,
    find: "socketProblem !== null &&",
    replace: "false &&",
    startsPrograms: false,
    tests: ["test/services/doctor/diagnose.test.ts"]
  },
  {
    name: "files: that warnings of commands stay out of standard output",
    file: "src/cli/run.ts",
    find: "Effect.provide(Layer.mergeAll(platform, layerWarnings(io.stderr))),",
    replace: "Effect.provide(platform),",
    tests: files
  },
  {
    name: "files: that a private key which others can read signs no anchors",
    file: "src/cli/readInput.ts",
    find: 'kind === "private" && isSecretExposed(path)',
    replace: 'kind === "private" && false',
    startsPrograms: false,
    tests: ["test/security/secretFiles.test.ts"]
  },
  {
    name: "files: that a private key which others can read identifies no client",
    file: "src/services/postgres/connectionFiles.ts",
    find: "ssl.key !== undefined && isSecretExposed(ssl.key)",
    replace: "ssl.key !== undefined && false",
    startsPrograms: false,
    tests: ["test/security/secretFiles.test.ts"]
  }
]
