/** Exclusive use of an embedded directory by one process: see docs/decisions/0003-directory-lock.md and 0030-lost-directories.md. */
const lock = "src/services/pglite/DirectoryLock.ts"
const lockFiles = "src/services/pglite/lockFiles.ts"
const held = "src/services/pglite/DirectoryOwnership.ts"
const engine = "src/services/pglite/PgliteEngine.ts"
const shared = "src/services/pglite/SharedDirectory.ts"
const identity = "src/services/pglite/ProcessIdentity.ts"
const errors = "src/services/files/fileErrors.ts"

const lost = ["test/services/pglite/lostDirectory.test.ts"]
const locking = ["test/services/pglite/DirectoryLock.test.ts"]
const words = ["test/services/files/fileErrors.test.ts"]

export const directoryMutations = [
  {
    name: "the lock file is the one that this process created",
    file: held,
    find: 'if (!isSame(lock, this.lock)) return "another lock file is in that place"',
    replace: "",
    tests: lost
  },
  {
    name: "the lock file still names this process",
    file: held,
    find: "if (!this.isOwnLock(readText(this.lock.path)))",
    replace: "if (false)",
    tests: lost
  },
  {
    name: "the database is the one that was opened",
    file: held,
    find: "if (!isSame(found, file)) return `${file.name} in it was replaced`",
    replace: "",
    tests: lost
  },
  {
    name: "the database was not overwritten",
    file: held,
    find: "if (hasChanged(found, file)) {",
    replace: "if (false) {",
    tests: lost
  },
  {
    name: "a directory stays lost",
    file: held,
    find: "      this.lost = new DirectoryLost({ directory: this.directory, reason })\n      throw this.lost",
    replace: "      throw new DirectoryLost({ directory: this.directory, reason })",
    tests: lost
  },
  {
    name: "the directory is checked before the engine creates, renames or removes a file",
    file: engine,
    find: "for (const name of pathOperations.node_ops) checkBefore(node_ops, name, check)\n",
    replace: "",
    tests: lost
  },
  {
    name: "the directory is checked before the engine opens a file",
    file: engine,
    find: "for (const name of pathOperations.stream_ops) checkBefore(stream_ops, name, check)\n",
    replace: "",
    tests: lost
  },
  {
    name: "the directory is checked before the engine writes to an open file",
    file: engine,
    find: "for (const name of writeOperations) checkBefore(stream_ops, name, checkIfStale)",
    replace: "",
    tests: lost
  },
  {
    name: "the engine does not write when it is closed after a loss",
    file: engine,
    find: "return (this.pglite.Module as unknown as Module).FS.quit()",
    replace: "",
    tests: lost
  },
  {
    name: "a process that lost its directory does not open another in its place",
    file: shared,
    find: "          if (lost !== undefined) return yield* lost\n",
    replace: "",
    tests: lost
  },
  {
    name: "an idle holder checks its directory",
    file: shared,
    find: "setInterval(() => pooler.checkEngine(), ownershipCheckMillis)",
    replace: "setInterval(() => undefined, ownershipCheckMillis)",
    tests: lost
  },
  {
    name: "the lock is removed from a directory that was moved",
    file: lock,
    find: "if (ownership?.currentPath !== undefined) await removeLockFile(ownership.currentPath, nonce)",
    replace: "",
    tests: lost
  },
  {
    name: "a socket without a listener belongs to a dead holder",
    file: lockFiles,
    find: 'socket === "unknown" ? state : socket === "ended" ? "ended" : "running"',
    replace: "state",
    tests: locking
  },
  {
    name: "the lock in a copy of a directory is not its holder's",
    file: lockFiles,
    find: "if (dev === holder.place.dev && ino !== holder.place.ino)",
    replace: "if (false)",
    tests: locking
  },
  {
    name: "a renamed host recognizes its own locks",
    file: identity,
    find: "if (!(await isSameBoot(other))) {",
    replace: "{",
    tests: locking
  },
  {
    name: "clients wait for a slow holder",
    file: lock,
    find: "if (!(await this.hasProgressed(holder))) return true",
    replace: "return true",
    tests: locking
  },
  {
    name: "clients stop waiting for a stopped holder",
    file: lock,
    find: "if (!(await this.hasProgressed(holder))) return true",
    replace: "",
    tests: locking
  },
  {
    name: "the embedded engine gets error numbers that it knows",
    file: errors,
    find: 'if (name === "ErrnoError") return engineCodes[errno]',
    replace: 'if (name === "ErrnoError") return undefined',
    tests: words
  }
]
