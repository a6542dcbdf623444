import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { type OutputChunk, rolldown } from "rolldown"
import { describe, expect, inject, it } from "vitest"

const root = join(import.meta.dirname, "..")

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly version: string
  readonly exports: Readonly<Record<string, unknown>>
}

/** `mosaic-backlog`, `mosaic-backlog/http` … */
const entries = Object.keys(manifest.exports)
  .filter((name) => !name.endsWith(".json"))
  .map((name) => name.replace(".", "mosaic-backlog"))

/** A project outside of this one, in which the package and what it needs are installed. */
const makeProject = (): string => {
  const project = mkdtempSync(join(inject("scratch"), "project-"))
  const modules = join(project, "node_modules")
  mkdirSync(modules)
  writeFileSync(join(project, "package.json"), '{ "type": "module" }')
  symlinkSync(root, join(modules, "mosaic-backlog"))
  for (const name of ["effect", "@effect", "@electric-sql"]) {
    symlinkSync(join(root, "node_modules", name), join(modules, name))
  }
  return project
}

/** Bundles a program into one folder, and returns the bundle's chunks. */
const bundle = async (project: string, program: string, format: "esm" | "cjs" = "esm") => {
  writeFileSync(join(project, "program.js"), program)
  const made = await rolldown({
    input: join(project, "program.js"),
    cwd: project,
    platform: "node",
    external: [/^@electric-sql\//],
    logLevel: "silent"
  })
  const extension = format === "esm" ? "mjs" : "cjs"
  const { output } = await made.write({
    dir: join(project, "bundled"),
    format,
    entryFileNames: `program.${extension}`,
    chunkFileNames: `[name]-[hash].${extension}`
  })
  await made.close()
  return output.filter((one): one is OutputChunk => one.type === "chunk")
}

const run = async (project: string, ...args: ReadonlyArray<string>) =>
  (await promisify(execFile)(process.execPath, args, { cwd: project, timeout: 200_000 })).stdout.trim()

const sizeOf = (chunks: ReadonlyArray<OutputChunk>): number => chunks.reduce((sum, { code }) => sum + code.length, 0)

describe("a bundle", () => {
  it("of ClaimLost alone has neither a database nor a service", async () => {
    const project = makeProject()
    const chunks = await bundle(
      project,
      'import { ClaimLost } from "mosaic-backlog"\nconsole.log(new ClaimLost({ id: "a", token: 2, status: "done", holder: null, expiresAt: null }).message)'
    )
    const modules = chunks.flatMap(({ moduleIds }) => moduleIds)
    expect(modules.filter((id) => /pglite|sql-pg|effect.dist.sql/.test(id))).toEqual([])
    const own = modules.filter((id) => id.startsWith(join(root, "dist")))
    expect(own.filter((id) => !id.startsWith(join(root, "dist", "domain")))).toEqual([])
    expect(chunks.flatMap(({ dynamicImports, imports }) => [...imports, ...dynamicImports]).join()).not.toContain(
      "pglite"
    )
    expect(await run(project, "bundled/program.mjs")).toBe(
      'The claim with token 2 on card "a" is lost: it is done now.'
    )
  })

  it("of an import of which nothing is used is empty", async () => {
    const chunks = await bundle(makeProject(), entries.map((name) => `import "${name}"`).join("\n"))
    expect(sizeOf(chunks)).toBeLessThan(1000)
  })

  it.each(["esm", "cjs"] as const)(
    "of every entry, as %s, can be imported where the package is not",
    async (format) => {
      const project = makeProject()
      await bundle(
        project,
        `${entries.map((name, index) => `import * as entry${index} from "${name}"`).join("\n")}
console.log([${entries.map((_, index) => `entry${index}`).join()}].map((entry) => typeof entry).join())`,
        format
      )
      const elsewhere = mkdtempSync(join(inject("scratch"), "elsewhere-"))
      for (const name of readdirSync(join(project, "bundled"))) {
        writeFileSync(join(elsewhere, name), readFileSync(join(project, "bundled", name)))
      }
      const program = readdirSync(elsewhere).find((name) => name.startsWith("program.")) ?? ""
      expect(await run(elsewhere, program)).toBe(entries.map(() => "object").join())
    }
  )

  it.each([
    ["PGlite", () => "layerPglite()"],
    ["a server", () => `layerPostgres({ url: ${JSON.stringify(inject("postgresUrl"))}, schema })`]
  ])(
    "creates a backlog with its migrations on %s, and knows its version",
    async (_, layer) => {
      const project = makeProject()
      await bundle(
        project,
        `import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { BacklogService, layerPglite, layerPostgres } from "mosaic-backlog"
import { BacklogApi } from "mosaic-backlog/http"
const schema = "bundled_${randomBytes(8).toString("hex")}"
const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const card = yield* backlog.create({ id: "a", title: "A", actor: "me" })
  const sql = yield* SqlClient.SqlClient
  yield* sql\`DROP SCHEMA IF EXISTS \${sql(schema)} CASCADE\`
  return card.id
})
console.log(await Effect.runPromise(Effect.provide(program, ${layer()})), OpenApi.fromApi(BacklogApi).info.version)`
      )
      expect(await run(project, "bundled/program.mjs")).toBe(`a ${manifest.version}`)
    },
    240_000
  )
})

describe("a CommonJS program", () => {
  it.each(entries)("can require %s", async (name) => {
    const program = `console.log(Object.keys(require(${JSON.stringify(name)})).length > 0)`
    expect(await run(makeProject(), "--input-type=commonjs", "--eval", program)).toBe("true")
  })
})
