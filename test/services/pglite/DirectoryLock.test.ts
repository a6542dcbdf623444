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

/** But for the socket that each holder listens on. */
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

/** A nonce like those that the lock makes. */
const nonce = (digit: string) => digit.repeat(32)

/** Writes a file of the lock, as this process would write it but for what is given. */
const leave = (directory: string, name: string, holder: Record<string, unknown>) =>
  Effect.promise(async () =>
    writeFile(join(directory, name), JSON.stringify({ ...(await currentProcess()), nonce: nonce("0"), ...holder }))
  )

/** Makes the lock say that its holder runs in another container of this machine. */
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

describe("holding a directory", () => {
  it.live("puts one file there, and takes it away again", () =>
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

  it.live("a second holder waits for the first, in one process too", () =>
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

  it.live("another process waits, and has it when the first lets go", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const first = yield* Scope.make()
      yield* Scope.provide(lockDirectory(directory), first)
      const second = yield* child("hold", directory)
      yield* second.said("waiting")
      yield* Effect.sleep("150 millis")
      assert.notInclude(second.lines, "held")
      yield* Scope.close(first, Exit.void)
      yield* second.said("held")
      yield* second.endInput
      assert.strictEqual(yield* second.exit, 0)
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("gives up when told, saying who holds it, how long it waited and what to do", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("hold", directory)
      yield* holder.said("held")
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

  it.live("does not wait at all when told so", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* lockDirectory(directory, { wait: 0 })
      const error = yield* expectLocked(lockDirectory(directory, { wait: 0 }))
      assert.strictEqual(error.pid, process.pid)
    })
  )

  it.live("a waiter that is interrupted leaves nothing", () =>
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

  it.live("lets go only of what is its own", () =>
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

describe("a holder that died", () => {
  it.live("killed, it is followed at once", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("hold", directory)
      yield* holder.said("held")
      yield* holder.kill
      yield* Effect.scoped(lockDirectory(directory, { wait: 0 }))
      assert.deepStrictEqual(yield* namesIn(directory), [])
    })
  )

  it.live("of ten processes that wait for it, never two are inside, though some die there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const log = join(yield* temporaryDirectory, "log")
      const holder = yield* child("hold", directory)
      yield* holder.said("held")
      const waiters = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => (index % 3 === 0 ? ("perish" as const) : ("visit" as const))),
        (mode) => child(mode, directory, log),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(waiters, (waiter) => waiter.said("waiting"), { concurrency: "unbounded" })
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

  it.live("a successor that died while taking over, at any step, is followed too", () =>
    Effect.gen(function* () {
      const dead = yield* endedProcess
      const states: ReadonlyArray<Record<string, string>> = [
        // Before the successor made itself the only one.
        { [lockFileName]: nonce("0"), [`${lockFileName}.${nonce("0")}`]: nonce("1") },
        {
          [lockFileName]: nonce("0"),
          [`${lockFileName}.${nonce("0")}`]: nonce("1"),
          [`${lockFileName}.${nonce("1")}`]: nonce("2")
        },
        // After that, before the old names were cleared away.
        { [lockFileName]: nonce("1"), [`${lockFileName}.${nonce("0")}`]: nonce("1") },
        // Let go by a successor that was slow to see that it came late.
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

  it.live("another process with the same id does not bring it back to life", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* leave(directory, lockFileName, { started: "1" })
      yield* lockDirectory(directory, { wait: 0 })
    })
  )

  it.live.skipIf(process.platform !== "linux")(
    "nor one that is defunct, or that ran before the machine restarted",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        // The parent that this shell becomes never asks how its child ended.
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

  it.live.skipIf(process.platform !== "linux")(
    "blocks no one under another host name, as a renamed host leaves it",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        yield* leave(directory, lockFileName, { ...(yield* endedProcess), hostname: "renamed" })
        yield* lockDirectory(directory, { wait: 0 })
      })
  )

  it.live.skipIf(process.platform !== "linux")(
    "in another container is known by the socket that it listens on in the directory",
    () =>
      Effect.gen(function* () {
        for (const parts of [[], ["d".repeat(120)]]) {
          const directory = join(yield* temporaryDirectory, ...parts)
          yield* Effect.promise(() => mkdir(directory, { recursive: true }))
          const holder = yield* child("hold", directory)
          yield* holder.said("held")
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

  it.live.skipIf(process.platform !== "linux")("in another container cannot be checked without that socket", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("hold", directory)
      yield* holder.said("held")
      yield* inOtherContainer(directory)
      for (const name of (yield* everyNameIn(directory)).filter((each) => each.endsWith(".live"))) {
        yield* Effect.promise(() => rm(join(directory, name)))
      }
      const error = yield* expectLocked(lockDirectory(directory, { wait: 0 }))
      assert.strictEqual(error.lockFile, join(directory, lockFileName))
    })
  )

  it.live.skipIf(process.platform !== "linux")("is not the holder of a copy of its directory", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const copy = yield* temporaryDirectory
      yield* lockDirectory(directory, { wait: 0 })
      yield* Effect.promise(() => copyFile(join(directory, lockFileName), join(copy, lockFileName)))
      yield* lockDirectory(copy, { wait: 0 })
      yield* expectLocked(lockDirectory(directory, { wait: 0 }))
    })
  )

  it.live("on another machine cannot be checked: the error says what to check and which file to delete", () =>
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

describe.skipIf(process.platform !== "linux")("a holder that lives", () => {
  it.live("and makes progress is waited for longer than one that does not", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("labour", directory)
      yield* holder.said("held")
      yield* Effect.scoped(lockDirectory(directory, { wait: "700 millis" }))
      assert.strictEqual(yield* holder.exit, 0)
    })
  )

  it.live("and is stopped is given up after the wait", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const holder = yield* child("labour", directory)
      yield* holder.said("held")
      yield* Effect.sync(() => process.kill(holder.pid, "SIGSTOP"))
      yield* expectLocked(lockDirectory(directory, { wait: "300 millis" }))
    })
  )
})

describe("a directory that cannot be held", () => {
  it.live("because its lock file is something else", () =>
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

  it.live("because it is a file, or is not there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = join(directory, "file")
      yield* Effect.promise(() => writeFile(file, "mine"))
      assert.include((yield* expectUnusable(lockDirectory(file))).message, "is a file")
      yield* expectUnusable(lockDirectory(join(directory, "missing")))
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "mine")
    })
  )

  // Root may write everywhere else.
  it.live.skipIf(process.platform !== "linux")("because nobody may write there", () =>
    Effect.asVoid(expectUnusable(lockDirectory("/proc/self")))
  )
})
