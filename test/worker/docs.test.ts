import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, describe, expect, it } from "vitest"
import { layerPostgres } from "../../src/index.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { onServer } from "../cli/support.ts"
import { work } from "./example.ts"

const root = join(import.meta.dirname, "..", "..")
const read = (...path: ReadonlyArray<string>): string => readFileSync(join(root, ...path), "utf8")
const page = read("docs", "worker.md")

/** Every command on the page with its output. */
const commands = [...page.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((entry) => {
      const [command = "", ...output] = entry.split("\n")
      return { command, output: output.join("\n") }
    })
)

describe("docs/worker.md", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("the commands have the output that the page shows", async () => {
    const [, url = "", , schema = ""] = place.flags
    const program = `backlog() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' --schema ${schema} "$@"; }`
    expect(commands.length).toBe(6)
    for (const { command, output } of commands) {
      const { stdout } = await promisify(execFile)("sh", ["-c", `${program}\n{ ${command}\n} 2>&1`], {
        env: { PATH: process.env["PATH"], BACKLOG_ACTOR: "me", BACKLOG_DATABASE_URL: url }
      })
      // The page does not show the output of create.
      expect({ command, output: command.startsWith("backlog create") ? "" : stdout }).toEqual({ command, output })
    }
  })

  it("the page shows the tested program", async () => {
    const example = read("test", "worker", "example.ts")
      .replaceAll("../../src/worker/index.ts", "mosaic-backlog/worker")
      .replaceAll("../../src/index.ts", "mosaic-backlog")
    expect(page).toContain(`\`\`\`ts\n${example}\`\`\`\n`)
    const { exports } = JSON.parse(read("package.json")) as { readonly exports: Record<string, unknown> }
    expect(exports["./worker"]).toEqual({
      types: "./dist/worker/index.d.ts",
      import: "./dist/worker/index.js",
      default: "./dist/worker/index.js"
    })
    const [, url = "", , schema = ""] = place.flags
    const result = await Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "letter", title: "Letter", actor: "me" })
      const report = yield* work
      return { report, card: yield* backlog.get("letter") }
    }).pipe(Effect.provide(layerPostgres({ url, schema })), Effect.runPromise)
    expect(result).toMatchObject({
      report: { claimed: 2, completed: 1, failed: 1 },
      card: { value: { status: "done", result: { pages: 6 } } }
    })
  })
})
