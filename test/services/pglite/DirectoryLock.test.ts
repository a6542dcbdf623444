import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { lockDirectory } from "../../../src/services/pglite/DirectoryLock.ts"
import { lockFileName } from "../../../src/services/pglite/lockFiles.ts"
import { DirectoryLocked, DirectoryUnusable } from "../../../src/services/files/directoryErrors.ts"
import { currentProcess } from "../../../src/services/pglite/ProcessIdentity.ts"
import { child, temporaryDirectory } from "../../support/childProcess.ts"

/** The names of the files, without the liveness sockets of holders. */
const namesIn = (directory: string) =>
  Effect.promise(async () => (await readdir(directory)).filter((name) => !name.endsWith(".live")).toSorted())

const everyNameIn = (directory: string) => Effect.promise(() => readdir(directory))

const expectLocked = (effect: Effect.Effect<unknown, DirectoryLocked | DirectoryUnusable, Scope.Scope>) =>
  Effect.map(Effect.flip(Effect.scoped(effect)), (error) => {
    assert.instanceOf(error, DirectoryLocked)
    return error
  })

const expectUnusable = (effect: Effect.Effect<unknown, DirectoryLocked | DirectoryUnusable, Scope.Scope>) =>
  Effect.map(Effect.flip(Effect.scoped(effect)), (error) => {
    assert.instanceOf(error, DirectoryUnusable)
    return error
  })

/** A valid nonce of one repeated digit. */
const nonce = (digit: string) => digit.repeat(32)

/** Writes a lock file as this process would write it, with the given fields replaced. */
const leave = (directory: string, name: string, holder: Record<string, unknown>) =>
  Effect.promise(async () =>
    writeFile(join(directory, name), JSON.stringify({ ...(await currentProcess()), nonce: nonce("0"), ...holder }))
  )

/** Changes the lock file as if its holder ran in another container of this machine. */
const inOtherContainer = (directory: string) =>
  Effect.promise(async () => {
    const path = join(directory, lockFileName)
    const holder = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>
    await writeFile(path, JSON.stringify({ ...holder, hostname: "container", namespace: "pid:[1]" }))
  })

/** The id of a process that has ended. */
const endedProcess = Effect.promise(async () => {
  const ended = spawn(process.execPath, ["--version"], { stdio: "ignore" })
  await once(ended, "exit")
  return { pid: ended.pid, started: "1" }
})

describe("the lock of a directory", () => {
  it.live("creates one file, and removes it on release", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lockDirectory(directory)
          assert.deepStrictEqual(yield* namesIn(directory), [lockFileName])
        })
      )
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("makes a second holder in the same process wait for the first", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const first = yield* Scope.make()
      yield* Scope.provide(lockDirectory(directory), first)
      const second = yield* Effect.forkChild(Effect.scoped(lockDirectory(directory)))
      yield* Effect.sleep("150 millis")
      assert.isUndefined(second.pollUnsafe())
      yield* Scope.close(first, Exit.void)
      yield* Fiber.join(second)
    })
  )

  it.live("makes another process wait, which acquires it on release", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const first = yield* Scope.make()
      yield* Scope.provide(lockDirectory(directory), first)
      const second = yield* child("hold", directory)
      yield* second.awaitLine("waiting")
      yield* Effect.sleep("150 millis")
      assert.notInclude(second.lines, "held")
      yield* Scope.close(first, Exit.void)
      yield* second.awaitLine("held")
      yield* second.endInput
      assert.strictEqual(yield* second.exit, 0)
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("fails after the wait, and names the holder, the time waited and what to do", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("hold", directory)
      yield* holder.awaitLine("held")
      const error = yield* expectLocked(lockDirectory(directory, { wait: "300 millis" }))
      assert.deepInclude(error, { directory, pid: holder.pid, hostname: hostname() })
      assert.isAtLeast(error.waitedSeconds, 0.3)
      assert.isBelow(error.waitedSeconds, 3)
      assert.include(error.message, String(holder.pid))
      assert.include(error.message, `${error.waitedSeconds} seconds`)
      assert.include(error.message, "--db postgres://")
      assert.deepStrictEqual(yield* namesIn(directory), [lockFileName])
    })
  )

  it.live("fails at once with a wait of 0", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* lockDirectory(directory, { wait: 0 })
      const error = yield* expectLocked(lockDirectory(directory, { wait: 0 }))
      assert.strictEqual(error.pid, process.pid)
    })
  )

  it.live("leaves no file of an interrupted waiter", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* Scope.make()
      yield* Scope.provide(lockDirectory(directory), holder)
      const waiter = yield* Effect.forkChild(Effect.scoped(lockDirectory(directory)))
      yield* Effect.sleep("120 millis")
      yield* Fiber.interrupt(waiter)
      yield* Scope.close(holder, Exit.void)
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("is not removed by a holder that has lost it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lockDirectory(directory)
          yield* leave(directory, lockFileName, { nonce: nonce("a") })
        })
      )
      assert.deepStrictEqual(yield* namesIn(directory), [lockFileName])
    })
  )
})

