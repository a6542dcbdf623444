/** Permissions of the files of an embedded directory and of the command line: see docs/embedded.md. */
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
  // New files
  {
    name: "files: the engine's new files and folders are accessible to their owner only",
    file: engine,
    find: "mknod(parent, name, withoutOtherUsers(mode as number), device)",
    replace: "mknod(parent, name, mode, device)",
    tests: files
  },
  {
    name: "files: the engine does not widen the mode of its files later",
    file: engine,
    find: 'node_ops["setattr"] = (node, attributes) => setattr(node, withPrivateMode(attributes))',
    replace: "",
    tests: files
  },
  {
    name: "files: the owner can access the engine's files whatever the umask",
    file: engine,
    find: "setattr(node, { mode: node.mode })",
    replace: "",
    tests: files
  },
  {
    name: "files: a new folder is accessible to its owner only",
    file: modes,
    find: "await mkdir(folder, { mode: privateFolderMode })",
    replace: "await mkdir(folder)",
    tests: files
  },
  {
    name: "files: the owner can access a new folder whatever the umask",
    file: modes,
    find: "if (((await lstat(folder)).mode & privateFolderMode) !== privateFolderMode) await chmod(folder, privateFolderMode)",
    replace: "",
    tests: files
  },
  {
    name: "files: the lock is accessible to its owner only",
    file: lock,
    find: 'const file = await open(path, "w", privateFileMode)\n  try {\n    await setPrivateMode(file)',
    replace: 'const file = await open(path, "w")\n  try {',
    tests: files
  },
  {
    name: "files: the heartbeat file is accessible to its owner only",
    file: "src/services/pglite/LivenessSocket.ts",
    find: "await chmod(file, privateFileMode)",
    replace: "",
    tests: files
  },
  {
    name: "files: the socket is accessible to its owner only",
    file: place,
    find: "await chmod(draft, privateFileMode)",
    replace: "",
    tests: files
  },
  {
    name: "files: an export is accessible to its owner only",
    file: written,
    find: "yield* tryWrite(() => setPrivateMode(handle))",
    replace: "yield* tried(() => handle.chmod(0o644))",
    tests: files
  },
  {
    name: "files: the owner can access an export whatever the umask",
    file: written,
    find: "yield* tryWrite(() => setPrivateMode(handle))",
    replace: "",
    tests: files
  },
  {
    name: "files: a new anchor file is accessible to its owner only",
    file: "src/services/audit/AnchorFile.ts",
    find: "await setPrivateMode(handle)",
    replace: "",
    tests: files
  },
  // Existing files
  {
    name: "files: a directory with open permissions is restricted to its owner",
    file: access,
    find: "} else if (isOpenToOthers(found)) restrict(directory, directory, true)",
    replace: "}",
    tests: files
  },
  {
    name: "files: a directory that other users can write is refused when its mode is kept",
    file: access,
    find: "if (isWritableByOthers(found)) {\n      throw",
    replace: "if (false) {\n      throw",
    tests: files
  },
  {
    name: "files: a directory with other files keeps its mode",
    file: access,
    find: ".some((name) => !isBacklogFile(name))",
    replace: ".some((name) => !isBacklogFile(name) && false)",
    tests: files
  },
  {
    name: "files: a database folder with open permissions is restricted to its owner",
    file: access,
    find: "return isOpenToOthers(folder) && restrict(directory, database, true)",
    replace: "return isOpenToOthers(folder)",
    tests: files
  },
  {
    name: "files: every file with open permissions is restricted to its owner",
    file: access,
    find: "if (isOpenToOthers(found) && restrict(directory, path)) count++",
    replace: "",
    tests: files
  },
  {
    name: "files: the marker of a restricted database is restricted to its owner",
    file: access,
    find: 'restrictEach([[join(database, "PG_VERSION"), lstatSync(join(database, "PG_VERSION"))]])',
    replace: "",
    tests: files
  },
  {
    name: "files: the marker of a restricted database is restricted last",
    file: access,
    find: 'restrictEach(filesIn(database, "PG_VERSION"))',
    replace: "restrictEach(filesIn(database))",
    tests: files
  },
  {
    name: "files: links are not followed",
    file: modes,
    find: "(isFollowed ? 0 : constants.O_NOFOLLOW)",
    replace: "0",
    tests: files
  },
  {
    name: "files: a file whose permissions stay open is refused",
    file: modes,
    find: "if (isOpenToOthers(fstatSync(handle))) throw new PermissionsUnsupported(path)",
    replace: "",
    tests: files
  },
  {
    name: "files: another user's directory and files are refused",
    file: access,
    find: "  if (uid === user) return\n  throw",
    replace: "  if (uid >= 0) return\n  throw",
    tests: files
  },
  {
    name: "files: another user's lock is refused",
    file: access,
    find: "if (file !== undefined) refuseOther(directory, `its ${JSON.stringify(name)}`, file, user)",
    replace: "",
    tests: files
  },
  {
    name: "files: a file of another user is found by the owner of the marker",
    file: access,
    find: "(isOpenToOthers(stats) || stats.uid !== user)",
    replace: "isOpenToOthers(stats)",
    tests: files
  },
  {
    name: "files: the files of the database are checked when it is opened",
    file: shared,
    find: "restrictDatabase(directory, ownership, wasOpen)",
    replace: "0 * restrictDatabase.length",
    tests: files
  },
  {
    name: "files: a warning names what had open permissions",
    file: shared,
    find: "if (restricted > 0) yield*",
    replace: "if (restricted < 0) yield*",
    tests: files
  },
  // The socket
  {
    name: "files: the socket of a long path is inside the directory",
    file: listener,
    find: "await withShortPath(place.draft, listen)",
    replace: "await listen(place.draft)",
    tests: files
  },
  {
    name: "files: the holder reports another user's socket folder",
    file: listener,
    find: "cause instanceof SocketPlaceRefused\n",
    replace: "cause instanceof SocketPlaceRefused && false\n",
    tests: files
  },
  {
    name: "files: another user's socket folder is not used",
    file: place,
    find: "if (problem !== undefined) throw new SocketPlaceRefused(problem)",
    replace: "",
    tests: files
  },
  {
    name: "files: DirectoryLocked gives the reason why the directory is not shared",
    file: shared,
    find: "return notShared === undefined\n",
    replace: "return notShared !== undefined\n",
    tests: files
  },
  // The doctor
  {
    name: "files: the doctor finds files with open permissions",
    file: doctor,
    find: "firstOpen !== null &&",
    replace: "false &&",
    tests: files
  },
  {
    name: "files: the doctor reports what had open permissions before",
    file: doctor,
    find: "openBefore > open &&",
    replace: "false &&",
    tests: files
  },
  {
    name: "files: the doctor finds files of other users",
    file: doctor,
    find: "firstForeign !== null &&",
    replace: "false &&",
    startsPrograms: false,
    tests: ["test/services/doctor/diagnose.test.ts"]
  },
  {
    name: "files: the doctor finds a socket that cannot be used",
    file: doctor,
    find: "socketProblem !== null &&",
    replace: "false &&",
    startsPrograms: false,
    tests: ["test/services/doctor/diagnose.test.ts"]
  },
  {
    name: "files: warnings of commands are not in standard output",
    file: "src/cli/run.ts",
    find: "Effect.provide(Layer.mergeAll(platform, layerWarnings(io.stderr))),",
    replace: "Effect.provide(platform),",
    tests: files
  },
  {
    name: "files: a private key that other users can read does not sign anchors",
    file: "src/cli/readInput.ts",
    find: 'kind === "private" && isSecretExposed(path)',
    replace: 'kind === "private" && false',
    startsPrograms: false,
    tests: ["test/security/secretFiles.test.ts"]
  },
  {
    name: "files: a private key that other users can read does not identify a client",
    file: "src/services/postgres/connectionFiles.ts",
    find: "ssl.key !== undefined && isSecretExposed(ssl.key)",
    replace: "ssl.key !== undefined && false",
    startsPrograms: false,
    tests: ["test/security/secretFiles.test.ts"]
  }
]
