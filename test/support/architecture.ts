import { posix } from "node:path"
import { parseSync, Visitor } from "oxc-parser"

/** Source texts by their path from the project root, with `/` between folders: `src/domain/Card.ts`. */
export type Sources = ReadonlyMap<string, string>

/** A line of a source file that violates a rule. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** The layers, lowest first. A layer may import itself and the layers before it. */
const layers = ["domain", "sql", "events", "projections", "services"]

/** Surfaces may import every layer, and only these other surfaces. */
const surfaceImports: Readonly<Record<string, ReadonlyArray<string>>> = {
  cli: ["import", "http", "mcp", "worker"],
  mcp: ["http"],
  http: ["import"],
  demo: ["cli", "http"],
  board: ["http"]
}

/** The page in the browser. It imports only types from the rest, whose modules are larger than the page or need Node. */
const page = "board"

/** `src/index.ts`, the public API: above the layers, below the surfaces. */
const root = "index"

/**
 * The folders inside `src/services`, and the other folders that each may import. Every folder must be listed.
 * `pglite` and `postgres` import only `files`, and the folders whose services or errors they implement.
 */
export const serviceImports: Readonly<Record<string, ReadonlyArray<string>>> = {
  files: [],
  schema: [],
  commands: [],
  waiting: [],
  access: ["schema"],
  audit: ["commands", "files", "schema"],
  doctor: ["access", "files", "schema"],
  // A directory without a database is `BacklogMissing` of `schema`.
  pglite: ["files", "schema"],
  // Implements `BatchTransaction` of `commands` and the subscription of `waiting`.
  postgres: ["commands", "files", "waiting"]
}

/** The folders that know a database. */
const databaseFolders = new Set(["pglite", "postgres"])

/** Files of `src/services` that compose its folders. The folders must not import them. */
const composing = new Set(
  ["AuditService", "BacklogService", "driverLayers", "keepAnchors", "layers"].map((name) => `src/services/${name}.ts`)
)

/** The files outside of a database's folder that may import it, and why. */
export const databaseImporters: Readonly<Record<string, string>> = {
  "src/services/layers.ts": "builds the layers of both databases",
  "src/services/driverLayers.ts": "provides what differs between the two databases",
  "src/services/readGates.ts": "lets reads wait until the commits of a server are durable",
  "src/index.ts": "exports the options of a server",
  "src/testing/BacklogTemplate.ts": "copies the files of embedded databases, for tests",
  "src/cli/database.ts": "opens the database that the flags name, also without a backlog",
  "src/cli/databaseTarget.ts": "checks the settings in a URL before a connection is opened",
  "src/cli/commands/doctor.ts": "inspects a directory before a layer opens it and restricts its permissions"
}

/** The packages of the drivers, and the files that may import each. */
export const driverRules: ReadonlyArray<{
  readonly packages: ReadonlyArray<string>
  readonly folders: ReadonlyArray<string>
  /** Single files, and why. */
  readonly files: Readonly<Record<string, string>>
}> = [
  { packages: ["@electric-sql/pglite"], folders: ["src/services/pglite/"], files: {} },
  {
    packages: ["@effect/sql-pg"],
    // PGlite is used through the same client, over its wire protocol (decision 1).
    folders: ["src/services/pglite/", "src/services/postgres/"],
    files: {
      "src/services/layers.ts": "its layers provide the client, for the program's own tables",
      "src/services/driverLayers.ts": "chooses the implementation by the client",
      "src/services/doctor/Doctor.ts": "measures how long a notification takes, with the client's `listen`",
      "src/services/hasOneSession.ts": "recognizes the client of an embedded database",
      "src/services/readGates.ts": "finds the client of a server, whose commits reads wait for"
    }
  }
]

/** The packages that the domain may import. */
const domainPackages = new Set(["effect"])

/** Modules of `effect` that have side effects, or return the time or a random number. */
const effectful = new Set(
  (
    "Cause Clock Config ConfigProvider Console Context Crypto Deferred Effect Exit Fiber FileSystem Layer Logger ManagedRuntime " +
    "Metric PubSub Queue Random Ref Runtime Schedule Scope Semaphore Stream SynchronizedRef Tracer"
  ).split(" ")
)

/** Globals that the domain must not use: the same input must always give the same result. */
const impureGlobals = new Set(
  (
    "console crypto fetch globalThis performance process queueMicrotask setImmediate setInterval setTimeout " +
    "Temporal WeakRef"
  ).split(" ")
)

/** Members of objects that the domain must not use. */
const impureMembers = new Set(["Date.now", "Math.random", "DateTime.now", "DateTime.nowAsDate", "DateTime.nowUnsafe"])

