/** The template of new embedded databases: docs/decisions/0042-a-template-of-new-databases.md. */
const newDatabase = "src/services/pglite/NewDatabase.ts"
const files = "src/services/pglite/databaseFiles.ts"
const directory = "src/services/pglite/databaseDirectory.ts"
const snapshot = "src/services/pglite/snapshotDatabase.ts"
const migrations = "src/services/schema/Migrations.ts"

const templates = ["test/services/pglite/templates.test.ts"]
const copies = ["test/proof/templates.test.ts"]

export const templateMutations = [
  {
    name: "template: it was created by the installed version of PGlite",
    file: newDatabase,
    find: "manifest === undefined || manifest.pglite !== (await installedPgliteVersion())",
    replace: "manifest === undefined",
    tests: templates
  },
  {
    name: "template: its archive is the one of the manifest",
    file: newDatabase,
    find: 'archive === undefined || createHash("sha256").update(archive).digest("hex") !== manifest.sha256',
    replace: "archive === undefined",
    tests: templates
  },
  {
    name: "template: its backlog has exactly the migrations of this package",
    file: newDatabase,
    find: "haveSameChecksums(manifest.migrations, Effect.runSync(readMigrations))",
    replace: "true",
    tests: templates
  },
  {
    name: "template: another schema gets no backlog in the default one",
    file: newDatabase,
    find: "schema === templateSchema &&",
    replace: "",
    tests: templates
  },
  {
    name: "template: every copy has an identity of its own",
    file: files,
    find: "const identifier = newSystemIdentifier()",
    replace: "const identifier = before",
    tests: templates
  },
  {
    name: "template: files are for this user only, whatever the umask is",
    file: files,
    find: "fchmodSync(file, privateFileMode)",
    replace: "",
    tests: templates
  },
  {
    name: "template: a directory that is lost gets no more files",
    file: files,
    find: "for (const [name, bytes] of files) {\n    ownership.checkIfStale()",
    replace: "for (const [name, bytes] of files) {",
    tests: templates
  },
  {
    name: "template: an incomplete copy is not a database",
    file: directory,
    find: "else await writeDatabaseFiles(unfinished, files, ownership)",
    replace: "else await writeDatabaseFiles(join(directory, databaseFolder), files, ownership)",
    tests: templates
  },
  {
    name: "template: the first start reports that the backlog was created",
    file: migrations,
    find: 'opening === "create" && found.some((row) => row.isFromTemplate)',
    replace: "false",
    tests: templates
  },
  {
    name: "template: a copy has the log file that Postgres starts with",
    file: snapshot,
    find: "path === `pg_wal/${logFile}`",
    replace: "false",
    tests: copies
  }
]