describe("a holder of a directory", () => {
  it.live("is succeeded at once after it was killed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("hold", directory)
      yield* holder.awaitLine("held")
      yield* holder.kill
      yield* Effect.scoped(lockDirectory(directory, { wait: 0 }))
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("is succeeded by ten waiting processes one at a time, although some of them die", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const log = join(yield* temporaryDirectory, "log")
      const holder = yield* child("hold", directory)
      yield* holder.awaitLine("held")
      const waiters = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => (index % 3 === 0 ? ("perish" as const) : ("visit" as const))),
        (mode) => child(mode, directory, log),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(waiters, (waiter) => waiter.awaitLine("waiting"), { concurrency: "unbounded" })
      yield* holder.kill
      yield* Effect.forEach(waiters, (waiter) => waiter.exit, { concurrency: "unbounded" })

      const lines = (yield* Effect.promise(() => readFile(log, "utf8"))).trim().split("\n")
      assert.strictEqual(lines.length, 20)
      for (let index = 0; index < lines.length; index += 2) {
        const [what, pid] = lines[index]?.split(" ") ?? []
        assert.strictEqual(what, "enter", lines.join(", "))
        assert.include([`leave ${pid}`, `die ${pid}`], lines[index + 1], lines.join(", "))
      }
      yield* Effect.scoped(lockDirectory(directory, { wait: 0 }))
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("is succeeded after an earlier successor died at any step", () =>
    Effect.gen(function* () {
      const dead = yield* endedProcess
      const states: ReadonlyArray<Record<string, string>> = [
        // Before the successor renamed its file.
        { [lockFileName]: nonce("0"), [`${lockFileName}.${nonce("0")}`]: nonce("1") },
        {
          [lockFileName]: nonce("0"),
          [`${lockFileName}.${nonce("0")}`]: nonce("1"),
          [`${lockFileName}.${nonce("1")}`]: nonce("2")
        },
        // After that, before it removed the leftovers.
        { [lockFileName]: nonce("1"), [`${lockFileName}.${nonce("0")}`]: nonce("1") },
        // After the lock was released, left by a successor that found late that another process was faster.
        { [`${lockFileName}.${nonce("0")}`]: nonce("1") }
      ]
      for (const state of states) {
        const directory = yield* temporaryDirectory
        for (const [name, of] of Object.entries(state)) yield* leave(directory, name, { ...dead, nonce: of })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* lockDirectory(directory, { wait: 0 })
            assert.deepStrictEqual(yield* namesIn(directory), [lockFileName])
            yield* expectLocked(lockDirectory(directory, { wait: 0 }))
          })
        )
        assert.deepStrictEqual(yield* namesIn(directory), [])
      }
    })
  )

  it.live("is not mistaken for a later process with the same id", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* leave(directory, lockFileName, { started: "1" })
      yield* lockDirectory(directory, { wait: 0 })
    })
  )

  it.live.skipIf(process.platform !== "linux")(
    "has ended when its process is defunct, or ran before the machine restarted",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        // The program that this shell becomes never waits for its child, which stays defunct.
        const shell = yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] })
          ),
          (started) => Effect.sync(() => started.kill("SIGKILL"))
        )
        const pid = Number((yield* Effect.promise(() => once(shell.stdout, "data"))).toString())
        const stat = Effect.promise(() => readFile(`/proc/${pid}/stat`, "utf8"))
        while (!(yield* stat).includes(") Z ")) yield* Effect.sleep("20 millis")
        const started = (yield* stat).split(") ")[1]?.split(" ")[19]
        yield* leave(directory, lockFileName, { pid, started })
        yield* Effect.scoped(lockDirectory(directory, { wait: 0 }))

        yield* leave(directory, lockFileName, { boot: "an earlier one" })
        yield* Effect.scoped(lockDirectory(directory, { wait: 0 }))
      })
  )

  it.live.skipIf(process.platform !== "linux")("has ended also when its host was renamed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* leave(directory, lockFileName, { ...(yield* endedProcess), hostname: "renamed" })
      yield* lockDirectory(directory, { wait: 0 })
    })
  )

  it.live.skipIf(process.platform !== "linux")("is checked in another container by its liveness socket", () =>
    Effect.gen(function* () {
      for (const parts of [[], ["d".repeat(120)]]) {
        const directory = join(yield* temporaryDirectory, ...parts)
        yield* Effect.promise(() => mkdir(directory, { recursive: true }))
        const holder = yield* child("hold", directory)
        yield* holder.awaitLine("held")
        yield* inOtherContainer(directory)
        const error = yield* expectLocked(lockDirectory(directory, { wait: 0 }))
        assert.isNull(error.lockFile)
        yield* holder.kill
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* lockDirectory(directory, { wait: 0 })
            assert.lengthOf(yield* everyNameIn(directory), 2)
          })
        )
        assert.deepStrictEqual(yield* everyNameIn(directory), [])
      }
    })
  )

  it.live.skipIf(process.platform !== "linux")(
    "cannot be checked in another container without its liveness socket",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const holder = yield* child("hold", directory)
        yield* holder.awaitLine("held")
        yield* inOtherContainer(directory)
        for (const name of (yield* everyNameIn(directory)).filter((each) => each.endsWith(".live"))) {
          yield* Effect.promise(() => rm(join(directory, name)))
        }
        const error = yield* expectLocked(lockDirectory(directory, { wait: 0 }))
        assert.strictEqual(error.lockFile, join(directory, lockFileName))
      })
  )

  it.live.skipIf(process.platform !== "linux")("does not hold a copy of its directory", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const copy = yield* temporaryDirectory
      yield* lockDirectory(directory, { wait: 0 })
      yield* Effect.promise(() => copyFile(join(directory, lockFileName), join(copy, lockFileName)))
      yield* lockDirectory(copy, { wait: 0 })
      yield* expectLocked(lockDirectory(directory, { wait: 0 }))
    })
  )

  it.live("cannot be checked on another machine, and the error says what to check and which file to delete", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* leave(directory, lockFileName, { ...(yield* endedProcess), hostname: "elsewhere", boot: "another" })
      const error = yield* expectLocked(lockDirectory(directory, { wait: "100 millis" }))
      assert.strictEqual(error.hostname, "elsewhere")
      assert.include(error.message, "Check on elsewhere that no process uses the directory")
      assert.include(error.message, `delete ${join(directory, lockFileName)}`)
      yield* Effect.promise(() => rm(join(directory, lockFileName)))
      yield* lockDirectory(directory, { wait: 0 })
    })
  )
})

