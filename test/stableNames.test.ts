import { OpenApi } from "effect/http-api"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { definedMetrics } from "../scripts/docs/metrics.ts"
import { exitCodes } from "../src/cli/exitCodes.ts"
import { BacklogApi } from "../src/http/index.ts"
import { AccessRole, EventType } from "../src/index.ts"
import { toolsets } from "../src/mcp/layerTools.ts"
import { cli } from "./cli/support.ts"

const root = join(import.meta.dirname, "..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const matches = (text: string, pattern: RegExp): ReadonlyArray<string> => [
  ...new Set(Array.from(text.matchAll(pattern), ([, name = ""]) => name))
]

/** The names that the sources of an entry export, types included. */
const exportsOf = (path: string): ReadonlyArray<string> =>
  [...matches(read(path), /export (?:type )?\{([^}]*)\}/g), ...matches(read(path), /export \* as (\w+)/g)]
    .flatMap((names) => names.split(","))
    .map((name) => name.trim().replace(/^type /, ""))
    .filter((name) => name !== "")

const entries: Readonly<Record<string, string>> = {
  "mosaic-backlog": "src/index.ts",
  "mosaic-backlog/http": "src/http/index.ts",
  "mosaic-backlog/mcp": "src/mcp/index.ts",
  "mosaic-backlog/testing": "src/testing/index.ts",
  "mosaic-backlog/worker": "src/worker/index.ts"
}

const flagsOf = async (...command: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const { stdout } = await cli([...command, "--help"])
  const [, flags = ""] = /^FLAGS$([^]*?)(?=^[A-Z ]+$)/m.exec(`${stdout}\nEND\n`) ?? []
  return matches(flags, /^ {2}--([a-z-]+)/gm)
}

const commands = async (): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  const add = async (...command: ReadonlyArray<string>): Promise<void> => {
    const { stdout } = await cli([...command, "--help"])
    const listed = matches(stdout.replace(/[^]*^GLOBAL FLAGS$/m, ""), /^ {2}([a-z][a-z-]*) {2,}/gm)
    if (command.length > 0) found.push(command.join(" "))
    for (const flag of await flagsOf(...command)) found.push(`${command.join(" ")} --${flag}`)
    for (const name of listed) await add(...command, name)
  }
  await add()
  return found
}

type Paths = Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>

const collect = async () => {
  const document = OpenApi.fromApi(BacklogApi)
  const paths = JSON.parse(JSON.stringify(document.paths)) as Paths
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => `${method.toUpperCase()} ${path} ${operationId}`)
  )
  const sourcesOf = (folder: string): string =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => read(`${folder}/${name}`))
      .join("\n")
  return {
    exports: Object.entries(entries).flatMap(([entry, path]) => exportsOf(path).map((name) => `${entry} ${name}`)),
    commands: await commands(),
    exitCodes: Object.entries(exitCodes).map(([name, code]) => `${code} ${name}`),
    operations,
    tags: matches(JSON.stringify(document), /"_tag":\{"type":"string","enum":\["(\w+)"\]/g),
    tools: AccessRole.literals.flatMap((role) => toolsets[role].map(({ tool }) => `${role} ${tool.name}`)),
    events: EventType.literals,
    payloads: readdirSync(join(root, "test/events/golden")),
    variables: matches(sourcesOf("src/cli"), /\b(BACKLOG_(?!DEBUG\b)[A-Z_]*[A-Z])\b/g),
    metrics: definedMetrics().map(({ name }) => name)
  }
}

describe("the stable names of docs/versioning.md", async () => {
  const current: Readonly<Record<string, ReadonlyArray<string>>> = await collect()
  const stable = JSON.parse(read("test/stableNames.json")) as typeof current

  it.each(Object.keys(current))("no name of the %s has disappeared", (kind) => {
    expect(current[kind]?.length).toBeGreaterThan(2)
    expect((stable[kind] ?? []).filter((name) => current[kind]?.includes(name) !== true)).toEqual([])
  })

  it.each(Object.keys(current))(
    "new names of the %s are added to test/stableNames.json when they are released",
    (kind) => {
      expect((current[kind] ?? []).filter((name) => stable[kind]?.includes(name) !== true)).toEqual([])
    }
  )
})
