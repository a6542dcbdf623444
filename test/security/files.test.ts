import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Logger, Option, Result, type Scope, Stream } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, afterEach, beforeAll } from "vitest"
import { writeLines } from "../../src/cli/writeLines.ts"
import { parseAnchor } from "../../src/events/Anchor.ts"
import { appendToAnchorFile } from "../../src/services/audit/AnchorFile.ts"
import { createDirectory } from "../../src/services/pglite/databaseDirectory.ts"
import type { DirectoryAccess } from "../../src/services/files/DirectoryAccess.ts"
import { restrictDirectory, inspectDirectoryAccess } from "../../src/services/pglite/directoryPermissions.ts"
import { HolderConnection } from "../../src/services/pglite/HolderConnection.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { removeOthersAccess, createPrivateFolder } from "../../src/services/files/privateFiles.ts"
import { start } from "../cli/program.ts"
import { inDirectory, json } from "../cli/support.ts"
import { createEmptyBacklog } from "../support/emptyBacklog.ts"

/** The id of a user and group that own no files. */
const other = 65_534

const isRoot = process.geteuid?.() === 0
const asRoot = isRoot ? "" : " (skipped: only root can act as another user: run the tests as root)"
const hasUsers = process.geteuid !== undefined

/** The files and folders in a directory that other users can access. Links are ignored, because they have no permissions. */
const openIn = (directory: string): ReadonlyArray<string> =>
  everythingIn(directory).filter((path) => {
    const found = lstatSync(path)
    return !found.isSymbolicLink() && (found.mode & 0o077) !== 0
  })

const everythingIn = (directory: string): ReadonlyArray<string> => [
  directory,
  ...readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name))
]

/** Sets the modes that versions up to 0.5 created with the umask 000. */
const openAll = (directory: string): void => {
  for (const path of everythingIn(directory)) chmodSync(path, lstatSync(path).isDirectory() ? 0o777 : 0o666)
}

