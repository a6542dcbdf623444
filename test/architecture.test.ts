import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { describe, expect, it } from "vitest"
import { endReaders, findUngatedReads, readerFiles, sqlSurfaces } from "./support/readGate.ts"
import { databaseImporters, driverRules, findViolations, format, serviceImports } from "./support/architecture.ts"

const projectRoot = join(import.meta.dirname, "..")

const sources = (): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(projectRoot, "src"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [relative(projectRoot, file).split(sep).join("/"), readFileSync(file, "utf8")])
  )

/** Files that the tests import. */
const skeleton: Readonly<Record<string, string>> = {
  "src/index.ts": "",
  "src/domain/a.ts": "",
  "src/sql/a.ts": "",
  "src/events/a.ts": "",
  "src/projections/a.ts": "",
  "src/services/a.ts": "",
  "src/services/AuditService.ts": "",
  "src/services/BacklogService.ts": "",
  "src/services/layers.ts": "",
  "src/services/driverLayers.ts": "",
  "src/services/commands/a.ts": "",
  "src/services/files/a.ts": "",
  "src/services/pglite/a.ts": "",
  "src/services/postgres/a.ts": "",
  "src/services/schema/a.ts": "",
  "src/board/a.ts": "",
  "src/cli/a.ts": "",
  "src/http/a.ts": "",
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

  it("violate no rule", () => {
    expect(findViolations(sources()).map(format)).toEqual([])
  })
})

