import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { isDiskError, explainFileError } from "../../../src/services/files/fileErrors.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { mountSmallDisk } from "../../proof/support/smallDisk.ts"

/** The value that the engine's file system throws: it is not an error, and has no message. */
const engineError = (errno: number) => ({ name: "ErrnoError", errno })

describe("the explanation of a failed file operation", () => {
  it("is in words for every code from every source", () => {
    const words: ReadonlyArray<readonly [unknown, string]> = [
      [engineError(51), "no space is left on its file system"],
      [engineError(19), "disk quota is used up"],
      [engineError(69), "read-only file system"],
      [engineError(2), "may not read or write there"],
      [engineError(29), "its disk reports an error"],
      [engineError(33), "too many open files"],
      [engineError(37), "path is too long"],
      [engineError(32), "symbolic links"],
      [engineError(72), "network file system lost it"],
      [Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }), "free some space"],
      [new Error("the engine failed", { cause: engineError(51) }), "no space is left"],
      [new Error('PANIC:  could not write to file "pg_wal/xlogtemp.42": No space left on device'), "no space is left"],
      [new Error("FATAL:  could not open file: Permission denied"), "may not read or write there"]
    ]
    for (const [error, expected] of words) {
      assert.include(explainFileError(error), expected)
      assert.isTrue(isDiskError(error) || /29|37|32/.test(JSON.stringify(error)), expected)
    }
  })

  it("is a message for any other value that the engine throws", () => {
    const texts: ReadonlyArray<readonly [unknown, string]> = [
      [engineError(999), "error number 999 of the embedded engine's file system"],
      [
        { name: "ExitStatus", message: "Program terminated with exit(1)", status: 1 },
        "Program terminated with exit(1)"
      ],
      [{ status: 3 }, "the embedded engine ended with status 3"],
      [{}, "the embedded engine failed without a message"],
      [new Error("something else"), "something else"],
      ["a text", "a text"]
    ]
    for (const [error, expected] of texts) assert.strictEqual(explainFileError(error), expected)
    assert.isFalse(isDiskError(new Error("PANIC:  could not locate a valid checkpoint record")))
  })
})

describe("a directory on a full disk", () => {
  it.live("is refused with the cause, and has no incomplete database", (context) =>
    Effect.gen(function* () {
      const disk = yield* Effect.acquireRelease(
        Effect.promise(() => mountSmallDisk(1)),
        (mounted) => Effect.sync(() => "impossible" in mounted || mounted.unmount())
      )
      if ("impossible" in disk) return context.skip(disk.impossible)
      const directory = join(disk.directory, "data")
      const error = yield* Effect.flip(Effect.provide(Effect.void, layerPgliteClient({ dataDir: directory })))
      assert.strictEqual(error._tag, "DirectoryUnusable")
      assert.include(error.message, "no space is left on its file system; free some space, then try again (ENOSPC")
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )
})