interface Import {
  readonly specifier: string
  /** The imported names; `*` is all of them. */
  readonly names: ReadonlyArray<string>
  /** Whether only types are imported, so that nothing is left of the import when the program runs. */
  readonly isOfTypes: boolean
  readonly line: number
}

interface SourceFile {
  readonly path: string
  readonly imports: ReadonlyArray<Import>
  readonly impurities: ReadonlyArray<{ readonly line: number; readonly what: string }>
}

/** Returns every violation of the rules for imports, and for the purity of the domain. */
export const findViolations = (sources: Sources): ReadonlyArray<Violation> => {
  const files = Array.from(sources, ([path, text]) => parse(path, text))
  const known = new Set(sources.keys())
  return [...files.flatMap((file) => [...importViolations(file, known), ...impurityViolations(file)]), ...cycles(files)]
}

/** Formats a violation as `file:line: message`, which editors and terminals link. */
export const format = (violation: Violation): string => `${violation.file}:${violation.line}: ${violation.message}`

const parse = (path: string, text: string): SourceFile => {
  const result = parseSync(path, text, { sourceType: "module", lang: path.endsWith(".tsx") ? "tsx" : "ts" })
  const problem = result.errors[0]
  if (problem !== undefined) throw new Error(`${path} does not parse: ${problem.message}`)
  const lineAt = (offset: number): number => text.slice(0, offset).split("\n").length

  const imports: Array<Import> = []
  const impurities: Array<{ line: number; what: string }> = []
  const report = (node: { start: number }, what: string): void => {
    impurities.push({ line: lineAt(node.start), what })
  }
  const addImport = (
    node: { start: number },
    specifier: string,
    names: ReadonlyArray<string>,
    isOfTypes: boolean
  ): void => {
    imports.push({ specifier, names, isOfTypes, line: lineAt(node.start) })
  }
  new Visitor({
    ImportDeclaration: (node) => {
      const names = node.specifiers.map((specifier) =>
        specifier.type === "ImportSpecifier" ? moduleExportName(specifier.imported) : "*"
      )
      addImport(node, node.source.value, names, node.importKind === "type")
    },
    ExportAllDeclaration: (node) => addImport(node, node.source.value, ["*"], node.exportKind === "type"),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) {
        addImport(
          node,
          node.source.value,
          node.specifiers.map((specifier) => moduleExportName(specifier.local)),
          node.exportKind === "type"
        )
      }
    },
    ImportExpression: (node) => {
      const literal = node.source.type === "Literal" ? node.source.value : undefined
      addImport(node, typeof literal === "string" ? literal : "(computed at run time)", ["*"], false)
    },
    TSImportType: (node) => addImport(node, node.source.value, ["*"], true),
    MemberExpression: (node) => {
      if (node.object.type !== "Identifier" || node.property.type === "PrivateIdentifier") return
      const property = node.property
      const member =
        property.type === "Identifier" && !node.computed
          ? property.name
          : property.type === "Literal"
            ? String(property.value)
            : undefined
      const name = `${node.object.name}.${member}`
      if (impureMembers.has(name)) report(node, name)
      if (impureGlobals.has(node.object.name)) report(node, node.object.name)
    },
    CallExpression: (node) => {
      if (node.callee.type !== "Identifier") return
      if (node.callee.name === "Date") report(node, "Date()")
      if (impureGlobals.has(node.callee.name)) report(node, node.callee.name)
    },
    NewExpression: (node) => {
      if (node.callee.type !== "Identifier") return
      if (node.callee.name === "Date" && node.arguments.length === 0) report(node, "new Date()")
      if (impureGlobals.has(node.callee.name)) report(node, node.callee.name)
    }
  }).visit(result.program)
  return { path, imports, impurities }
}

const moduleExportName = (
  name: { readonly type: "Identifier"; readonly name: string } | { readonly type: "Literal"; readonly value: string }
): string => (name.type === "Identifier" ? name.name : name.value)

const layerOf = (path: string): string => {
  const [, folder = "", ...rest] = path.split("/")
  return rest.length === 0 ? root : folder
}

const isSurface = (layer: string): boolean => layer !== root && !layers.includes(layer)

const mayImport = (from: string, to: string): boolean => {
  if (from === to) return true
  if (isSurface(to)) return surfaceImports[from]?.includes(to) === true
  if (to === root) return isSurface(from)
  return isSurface(from) || from === root || layers.indexOf(to) < layers.indexOf(from)
}