describe.skipIf(!hasUsers)(`files under any umask${hasUsers ? "" : " (skipped: no user ids here)"}`, () => {
  let scratch = ""
  const umask = process.umask()
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "backlog-files-"))
    // Other users can reach the files that the program creates.
    chmodSync(scratch, 0o711)
  })
  afterEach(() => void process.umask(umask))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  const warnings: Array<string> = []
  const logger = Logger.layer([
    Logger.make(({ logLevel, message }) => void (logLevel === "Warn" && warnings.push(String(message))))
  ])
  const open = (dataDir: string, lockWait = 0): Effect.Effect<PgClient.PgClient, unknown, Scope.Scope> =>
    Layer.build(Layer.fresh(layerPgliteClient({ dataDir, lockWait }))).pipe(
      Effect.map((context) => Context.get(context, PgClient.PgClient)),
      Effect.provide(logger)
    )
  const refusal = async (dataDir: string): Promise<string> => {
    const exit = await Effect.runPromiseExit(Effect.scoped(open(dataDir)))
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return error instanceof Error && "_tag" in error ? `${String(error._tag)}: ${error.message}` : "no refusal"
  }
  const copy = async (name: string): Promise<string> => {
    const directory = join(scratch, name)
    await createEmptyBacklog(directory)
    return directory
  }

  it("a created database is accessible to its user only", async () => {
    const directory = await copy("new")
    assert.isAbove(everythingIn(directory).length, 900)
    assert.deepStrictEqual(openIn(directory), [])
  })

  it("an open directory of an older version is closed and stays closed, and another user can read nothing in it", async () => {
    const target = join(scratch, "target")
    writeFileSync(target, "")
    chmodSync(target, 0o644)
    const { TMPDIR } = process.env
    process.env["TMPDIR"] = join(scratch, "tmp")
    const foreignSocketFolder = join(scratch, "tmp", `mosaic-backlog-${process.geteuid?.()}`)
    mkdirSync(foreignSocketFolder, { recursive: true })
    if (isRoot) chownSync(foreignSocketFolder, other, other)
    const directory = await copy("d".repeat(100))
    openAll(directory)
    symlinkSync(target, join(directory, "pgdata", "base", "link"))
    const access = await inspectDirectoryAccess(directory)
    assert.strictEqual(access?.open, everythingIn(directory).length - 1)
    assert.deepStrictEqual(access?.openParts, [directory, join(directory, "pgdata")])
    process.umask(0)
    const program = Effect.gen(function* () {
      const sql = yield* open(directory)
      assert.match(
        warnings.splice(0).join(),
        /^Other users .* 1\d\d\d files and folders in .* have none now\. .*verify --anchor-file/
      )
      yield* sql`CREATE TABLE secrets AS SELECT 'attack at dawn ' || n AS text FROM generate_series(1, 1000) AS n`
      yield* sql`SELECT pg_switch_wal()::text`
      yield* sql`CHECKPOINT`
      const [place] = yield* sql<{ readonly path: string }>`SELECT current_setting('data_directory') || '/copy' AS path`
      yield* sql.unsafe(`COPY secrets TO '${place?.path}'`)
      // This includes the lock, the heartbeat file, the socket and its folder.
      assert.deepStrictEqual(openIn(directory), [])
      assert.strictEqual(lstatSync(target).mode & 0o777, 0o644, "a link was followed")
      const names = readdirSync(directory)
      for (const name of ["pgdata", "backlog.lock"]) assert.include(names, name)
      if (isRoot) assert.deepStrictEqual(attackAs(other, directory), [])
      // The path is too long for a socket, and the folder for temporary sockets belongs to another user.
      if (process.platform !== "linux") return
      const connection = yield* HolderConnection.open(directory)
      assert.isTrue(Option.isSome(connection))
      if (Option.isSome(connection)) connection.value.close()
      assert.strictEqual((yield* Effect.promise(() => inspectDirectoryAccess(directory)))?.socketProblem, null)
    })
    try {
      await Effect.runPromise(Effect.scoped(program))
    } finally {
      if (TMPDIR === undefined) delete process.env["TMPDIR"]
      else process.env["TMPDIR"] = TMPDIR
    }
    assert.strictEqual((await inspectDirectoryAccess(directory))?.open, 0)
    assert.throws(() => removeOthersAccess(join(directory, "pgdata", "base", "link")), /ELOOP|EMLINK/)
  })

  /** Lists what another user can list, read, append to or create, by path. */
  const attackAs = (uid: number, directory: string): ReadonlyArray<string> => {
    const script = `
      const fs = require("node:fs"), done = []
      for (const path of JSON.parse(fs.readFileSync(0, "utf8")))
        for (const [verb, attack] of [
          ["lists", () => fs.readdirSync(path)],
          ["reads", () => fs.readFileSync(path)],
          ["writes", () => fs.closeSync(fs.openSync(path, "a"))],
          ["creates", () => fs.writeFileSync(path + "/planted", "")]
        ]) try { attack(); done.push(verb + " " + path) } catch {}
      process.stdout.write(JSON.stringify(done))`
    const { status, stdout, stderr } = spawnSync(process.execPath, ["-e", script], {
      uid,
      gid: uid,
      cwd: "/",
      env: {},
      input: JSON.stringify(everythingIn(directory)),
      encoding: "utf8"
    })
    assert.strictEqual(status, 0, stderr)
    return JSON.parse(stdout) as ReadonlyArray<string>
  }

  it.skipIf(!isRoot)(`the attack works on an open directory${asRoot}`, async () => {
    const directory = await copy("open")
    openAll(directory)
    const done = attackAs(other, directory)
    for (const verb of ["lists", "reads", "writes", "creates"]) {
      assert.isAbove(done.filter((each) => each.startsWith(verb)).length, verb === "reads" ? 900 : 20, verb)
    }
  })

  it("folders, exports and anchors are accessible to their user only", async () => {
    for (const mask of [0, 0o777]) {
      process.umask(mask)
      const folder = join(scratch, `umask-${mask}`)
      await createDirectory(join(folder, "below"))
      await createPrivateFolder(join(folder, "below", "last"))
      const exported = join(folder, "export.jsonl")
      await Effect.runPromise(writeLines(exported, false, Stream.make("{}")))
      assert.strictEqual(lstatSync(exported).mode & 0o777, 0o600)
      chmodSync(exported, 0o644)
      await Effect.runPromise(writeLines(exported, true, Stream.make("{}")))
      const anchor = Result.getOrThrow(
        parseAnchor(`mosaic-backlog-anchor 1 0 ${"0".repeat(64)} 2026-02-28T23:59:59.999Z`)
      )
      await Effect.runPromise(appendToAnchorFile(join(folder, "anchors.txt"), anchor))
      assert.deepStrictEqual(
        everythingIn(folder).map((path) => [relative(folder, path), (lstatSync(path).mode & 0o777).toString(8)]),
        [
          ["", "700"],
          ["anchors.txt", "600"],
          ["below", "700"],
          ["export.jsonl", "600"],
          ["below/last", "700"]
        ].toSorted(([a = ""], [b = ""]) => a.split("/").length - b.split("/").length || (a < b ? -1 : 1))
      )
      chmodSync(join(folder, "anchors.txt"), 0o640)
      await Effect.runPromise(appendToAnchorFile(join(folder, "anchors.txt"), anchor))
      assert.strictEqual(lstatSync(join(folder, "anchors.txt")).mode & 0o777, 0o640)
    }
  })

  it("a directory with other files keeps its mode, and is refused if others can write to it", async () => {
    const directory = await copy("mixed")
    writeFileSync(join(directory, "index.html"), "for all")
    chmodSync(join(directory, "index.html"), 0o644)
    chmodSync(directory, 0o775)
    chmodSync(join(directory, "pgdata"), 0o755)
    assert.match(await refusal(directory), /^DirectoryUnusable: .*other users may write to it.*`chmod go-w "/)
    chmodSync(directory, 0o755)
    assert.isTrue(await restrictDirectory(directory))
    assert.deepStrictEqual(
      openIn(directory).map((path) => relative(directory, path)),
      ["", "index.html"]
    )
    assert.strictEqual((await inspectDirectoryAccess(directory))?.open, 0)
  })

  it("a file system without permissions is refused", (context) => {
    if (process.platform !== "linux") return context.skip("/proc of Linux is in place of such a file system")
    assert.throws(
      () => removeOthersAccess("/proc/self/status"),
      /"\/proc\/self\/status" stays open to other users: .*umask=077/
    )
  })

  describe.skipIf(!isRoot)(`a file of another user${asRoot}`, () => {
    const errorText = (what: string, directory: string) =>
      `DirectoryUnusable: ${directory} cannot be used as a backlog's directory: ${what} belongs to user ${other}, and this ` +
      `process runs as user 0. Run it as user ${other}, choose another directory, or let an administrator give the ` +
      `directory to user 0: \`chown -R 0 ${JSON.stringify(directory)}\`.`

    it("is refused with its name and not changed", async () => {
      const directory = await copy("foreign")
      openAll(directory)
      writeFileSync(join(directory, "backlog.lock"), "")
      const file = join("pgdata", "pg_wal", readdirSync(join(directory, "pgdata", "pg_wal"))[0] ?? "")
      for (const [name, what] of [
        [".", "it"],
        ["pgdata", 'its "pgdata"'],
        ["backlog.lock", 'its "backlog.lock"'],
        [join("pgdata", "PG_VERSION"), 'its "pgdata/PG_VERSION"'],
        [file, `its "${file}"`],
        [join("pgdata", "global", "pg_control"), 'its "pgdata/global/pg_control"']
      ] as const) {
        const path = join(directory, name)
        if (name.endsWith("pg_control")) for (const each of everythingIn(directory)) removeOthersAccess(each)
        chownSync(path, other, other)
        const { mode } = lstatSync(path)
        // A refused attempt must not count as closing the directory.
        for (let times = 0; times < 2; times++) {
          assert.strictEqual(await refusal(directory), errorText(what, directory))
        }
        assert.deepInclude(lstatSync(path), { mode, uid: other }, name)
        const found = await inspectDirectoryAccess(directory)
        assert.deepStrictEqual([found?.foreign, found?.firstForeign], [1, path])
        chownSync(path, 0, 0)
        if (name === "backlog.lock") rmSync(path)
      }
    })

    it("another user's link to a directory is refused even if its target does not exist, and a link of root is followed", async () => {
      const directory = await copy("linked")
      chmodSync(directory, 0o755)
      for (const target of [directory, join(scratch, "nowhere")]) {
        const link = join(scratch, ".backlog")
        symlinkSync(target, link)
        lchownSync(link, other, other)
        assert.strictEqual(
          await refusal(link),
          `DirectoryUnusable: ${link} cannot be used as a backlog's directory: it is a symbolic link that belongs to user ` +
            `${other}, and this process runs as user 0: only links of the same user and of root are followed. Give the ` +
            "directory itself, or remove the link."
        )
        rmSync(link)
      }
      assert.strictEqual(lstatSync(directory).mode & 0o777, 0o755)
      symlinkSync(directory, join(scratch, "own"))
      assert.strictEqual(await refusal(join(scratch, "own")), "no refusal")
      assert.strictEqual(lstatSync(directory).mode & 0o777, 0o700)
    })

    it("in place of the socket is reported by the holder, by DirectoryLocked and by the doctor", async (context) => {
      const script = fileURLToPath(new URL("otherUser.mjs", import.meta.url))
      if (spawnSync("cat", [script], { uid: other, gid: other }).status !== 0) {
        return context.skip(
          `user ${other} cannot read the program: run the tests in a directory that all users can read`
        )
      }
      const directory = await copy("other")
      const temporary = join(scratch, "other-tmp")
      for (const folder of [join(directory, "backlog.socket"), join(temporary, `mosaic-backlog-${other}`)]) {
        mkdirSync(folder, { recursive: true })
        writeFileSync(join(folder, "file"), "")
      }
      for (const path of everythingIn(directory)) {
        if (!path.includes("backlog.socket")) chownSync(path, other, other)
      }
      chmodSync(temporary, 0o711)
      const child = spawn(process.execPath, [script, directory], {
        uid: other,
        gid: other,
        cwd: "/",
        env: { TMPDIR: temporary },
        stdio: ["ignore", "pipe", "inherit"]
      })
      let output = ""
      child.stdout.on("data", (chunk) => (output += String(chunk)))
      await once(child, "close")
      const {
        access,
        refused,
        warnings: reported
      } = JSON.parse(output) as {
        readonly warnings: ReadonlyArray<string>
        readonly refused: string
        readonly access: DirectoryAccess
      }
      const inside = `"${join(directory, "backlog.socket")}", the folder for the socket, belongs to user 0`
      const outside = `"${join(temporary, `mosaic-backlog-${other}`)}", the folder for the socket, belongs to user 0`
      for (const text of [reported.join(" "), refused, access.socketProblem ?? ""]) {
        assert.include(text, inside)
        assert.include(text, outside)
      }
      assert.match(refused, /^The backlog in .* is in use by this same process/)
      assert.match(reported.join(" "), /Other processes have to wait for .*: it has no place for a socket/)
      // The program's own files are accessible to their user even with the umask 0777.
      const own = everythingIn(directory).filter((path) => lstatSync(path).uid === other)
      assert.deepStrictEqual(
        own.filter((path) => ![0o700, 0o600].includes(lstatSync(path).mode & 0o777)),
        []
      )
    })
  })

  it("the doctor reports which files were closed and which are still open", async () => {
    const place = await inDirectory()
    const database = join(place.directory, "pgdata")
    const doctor = async (warned: RegExp, ...flags: ReadonlyArray<string>) => {
      const { code, data, stderr } = await json(["doctor", ...flags, ...place.flags])
      assert.match(stderr, warned)
      assert.strictEqual(code, 1)
      return (data.findings as ReadonlyArray<{ check: string; level: string; what: string }>).flatMap(
        ({ check, level, what }) => (check === "directory" ? [`${level}: ${what}`] : [])
      )
    }
    chmodSync(database, 0o755)
    const name = JSON.stringify(place.directory)
    // With --fix the doctor opens the backlog, which closes the directory to others, before it checks.
    assert.deepStrictEqual(await doctor(/^warning: Other users .* 1 file or folder in .*\n$/, "--fix"), [
      `warning: 1 file or folder of ${name} were open to other users until this command closed them.`
    ])
    const file = join(database, "global", "pg_filenode.map")
    chmodSync(file, 0o644)
    assert.deepStrictEqual(await doctor(/^$/), [
      `problem: 1 file or folder of ${name} are open to other users, the first ${JSON.stringify(file)}.`
    ])
    await place.remove()
  })

  it("under the umasks 022, 000 and 0777 all created files are accessible to their user only", async () => {
    for (const mask of [0o022, 0, 0o777]) {
      process.umask(mask)
      const directory = join(scratch, `program-${mask}`, "data")
      const running = start(["create", "--db", directory, "--id", "a", "--title", "A", "--body", "attack at dawn"])
      process.umask(umask)
      assert.strictEqual((await running.ended).code, 0)
      assert.isAbove(everythingIn(directory).length, 900)
      assert.deepStrictEqual(openIn(join(scratch, `program-${mask}`)), [])
      const found = everythingIn(directory).filter(
        (path) => lstatSync(path).isFile() && readFileSync(path).includes("attack at dawn")
      )
      assert.isNotEmpty(found)
    }
  })
})
