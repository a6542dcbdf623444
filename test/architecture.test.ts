import { readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { describe, expect, it } from "vitest"
import { findViolations, format } from "./support/architecture.ts"

const projectRoot = join(import.meta.dirname, "..")

const sources = (): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(projectRoot, "src"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [relative(projectRoot, file).split(sep).join("/"), readFileSync(file, "utf8")])
  )

/** Files that importing tests can point to. */
const skeleton: Readonly<Record<string, string>> = {
  "src/index.ts": "",
  "src/domain/a.ts": "",
  "src/sql/a.ts": "",
  "src/events/a.ts": "",
  "src/projections/a.ts": "",
  "src/services/a.ts": "",
  "src/cli/a.ts": "",
  "src/import/a.ts": "",
  "src/demo/a.ts": "",
  "src/testing/a.ts": ""
}

const check = (files: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  findViolations(new Map(Object.entries({ ...skeleton, ...files }))).map(format)

describe("the sources", () => {
  it("are found", () => {
    expect([...sources().keys()]).toContain("src/domain/decide.ts")
  })

  it("keep to the architecture's rules", () => {
    expect(findViolations(sources()).map(format)).toEqual([])
  })
})

describe("imports between layers", () => {
  it.each([
    ["domain", "domain"],
    ["sql", "domain"],
    ["events", "domain"],
    ["events", "sql"],
    ["projections", "events"],
    ["services", "projections"],
    ["services", "domain"],
    ["cli", "services"],
    ["cli", "import"],
    ["demo", "services"],
    ["demo", "cli"],
    ["testing", "domain"],
    ["testing", "services"],
    ["http", "services"]
  ])("%s may import %s", (from, to) => {
    expect(check({ [`src/${from}/b.ts`]: `import { x } from "../${to}/a.ts"` })).toEqual([])
  })

  it.each([
    ["domain", "sql"],
    ["domain", "events"],
    ["domain", "services"],
    ["sql", "events"],
    ["events", "projections"],
    ["events", "services"],
    ["projections", "services"],
    ["services", "cli"],
    ["services", "import"],
    ["import", "cli"],
    ["demo", "import"],
    ["cli", "demo"],
    ["cli", "testing"],
    ["services", "testing"],
    ["testing", "cli"],
    ["http", "cli"]
  ])("%s must not import %s", (from, to) => {
    expect(check({ [`src/${from}/b.ts`]: `import { x } from "../${to}/a.ts"` })).toEqual([
      `src/${from}/b.ts:1: ${from} must not import ${to} ("../${to}/a.ts")`
    ])
  })

  it.each([
    ['import type { X } from "../services/a.ts"', "type"],
    ['import "../services/a.ts"', "bare"],
    ['import * as x from "../services/a.ts"', "namespace"],
    ['export * from "../services/a.ts"', "export all"],
    ['export { x } from "../services/a.ts"', "export"],
    ['const x = await import("../services/a.ts")', "dynamic"],
    ['type X = import("../services/a.ts").X', "import type"]
  ])("%s is an import", (text) => {
    expect(check({ "src/events/b.ts": `\n\n${text}` })).toEqual([
      'src/events/b.ts:3: events must not import services ("../services/a.ts")'
    ])
  })

  it("follow folders inside a layer", () => {
    expect(check({ "src/cli/commands/b.ts": 'import "../a.ts"\nimport "../../services/a.ts"' })).toEqual([])
    expect(check({ "src/events/deep/b.ts": 'import "../../cli/a.ts"' })).toHaveLength(1)
  })

  it("keep the public API between the layers and the surfaces", () => {
    expect(
      check({ "src/index.ts": 'export * from "./services/a.ts"', "src/cli/b.ts": 'import "../index.ts"' })
    ).toEqual([])
    expect(check({ "src/index.ts": 'export * from "./cli/a.ts"' })).toHaveLength(1)
    expect(check({ "src/services/b.ts": 'import "../index.ts"' })).toHaveLength(1)
  })

  it("name files that exist", () => {
    expect(check({ "src/events/b.ts": 'import "./missing.ts"' })).toEqual([
      'src/events/b.ts:1: "./missing.ts" is not a source file'
    ])
  })

  it("have no cycles", () => {
    expect(
      check({
        "src/events/b.ts": 'import "./c.ts"',
        "src/events/c.ts": 'import type { D } from "./d.ts"',
        "src/events/d.ts": 'export * from "./b.ts"'
      })
    ).toEqual([
      "src/events/d.ts:1: import cycle: src/events/b.ts → src/events/c.ts → src/events/d.ts → src/events/b.ts"
    ])
    expect(check({ "src/events/b.ts": 'import "./b.ts"' })).toHaveLength(1)
  })
})

describe("drivers", () => {
  it.each(["PgliteEngine", "DirectoryLock"])("%s may import PGlite", (name) => {
    expect(check({ [`src/services/pglite/${name}.ts`]: 'import { PGlite } from "@electric-sql/pglite"' })).toEqual([])
  })

  it.each([
    ["src/services/b.ts", "@electric-sql/pglite"],
    ["src/services/postgres/b.ts", "@electric-sql/pglite"],
    ["src/services/b.ts", "@electric-sql/pglite/contrib/x"],
    ["src/cli/Pglite.ts", "@electric-sql/pglite"],
    ["src/cli/b.ts", "@effect/sql-pg"],
    ["src/events/b.ts", "@effect/sql-pg"],
    ["src/projections/b.ts", "@effect/sql-pg/PgClient"]
  ])("%s must not import %s", (file, name) => {
    expect(check({ [file]: `import { x } from "${name}"` })).toHaveLength(1)
  })

  it("are free for services, and effect/sql for whoever needs it", () => {
    expect(check({ "src/services/b.ts": 'import { PgClient } from "@effect/sql-pg"' })).toEqual([])
    expect(check({ "src/events/b.ts": 'import { SqlClient } from "effect/sql"' })).toEqual([])
  })
})

describe("the domain", () => {
  it.each([
    'import { DateTime, Result, Schema, pipe } from "effect"',
    'import type { Option } from "effect"',
    'import * as Schema from "effect/Schema"',
    "const x = new Date(0)",
    "const x = Math.max(1, 2)",
    "const process = (event: string) => event"
  ])("may say %s", (text) => {
    expect(check({ "src/domain/b.ts": text })).toEqual([])
  })

  it.each([
    'import { readFileSync } from "node:fs"',
    'import { SqlClient } from "effect/sql"',
    'import canonicalize from "canonicalize"',
    'import { Effect } from "effect"',
    'import { Effect as E } from "effect"',
    'import type { Layer } from "effect"',
    'import * as everything from "effect"',
    'import * as Effect from "effect/Effect"',
    'export * from "effect"',
    "const x = Date.now()",
    'const x = Date["now"]()',
    "const x = new Date()",
    "const x = Date()",
    "const x = Math.random()",
    "const x = [1].map(Math.random)",
    "const x = DateTime.nowUnsafe()",
    "const x = crypto.randomUUID()",
    "const x = process.env",
    "setTimeout(() => {}, 1)"
  ])("must not say %s", (text) => {
    expect(check({ "src/domain/b.ts": text })).toHaveLength(1)
  })

  it("alone is bound so", () => {
    expect(check({ "src/services/b.ts": "const x = Date.now()" })).toEqual([])
  })
})

it("refuses a source that does not parse", () => {
  expect(() => check({ "src/domain/b.ts": "const = 1" })).toThrow("src/domain/b.ts does not parse")
})
