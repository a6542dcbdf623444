import { posix } from "node:path"
import { parseSync, Visitor } from "oxc-parser"

/** Source text by path from the project root, with `/` between folders: `src/domain/Card.ts`. */
export type Sources = ReadonlyMap<string, string>

/** A line of a source file that breaks a rule. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** The layers, lowest first: each may import itself and those before it. */
const layers = ["domain", "sql", "events", "projections", "services"]

/** Surfaces are on top of the layers, and see each other only so: who may import whom. */
const surfaceImports: Readonly<Record<string, ReadonlyArray<string>>> = {
  cli: ["import", "http", "mcp", "worker"],
  mcp: ["http"],
  http: ["import"],
  demo: ["cli"]
}

/** `src/index.ts`, the public API: above the layers, below the surfaces. */
const root = "index"

/** Packages that only some files may import. */
const driverRules: ReadonlyArray<{ readonly packages: ReadonlyArray<string>; readonly allowed: RegExp }> = [
  {
    packages: ["@electric-sql/pglite"],
    allowed: /^src\/services\/pglite\//
  },
  { packages: ["@effect/sql-pg"], allowed: /^src\/services\// }
]

/** What the domain may import besides itself. */
const domainPackages = new Set(["effect"])

/** What of `effect` does something, or tells the time or a random number, instead of computing a value. */
const effectful = new Set(
  (
    "Cause Clock Config ConfigProvider Console Context Crypto Deferred Effect Exit Fiber FileSystem Layer Logger ManagedRuntime " +
    "Metric PubSub Queue Random Ref Runtime Schedule Scope Semaphore Stream SynchronizedRef Tracer"
  ).split(" ")
)

/** Globals that the domain must not name: the same input must always give the same answer. */
const impureGlobals = new Set(
  (
    "console crypto fetch globalThis performance process queueMicrotask setImmediate setInterval setTimeout " +
    "Temporal WeakRef"
  ).split(" ")
)

/** `object.member`s that the domain must not name. */
const impureMembers = new Set(["Date.now", "Math.random", "DateTime.now", "DateTime.nowAsDate", "DateTime.nowUnsafe"])

interface Import {
  readonly specifier: string
  /** What is imported by name; `*` is everything. */
  readonly names: ReadonlyArray<string>
  readonly line: number
}

interface SourceFile {
  readonly path: string
  readonly imports: ReadonlyArray<Import>
  readonly impurities: ReadonlyArray<{ readonly line: number; readonly what: string }>
}

/** Every way in which the sources break the project's rules of who may import whom, and of what the domain may do. */
export const findViolations = (sources: Sources): ReadonlyArray<Violation> => {
  const files = Array.from(sources, ([path, text]) => parse(path, text))
  const known = new Set(sources.keys())
  return [...files.flatMap((file) => [...importViolations(file, known), ...impurityViolations(file)]), ...cycles(files)]
}

/** One line for each violation, as editors and terminals link it. */
export const format = (violation: Violation): string => `${violation.file}:${violation.line}: ${violation.message}`

const parse = (path: string, text: string): SourceFile => {
  const result = parseSync(path, text, { sourceType: "module" })
  const problem = result.errors[0]
  if (problem !== undefined) throw new Error(`${path} does not parse: ${problem.message}`)
  const lineAt = (offset: number): number => text.slice(0, offset).split("\n").length

  const imports: Array<Import> = []
  const impurities: Array<{ line: number; what: string }> = []
  const report = (node: { start: number }, what: string): void => {
    impurities.push({ line: lineAt(node.start), what })
  }
  const addImport = (node: { start: number }, specifier: string, names: ReadonlyArray<string>): void => {
    imports.push({ specifier, names, line: lineAt(node.start) })
  }
  new Visitor({
    ImportDeclaration: (node) => {
      const names = node.specifiers.map((specifier) =>
        specifier.type === "ImportSpecifier" ? moduleExportName(specifier.imported) : "*"
      )
      addImport(node, node.source.value, names)
    },
    ExportAllDeclaration: (node) => addImport(node, node.source.value, ["*"]),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) {
        addImport(
          node,
          node.source.value,
          node.specifiers.map((specifier) => moduleExportName(specifier.local))
        )
      }
    },
    ImportExpression: (node) => {
      const literal = node.source.type === "Literal" ? node.source.value : undefined
      addImport(node, typeof literal === "string" ? literal : "(computed at run time)", ["*"])
    },
    TSImportType: (node) => addImport(node, node.source.value, ["*"]),
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
  return mayImport(from, to) ? undefined : `${from} must not import ${to} ("${imported.specifier}")`
}

const packageImportProblem = (file: SourceFile, imported: Import): string | undefined => {
  const name = packageOf(imported.specifier)
  const layer = layerOf(file.path)
  for (const rule of driverRules) {
    if (rule.packages.includes(name) && !rule.allowed.test(file.path)) {
      return `only ${rule.allowed.source} may import "${imported.specifier}"`
    }
  }
  if (layer !== "domain") return undefined
  if (!domainPackages.has(name)) return `domain must not import "${imported.specifier}"`
  const module = imported.specifier.slice(name.length + 1)
  const found = (module === "" ? imported.names : [module]).find((each) => each === "*" || !isPure(each))
  return found === undefined ? undefined : `domain is pure: it must not import ${found} from "${imported.specifier}"`
}

/** Capitalised names are Effect's modules; those in lower case (`pipe`, `flow`, `sql` …) are functions or folders. */
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

/** Files that import themselves through others, one violation for each group of them. */
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