/** The folder inside `src/services` that a file is in; `undefined` for files directly in it, and for other layers. */
const serviceFolderOf = (path: string): string | undefined => {
  const [, layer, folder, ...rest] = path.split("/")
  return layer === "services" && rest.length > 0 ? folder : undefined
}

/** Why a file must not import another, by the rules for the folders inside `src/services`. */
const serviceImportProblem = (file: string, target: string): string | undefined => {
  const from = serviceFolderOf(file)
  const to = serviceFolderOf(target)
  if (from !== undefined) {
    const allowed = serviceImports[from]
    if (allowed === undefined) return `services/${from} is not a folder that the rules list`
    if (composing.has(target)) return `services/${from} must not import what composes it`
    if (to !== undefined && to !== from && !allowed.includes(to)) {
      return `services/${from} must not import services/${to}`
    }
  } else if (to !== undefined && databaseFolders.has(to) && !Object.hasOwn(databaseImporters, file)) {
    return `only layers import services/${to}`
  }
  return undefined
}

const isRelative = (specifier: string): boolean => specifier.startsWith(".")

const resolve = (file: SourceFile, specifier: string): string => posix.join(posix.dirname(file.path), specifier)

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const importViolations = (file: SourceFile, known: ReadonlySet<string>): ReadonlyArray<Violation> =>
  file.imports.flatMap((imported) => {
    const message = isRelative(imported.specifier)
      ? relativeImportProblem(file, imported, known)
      : packageImportProblem(file, imported)
    return message === undefined ? [] : [{ file: file.path, line: imported.line, message }]
  })

const relativeImportProblem = (file: SourceFile, imported: Import, known: ReadonlySet<string>): string | undefined => {
  const target = resolve(file, imported.specifier)
  if (target.endsWith(".json")) return undefined
  if (!known.has(target)) return `"${imported.specifier}" is not a source file`
  const from = layerOf(file.path)
  const to = layerOf(target)
  const problem = !mayImport(from, to)
    ? `${from} must not import ${to}`
    : from === page && to !== page && !imported.isOfTypes
      ? `${page} must import only types from ${to}`
      : serviceImportProblem(file.path, target)
  return problem === undefined ? undefined : `${problem} ("${imported.specifier}")`
}

const packageImportProblem = (file: SourceFile, imported: Import): string | undefined => {
  const name = packageOf(imported.specifier)
  const layer = layerOf(file.path)
  for (const rule of driverRules) {
    const isAllowed =
      rule.folders.some((folder) => file.path.startsWith(folder)) || Object.hasOwn(rule.files, file.path)
    if (rule.packages.includes(name) && !isAllowed) {
      return `only ${[...rule.folders, ...Object.keys(rule.files)].join(", ")} may import "${imported.specifier}"`
    }
  }
  if (layer !== "domain") return undefined
  if (!domainPackages.has(name)) return `domain must not import "${imported.specifier}"`
  const module = imported.specifier.slice(name.length + 1)
  const found = (module === "" ? imported.names : [module]).find((each) => each === "*" || !isPure(each))
  return found === undefined ? undefined : `domain is pure: it must not import ${found} from "${imported.specifier}"`
}

/** Capitalized names are Effect's modules. Names in lower case (`pipe`, `flow`, `sql` …) are functions or folders. */
const isPure = (name: string): boolean =>
  /^(pipe|flow|identity|absurd)$/.test(name) || (/^[A-Z]/.test(name) && !effectful.has(name))

const impurityViolations = (file: SourceFile): ReadonlyArray<Violation> =>
  layerOf(file.path) === "domain"
    ? file.impurities.map(({ line, what }) => ({
        file: file.path,
        line,
        message: `domain is pure: it must not use ${what}`
      }))
    : []

/** Import cycles, with one violation for each. */
const cycles = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Violation> => {
  const edges = new Map(
    files.map((file) => [
      file.path,
      file.imports
        .filter((each) => isRelative(each.specifier))
        .map((each) => ({ to: resolve(file, each.specifier), line: each.line }))
    ])
  )
  const found: Array<Violation> = []
  const finished = new Set<string>()
  const path: Array<string> = []
  const visit = (file: string): void => {
    path.push(file)
    for (const { line, to } of edges.get(file) ?? []) {
      const start = path.indexOf(to)
      if (start >= 0) {
        found.push({ file, line, message: `import cycle: ${[...path.slice(start), to].join(" → ")}` })
      } else if (!finished.has(to)) {
        visit(to)
      }
    }
    path.pop()
    finished.add(file)
  }
  for (const file of edges.keys()) if (!finished.has(file)) visit(file)
  return found
}
