import { Cause, Effect, Exit, Logger, Metric, Result, Scope } from "effect"
import { generateKeyPairSync } from "node:crypto"
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { expect, inject } from "vitest"
import {
  type Anchor,
  AnchorFileRefused,
  formatAnchor,
  AuditService,
  BacklogService,
  checkSignature,
  InvalidInput,
  keepAnchors,
  type KeepAnchorsOptions,
  parseAnchor
} from "../../../src/index.ts"
import { tables } from "../../support/backlogs.ts"
import { onBothDatabases, type Test } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"

const folder = () => mkdtempSync(join(inject("scratch"), "anchors-"))

const create = (id: string) =>
  Effect.flatMap(BacklogService, (backlog) => backlog.create({ id, title: "T", actor: "ann" }))

const anchorsIn = (file: string): ReadonlyArray<Anchor> =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => Result.getOrThrow(parseAnchor(line)))
const positionsIn = (file: string) => anchorsIn(file).map(({ position }) => position)

/** Runs `keepAnchors` in a scope that the test ends, and returns the logged errors and the metrics. */
const keeping = Effect.fnUntraced(function* (options: KeepAnchorsOptions) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
  const errors: Array<string> = []
  const logger = Logger.make(({ cause, logLevel, message }) => {
    if (logLevel === "Error") errors.push(`${String(message)} ${Cause.pretty(cause)}`)
  })
  const registry: typeof Metric.MetricRegistry.Service = new Map()
  const first = yield* keepAnchors(options).pipe(
    Scope.provide(scope),
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(Metric.MetricRegistry, registry)
  )
  const metrics = Effect.map(Effect.provideService(Metric.snapshot, Metric.MetricRegistry, registry), (all) =>
    Object.fromEntries(all.map(({ id, state }) => [id, (state as { readonly value?: number }).value]))
  )
  return { first, errors, metrics, end: Scope.close(scope, Exit.void) }
})

/** Removes the end of the log, as a restore does, and puts it back. */
const headAt = (position: number) =>
  Effect.flatMap(
    tables,
    ({ head, sql }) =>
      sql`UPDATE ${head} SET position = ${BigInt(position)}::int8, guarded_position = ${BigInt(position)}::int8`
  )