describe("imports between layers", () => {
  it.each([
    ["domain", "domain"],
    ["sql", "domain"],
    ["sql", "domain"],
    ["events", "domain"],
    ["events", "sql"],
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
    ["domain", "sql"],
    ["domain", "events"],
    ["sql", "events"],
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
    ["cli", "board"],
    ["http", "board"],
    ["board", "cli"],
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
  ])("%s counts as an import", (text) => {
    expect(check({ "src/events/b.ts": `\n\n${text}` })).toEqual([
      'src/events/b.ts:3: events must not import services ("../services/a.ts")'
    ])
  })

  it.each([
    'import type { X } from "../http/a.ts"',
    'import type { X } from "../domain/a.ts"',
    'export type { X } from "../index.ts"',
    'type X = typeof import("../http/a.ts")'
  ])("of the page may be of types: %s", (text) => {
    expect(check({ "src/board/b.tsx": text })).toEqual([])
  })

  it.each([
    ['import { x } from "../http/a.ts"', "http"],
    ['import { type X } from "../domain/a.ts"', "domain"],
    ['export * from "../index.ts"', "index"],
    ['const x = await import("../http/a.ts")', "http"]
  ])("of the page must not be of values: %s", (text, layer) => {
    expect(check({ "src/board/b.tsx": text })).toEqual([
      expect.stringContaining(`src/board/b.tsx:1: board must import only types from ${layer}`)
    ])
  })

  it("are checked in folders inside a layer", () => {
    expect(check({ "src/cli/commands/b.ts": 'import "../a.ts"\nimport "../../services/a.ts"' })).toEqual([])
    expect(check({ "src/events/deep/b.ts": 'import "../../cli/a.ts"' })).toHaveLength(1)
  })

  it("put the public API between the layers and the surfaces", () => {
    expect(
      check({ "src/index.ts": 'export * from "./services/a.ts"', "src/cli/b.ts": 'import "../index.ts"' })
    ).toEqual([])
    expect(check({ "src/index.ts": 'export * from "./cli/a.ts"' })).toHaveLength(1)
    expect(check({ "src/services/b.ts": 'import "../index.ts"' })).toHaveLength(1)
  })

  it("must name files that exist", () => {
    expect(check({ "src/events/b.ts": 'import "./missing.ts"' })).toEqual([
      'src/events/b.ts:1: "./missing.ts" is not a source file'
    ])
  })

  it("must have no cycles", () => {
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

describe("folders inside services", () => {
  it.each([
    ["commands", "a.ts"],
    ["pglite", "files/a.ts"],
    ["postgres", "files/a.ts"],
    ["postgres", "commands/a.ts"],
    ["audit", "schema/a.ts"],
    ["commands", "commands/a.ts"]
  ])("%s may import %s", (from, to) => {
    expect(check({ [`src/services/${from}/b.ts`]: `import { x } from "../${to}"` })).toEqual([])
  })

  it.each([
    ["commands", "pglite"],
    ["commands", "postgres"],
    ["waiting", "postgres"],
    ["audit", "pglite"],
    ["doctor", "pglite"],
    ["pglite", "postgres"],
    ["postgres", "pglite"],
    ["pglite", "commands"],
    ["postgres", "schema"],
    ["files", "schema"]
  ])("%s must not import %s", (from, to) => {
    expect(check({ [`src/services/${from}/b.ts`]: `import type { X } from "../${to}/a.ts"` })).toEqual([
      `src/services/${from}/b.ts:1: services/${from} must not import services/${to} ("../${to}/a.ts")`
    ])
  })

  it.each(["AuditService", "BacklogService", "layers", "driverLayers"])(
    "must not import %s, which composes them",
    (name) => {
      expect(check({ "src/services/audit/b.ts": `import type { X } from "../${name}.ts"` })).toEqual([
        `src/services/audit/b.ts:1: services/audit must not import what composes it ("../${name}.ts")`
      ])
    }
  )

  it("must be listed in the rules", () => {
    expect(check({ "src/services/other/b.ts": 'import { x } from "../a.ts"' })).toEqual([
      'src/services/other/b.ts:1: services/other is not a folder that the rules list ("../a.ts")'
    ])
  })
})

describe("the rules for src/services", () => {
  it.each(Object.entries(serviceImports))("list %s, which exists and uses its imports %j", (folder, imports) => {
    const texts = [...sources()].flatMap(([file, text]) => (file.startsWith(`src/services/${folder}/`) ? [text] : []))
    expect(texts).not.toEqual([])
    expect(imports.filter((each) => !texts.some((text) => text.includes(`"../${each}/`)))).toEqual([])
  })
})

describe("the folder of a database", () => {
  it.each(["pglite", "postgres"])("%s may be imported by the layers", (folder) => {
    expect(check({ "src/services/layers.ts": `import { x } from "./${folder}/a.ts"` })).toEqual([])
    expect(check({ "src/services/driverLayers.ts": `import { x } from "./${folder}/a.ts"` })).toEqual([])
  })

  it.each([
    ["src/services/b.ts", "./pglite/a.ts", "pglite"],
    ["src/services/BacklogService.ts", "./postgres/a.ts", "postgres"],
    ["src/cli/b.ts", "../services/postgres/a.ts", "postgres"],
    ["src/testing/b.ts", "../services/pglite/a.ts", "pglite"]
  ])("must not be imported by %s", (file, specifier, folder) => {
    expect(check({ [file]: `import type { X } from "${specifier}"` })).toEqual([
      `${file}:1: only layers import services/${folder} ("${specifier}")`
    ])
  })

  it("is imported by every file that is listed as an exception", () => {
    const isImporter = (text: string) => /"[^"]*\/(?:pglite|postgres)\/[^"]+\.ts"/.test(text)
    const stale = Object.keys(databaseImporters).filter((file) => !isImporter(sources().get(file) ?? ""))
    expect(stale).toEqual([])
  })
})

describe("drivers", () => {
  it.each([
    ["src/services/pglite/b.ts", "@electric-sql/pglite"],
    ["src/services/pglite/b.ts", "@effect/sql-pg"],
    ["src/services/postgres/b.ts", "@effect/sql-pg"],
    ["src/services/layers.ts", "@effect/sql-pg"],
    ["src/services/driverLayers.ts", "@effect/sql-pg"],
    ["src/services/hasOneSession.ts", "@effect/sql-pg"],
    ["src/events/b.ts", "effect/sql"]
  ])("%s may import %s", (file, name) => {
    expect(check({ [file]: `import { x } from "${name}"` })).toEqual([])
  })

  it.each([
    ["src/services/b.ts", "@electric-sql/pglite"],
    ["src/services/postgres/b.ts", "@electric-sql/pglite"],
    ["src/services/layers.ts", "@electric-sql/pglite/contrib/x"],
    ["src/cli/Pglite.ts", "@electric-sql/pglite"],
    ["src/services/commands/b.ts", "@effect/sql-pg"],
    ["src/services/waiting/b.ts", "@effect/sql-pg"],
    ["src/services/audit/b.ts", "@effect/sql-pg"],
    ["src/services/b.ts", "@effect/sql-pg"],
    ["src/cli/b.ts", "@effect/sql-pg"],
    ["src/events/b.ts", "@effect/sql-pg"],
    ["src/projections/b.ts", "@effect/sql-pg/PgClient"]
  ])("%s must not import %s", (file, name) => {
    expect(check({ [file]: `import { x } from "${name}"` })).toHaveLength(1)
  })

  it("are imported by every file that is listed as an exception", () => {
    const all = sources()
    for (const { files, packages } of driverRules) {
      const stale = Object.keys(files).filter((file) => !packages.some((name) => all.get(file)?.includes(`"${name}"`)))
      expect(stale).toEqual([])
    }
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
  ])("may contain %s", (text) => {
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
  ])("must not contain %s", (text) => {
    expect(check({ "src/domain/b.ts": text })).toHaveLength(1)
  })

  it("is the only layer that must be pure", () => {
    expect(check({ "src/services/b.ts": "const x = Date.now()" })).toEqual([])
  })
})

it("a source that does not parse is an error", () => {
  expect(() => check({ "src/domain/b.ts": "const = 1" })).toThrow("src/domain/b.ts does not parse")
})

describe("reads", () => {
  const ungated = (files: Readonly<Record<string, string>>) =>
    findUngatedReads(new Map(Object.entries(files))).map(format)

  it("pass the gate", () => {
    expect(findUngatedReads(sources()).map(format)).toEqual([])
  })

  it.each([
    ["src/services/BacklogService.ts", "const get = (id) => readModel.get(id)", "readModel.get"],
    ["src/services/BacklogService.ts", "const get = Effect.flatMap(decoded, readModel.get)", "readModel.get"],
    ["src/services/a.ts", 'const end = log.head("read")', "log.head"],
    ["src/services/a.ts", "const cards = foldCards(log, 9)", "foldCards"],
    ["src/projections/a.ts", 'const end = log.head("read")', "log.head"],
    ["src/events/a.ts", "const is = log.isReplica", "log.isReplica"]
  ])("in %s are found around it: %s", (file, text, what) => {
    expect(ungated({ [file]: `\n${text}` })).toEqual([`${file}:2: ${what} reads around the gate`])
  })

  it.each([
    ["src/services/BacklogService.ts", 'const get = gate.read("get", (id) => readModel.get(id))'],
    ["src/services/a.ts", 'const history = gate.stream("history", (id) => log.history(id))'],
    ["src/services/a.ts", "const locked = readModel.lockAndLoad(plan)"],
    ["src/projections/a.ts", "const events = log.streams(9)"]
  ])("in %s are allowed: %s", (file, text) => {
    expect(ungated({ [file]: text })).toEqual([])
  })

  it("of surfaces are found where they use the database, and not where they use a service", () => {
    expect(
      ungated({
        "src/http/a.ts": 'import { SqlClient } from "effect/sql"',
        "src/cli/a.ts": 'import { EventLog } from "../events/EventLog.ts"',
        "src/mcp/a.ts": 'import type { SqlClient } from "effect/sql"\nimport { BacklogService } from "../index.ts"'
      })
    ).toEqual([
      "src/http/a.ts:1: a surface reads through the services: SqlClient",
      "src/cli/a.ts:1: a surface reads through the services: EventLog"
    ])
  })

  it("have exemptions that are files", () => {
    const known = [...sources().keys()]
    expect(known).toEqual(
      expect.arrayContaining([readerFiles, endReaders, sqlSurfaces].flatMap((files) => Object.keys(files)))
    )
  })
})

it("the scripts run tests that exist", () => {
  const scripts = readdirSync(join(projectRoot, "scripts"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(mjs|sh)$/.test(name) && !name.includes("node_modules"))
    .map((name) => join("scripts", name))
  const missing = [...scripts, ".ci/run", "package.json"].flatMap((name) =>
    Array.from(
      readFileSync(join(projectRoot, name), "utf8").matchAll(/\btest\/[\w/]*\w(?:\.test\.ts)?/g),
      ([path]) => path
    )
      .filter((path) => ["", ".test.ts", ".ts", ".mjs"].every((end) => !existsSync(join(projectRoot, path + end))))
      .map((path) => `${name}: ${path}`)
  )
  expect(missing).toEqual([])
})
