import { layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { freshBacklog } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { makeRandom } from "../support/random.ts"
import { amount, report, seed } from "../support/soak.ts"
import { verifiesItself } from "../support/verifyBacklog.ts"
import { mutatedFile, mutatedText } from "./hostile/bytes.ts"
import { backlogMd, formats } from "./hostile/imports.ts"
import { attempt, failed } from "./hostile/trial.ts"

const files = amount(150, 3_000)

const sample = readFileSync(new URL("../import/fixtures/sample.beads.jsonl", import.meta.url), "utf8")
const tasks = (
  JSON.parse(readFileSync(new URL("../import/fixtures/tasks.json", import.meta.url), "utf8")) as {
    readonly master: { readonly tasks: ReadonlyArray<object> }
  }
).master.tasks.map((task) => JSON.stringify(task))

const taskFile = readFileSync(
  new URL("../import/fixtures/backlog-md/tasks/task-1 - Design-the-board.md", import.meta.url),
  "utf8"
)

const issues = sample.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"))

/** A log with an event of nearly every type and JSON that a careless program would damage. */
const exported = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const acceptance = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"b":[1,-1e-7,"\\u2028"]}')
  yield* backlog.create({ id: "a", title: "A", body: "words", acceptance, actor: "x" })
  yield* backlog.create({ id: "__proto__", title: "P", dependsOn: ["a"], actor: "x" })
  const claimed = yield* backlog.claim({ owner: "w", id: "a", actor: "w" })
  if (claimed._tag === "Some") {
    const { claimToken } = claimed.value
    yield* backlog.renew({ id: "a", token: claimToken ?? 1, actor: "w" })
    yield* backlog.complete({ id: "a", token: claimToken ?? 1, result: acceptance, actor: "w" })
  }
  yield* backlog.block({ id: "__proto__", reason: "why", actor: "x" })
  yield* audit.redact({ id: "a", parts: ["body"], reason: "a secret", actor: "x" })
  return yield* Stream.runCollect(audit.exportLog)
})

layer(layerPgliteClient(), { timeout: "60 seconds", excludeTestServices: true })("hostile files", (it) => {
  for (const format of ["beads", "log", "task-master"] as const) {
    it.effect(
      `a hostile file of the format ${format} is imported whole, or refused with no change`,
      () =>
        Effect.gen(function* () {
          const random = makeRandom(seed)
          const lines =
            format === "beads"
              ? issues
              : format === "task-master"
                ? tasks
                : yield* Effect.scoped(Effect.provide(exported, Layer.fresh(freshBacklog)))
          const { errors, run } = formats[format]
          const whole = Buffer.from(`${lines.join("\n")}\n`)
          const problem = yield* run(whole, false)
          if (problem !== undefined) return yield* Effect.die(new Error(problem))
          for (let number = 1; number <= files; number++) {
            const file = mutatedFile(lines, random)
            const trial = { what: `a file of ${format}`, input: Buffer.from(file).toString("latin1"), errors }
            const became = yield* attempt({ ...trial, run: run(file, random.below(4) === 0) }, number)
            if (became._tag === "Accepted" && became.answer !== undefined) {
              return yield* Effect.die(failed(trial, became.answer, number))
            }
          }
          yield* verifiesItself
          report({ "hostile inputs": files })
        }).pipe(Effect.provide(Layer.fresh(freshBacklog))),
      amount(120_000, 1_800_000)
    )
  }

  it.effect("a hostile file of Backlog.md is a task, or is malformed without affecting the others", () =>
    Effect.gen(function* () {
      const random = makeRandom(seed)
      const folder = mkdtempSync(join(tmpdir(), "backlog-fuzz-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      for (let number = 1; number <= files; number++) {
        writeFileSync(join(folder, `${number}.md`), mutatedText(taskFile, random))
      }
      const problem = yield* backlogMd(folder)
      if (problem !== undefined) return yield* Effect.die(new Error(problem))
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(freshBacklog)))
  )
})