const tests = (test: Test): void => {
  test(
    "are appended at the start, after new events and at the end, and verify checks the newest",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const file = join(folder(), "anchors.txt")
      const { end, errors, first, metrics } = yield* keeping({ file, every: "100 millis" })
      expect(first).toMatchObject({ _tag: "Appended", anchor: { position: 0 } })
      yield* create("a")
      yield* until(Effect.sync(() => positionsIn(file).includes(1)))
      yield* create("b")
      yield* end
      expect(positionsIn(file)).toEqual([0, 1, 2])
      expect(errors).toEqual([])
      expect(yield* metrics).toMatchObject({
        backlog_anchor_position: 2,
        backlog_anchor_failing: 0,
        backlog_anchor_log_differs: 0
      })
      const newest = anchorsIn(file).at(-1)
      expect((yield* audit.verify({ anchor: newest })).divergences).toEqual([])

      // Without new events no second anchor of the same position is written.
      const again = yield* keeping({ file })
      expect(again.first).toMatchObject({ _tag: "Unchanged", anchor: { position: 2 } })
      expect(positionsIn(file)).toEqual([0, 1, 2])
      // The next anchor at an interval comes in an hour.
      yield* create("c")
      yield* again.end
      expect(positionsIn(file)).toEqual([0, 1, 2, 3])
      // An attempt that appends nothing made no anchor.
      expect((yield* audit.anchors()).map(({ position }) => position)).toEqual([3, 2, 1, 0])
    })
  )

  test(
    "are not appended if the log does not continue the newest one, and every attempt logs an error",
    Effect.gen(function* () {
      const file = join(folder(), "anchors.txt")
      yield* create("a")
      yield* create("b")
      yield* (yield* keeping({ file })).end
      const before = readFileSync(file, "utf8")

      // Truncated while `keepAnchors` runs, and before it starts.
      const running = yield* keeping({ file, every: "100 millis" })
      yield* headAt(1)
      yield* until(Effect.sync(() => running.errors.length > 1))
      expect(running.errors[0]).toMatch(/truncated or rewritten.*at position 2\..*found: the log ends at 1/)
      expect(yield* running.metrics).toMatchObject({ backlog_anchor_log_differs: 1, backlog_anchor_position: 2 })
      yield* running.end
      const started = yield* keeping({ file })
      expect(started.first).toMatchObject({ _tag: "LogDiffers", anchor: { position: 2 } })
      expect(started.errors.length).toBe(1)
      yield* started.end
      yield* headAt(2)

      // Rewritten: another event is at the position, which is the end of the log or before it.
      const rewritten = before.replace(/[0-9a-f]{64}/, "a".repeat(64))
      writeFileSync(file, rewritten)
      for (const more of ["c", "d"]) {
        const other = yield* keeping({ file })
        expect(other.first).toMatchObject({
          _tag: "LogDiffers",
          found: expect.stringMatching(/^[0-9a-f]{64}$/) as string
        })
        yield* other.end
        yield* create(more)
      }
      expect(readFileSync(file, "utf8")).toBe(rewritten)
      writeFileSync(file, before)
      yield* (yield* keeping({ file })).end
      expect(positionsIn(file)).toEqual([2, 4])
    })
  )

  test(
    "that cannot be written fail the start, and later failures are logged and retried",
    Effect.gen(function* () {
      const root = folder()
      const database = join(root, "data")
      mkdirSync(join(database, "pgdata", "base"), { recursive: true })
      writeFileSync(join(database, "pgdata", "PG_VERSION"), "18\n")
      symlinkSync(join(database, "pgdata", "base"), join(root, "link"))
      const other = join(root, "other.txt")
      writeFileSync(other, "mosaic-backlog-anchor 2\n")
      for (const [file, problem] of [
        [join(root, "missing", "anchors.txt"), /directory does not exist/],
        [root, /not a regular file/],
        [other, /line 1 is not an anchor/],
        [join(root, "nul\0"), /null bytes/],
        [join(database, "anchors.txt"), /inside the database's directory/],
        [join(database, "pgdata", "base", "anchors.txt"), /inside the database's directory/],
        [join(root, "link", "anchors.txt"), /inside the database's directory/]
      ] as const) {
        const error = yield* Effect.flip(Effect.scoped(keepAnchors({ file })))
        expect(error).toBeInstanceOf(AnchorFileRefused)
        expect((error as AnchorFileRefused).problem).toMatch(problem)
      }
      for (const every of ["0 seconds", "what"] as const) {
        const wrong = keepAnchors({ file: join(root, "a"), every: every as "1 second" })
        expect(yield* Effect.flip(Effect.scoped(wrong))).toBeInstanceOf(InvalidInput)
      }
      expect(yield* Effect.flip(Effect.scoped(keepAnchors({ file: join(root, "a"), privateKey: "x" })))).toMatchObject({
        _tag: "AnchorRefused"
      })

      const file = join(root, "anchors.txt")
      const { end, errors, metrics } = yield* keeping({ file, every: "100 millis" })
      const whole = readFileSync(file, "utf8")
      writeFileSync(file, `${whole}damaged\n`)
      yield* create("a")
      yield* until(Effect.sync(() => errors.length > 0))
      expect(errors[0]).toMatch(/could not be anchored.*[^]*not an anchor/)
      expect((yield* metrics)["backlog_anchor_failing"]).toBe(1)
      writeFileSync(file, whole)
      yield* until(Effect.sync(() => positionsIn(file).includes(1)))
      yield* until(Effect.map(metrics, (all) => all["backlog_anchor_failing"] === 0))
      yield* end
    })
  )

  test(
    "are signed with a key, in a file with the mode 0600 under any umask",
    Effect.gen(function* () {
      const file = join(folder(), "anchors.txt")
      const pair = generateKeyPairSync("ed25519")
      const privateKey = pair.privateKey.export({ format: "pem", type: "pkcs8" }).toString()
      const umask = process.umask(0o277)
      const kept = yield* Effect.ensuring(
        keeping({ file, privateKey }),
        Effect.sync(() => process.umask(umask))
      )
      expect((statSync(file).mode & 0o777).toString(8)).toBe("600")
      const publicKey = pair.publicKey.export({ format: "pem", type: "spki" }).toString()
      const [anchor] = anchorsIn(file)
      expect(anchor === undefined ? undefined : Result.isSuccess(checkSignature(anchor, publicKey))).toBe(true)
      // The mode of an existing file is not changed.
      chmodSync(file, 0o640)
      yield* create("a")
      yield* kept.end
      expect((statSync(file).mode & 0o777).toString(8)).toBe("640")
    })
  )

  test(
    "are appended after an incomplete line and after a line without a line end",
    Effect.gen(function* () {
      const file = join(folder(), "anchors.txt")
      yield* (yield* keeping({ file })).end
      const whole = readFileSync(file, "utf8")
      yield* create("a")
      const anchor = yield* (yield* AuditService).anchor()
      writeFileSync(file, whole + formatAnchor(anchor).slice(0, 90))
      yield* (yield* keeping({ file })).end
      expect(positionsIn(file)).toEqual([0, 1])
      expect(readFileSync(file, "utf8").startsWith(whole)).toBe(true)

      yield* create("b")
      writeFileSync(file, readFileSync(file, "utf8").trimEnd())
      yield* (yield* keeping({ file })).end
      expect(positionsIn(file)).toEqual([0, 1, 2])
      // An incomplete line that is the only line of the file.
      writeFileSync(file, "mosaic-back")
      yield* (yield* keeping({ file })).end
      expect(positionsIn(file)).toEqual([2])
    })
  )

  test(
    "of two processes share a file, and a file that is moved away is replaced by one that continues it",
    Effect.gen(function* () {
      const file = join(folder(), "anchors.txt")
      const [one, two] = [yield* keeping({ file, every: "100 millis" }), yield* keeping({ file, every: "100 millis" })]
      expect(two.first._tag).toBe("Unchanged")
      for (const id of ["a", "b"]) {
        yield* create(id)
        yield* until(Effect.sync(() => positionsIn(file).includes(id === "a" ? 1 : 2)))
      }
      yield* one.end
      yield* two.end
      expect(one.errors.concat(two.errors)).toEqual([])
      const kept = yield* keeping({ file, every: "100 millis" })
      writeFileSync(file, "")
      yield* headAt(1)
      yield* until(Effect.sync(() => kept.errors.length > 0))
      expect(kept.errors[0]).toContain("truncated or rewritten")
      yield* headAt(2)
      yield* until(Effect.sync(() => readFileSync(file, "utf8") !== ""))
      appendFileSync(file, "\n")
      yield* kept.end
      expect(positionsIn(file)).toEqual([2])
    })
  )
}

onBothDatabases("anchors that are kept", tests)