describe.skipIf(process.platform !== "linux")("a holder that runs", () => {
  it.live("is waited for longer than the wait when it makes progress", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("labour", directory)
      yield* holder.awaitLine("held")
      yield* Effect.scoped(lockDirectory(directory, { wait: "700 millis" }))
      assert.strictEqual(yield* holder.exit, 0)
    })
  )

  it.live("is waited for only for the wait when it is stopped", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("labour", directory)
      yield* holder.awaitLine("held")
      yield* Effect.sync(() => process.kill(holder.pid, "SIGSTOP"))
      yield* expectLocked(lockDirectory(directory, { wait: "300 millis" }))
    })
  )
})

describe("a directory that cannot be locked", () => {
  it.live("fails when its lock file is not a lock", () =>
    Effect.gen(function* () {
      for (const content of ["", "{", '{"pid":1}', "not a lock"]) {
        const directory = yield* temporaryDirectory
        yield* Effect.promise(() => writeFile(join(directory, lockFileName), content))
        const error = yield* expectUnusable(lockDirectory(directory, { wait: "100 millis" }))
        assert.include(error.message, lockFileName)
        assert.include(error.message, "delete")
        assert.deepStrictEqual(yield* namesIn(directory), [lockFileName])
      }
      const directory = yield* temporaryDirectory
      yield* Effect.promise(() => mkdir(join(directory, lockFileName)))
      yield* expectUnusable(lockDirectory(directory, { wait: "100 millis" }))
    })
  )

  it.live("fails when it is a file, or does not exist", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = join(directory, "file")
      yield* Effect.promise(() => writeFile(file, "mine"))
      assert.include((yield* expectUnusable(lockDirectory(file))).message, "is a file")
      yield* expectUnusable(lockDirectory(join(directory, "missing")))
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "mine")
    })
  )

  // Root can write everywhere else.
  it.live.skipIf(process.platform !== "linux")("fails when it is not writable", () =>
    Effect.asVoid(expectUnusable(lockDirectory("/proc/self")))
  )
})
