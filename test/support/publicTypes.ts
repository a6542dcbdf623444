import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { parseSync } from "oxc-parser"

/** A declaration of the package: its file and its name there. */
interface Declared {
  readonly file: string
  readonly name: string
}

/** A name of another package's module. */
type Target = Declared | "external"

/** A module of type declarations. */
interface Module {
  readonly declarations: ReadonlyMap<string, unknown>
  /** The names that the module imports or exports from another one; `*` is all of them. */
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>
  readonly exports: ReadonlyMap<string, { readonly from: string | undefined; readonly name: string }>
}

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string"

const nameOf = (node: unknown): string => {
  const { name, value } = node as { readonly name?: string; readonly value?: string }
  return name ?? value ?? ""
}

const readModule = (file: string): Module => {
  const declarations = new Map<string, unknown>()
  const imports = new Map<string, { from: string; name: string }>()
  const exports = new Map<string, { from: string | undefined; name: string }>()
  const declare = (node: Node, isExported: boolean) => {
    const names =
      node.type === "VariableDeclaration"
        ? (node["declarations"] as ReadonlyArray<Node>).map(({ id }) => nameOf(id))
        : [nameOf(node["id"])]
    for (const name of names) {
      declarations.set(name, [...((declarations.get(name) as ReadonlyArray<Node> | undefined) ?? []), node])
      if (isExported) exports.set(name, { from: undefined, name })
    }
  }
  const { errors, program } = parseSync(file, readFileSync(file, "utf8"))
  if (errors[0] !== undefined) throw new Error(`${file} does not parse: ${errors[0].message}`)
  for (const node of program.body as unknown as ReadonlyArray<Node>) {
    const source = node["source"] as Node | null | undefined
    const from = source == null ? undefined : nameOf(source)
    const specifiers = (node["specifiers"] ?? []) as ReadonlyArray<Node>
    if (node.type === "ImportDeclaration") {
      for (const one of specifiers) {
        imports.set(nameOf(one["local"]), { from: from ?? "", name: one["imported"] ? nameOf(one["imported"]) : "*" })
      }
    } else if (node.type === "ExportNamedDeclaration") {
      if (isNode(node["declaration"])) declare(node["declaration"], true)
      for (const one of specifiers) exports.set(nameOf(one["exported"]), { from, name: nameOf(one["local"]) })
    } else if (node.type === "ExportAllDeclaration") {
      exports.set(isNode(node["exported"]) ? nameOf(node["exported"]) : "*", { from, name: "*" })
    } else if (node.type !== "ExportDefaultDeclaration") {
      declare(node, false)
    }
  }
  return { declarations, imports, exports }
}

/**
 * The first identifier of each reference to a type, or to a value by `typeof`, in a declaration. An `import()` is its module and
 * the name.
 */
const referencesIn = (node: unknown, found: Set<string>): Set<string> => {
  if (Array.isArray(node)) for (const each of node) referencesIn(each, found)
  if (!isNode(node)) return found
  const reference =
    node["typeName"] ??
    node["exprName"] ??
    node["superClass"] ??
    (/Heritage|Implements/.test(node.type) && node["expression"])
  // import("./b.ts").T
  if (node.type === "TSImportType") found.add(`${nameOf(node["source"])} ${nameOf(node["qualifier"])}`)
  if (isNode(reference)) {
    let first: Node = reference
    while (isNode(first["left"] ?? first["object"])) first = (first["left"] ?? first["object"]) as Node
    found.add(nameOf(first))
  }
  for (const value of Object.values(node)) if (typeof value === "object") referencesIn(value, found)
  return found
}

/**
 * Returns the types in public signatures that no entry of the package exports, each as "the name that uses it: the type".
 * `entries` are files of declarations.
 */
export const findUnexportedTypes = (entries: ReadonlyArray<string>): ReadonlyArray<string> => {
  const modules = new Map<string, Module>()
  const moduleOf = (file: string): Module => {
    const known = modules.get(file) ?? readModule(file)
    modules.set(file, known)
    return known
  }
  const fileOf = (from: string, specifier: string): string | undefined =>
    specifier.startsWith(".") ? resolve(dirname(from), specifier.replace(/\.[jt]s$/, ".d.ts")) : undefined

  const resolveExport = (file: string, name: string): Target => {
    const { exports, imports } = moduleOf(file)
    const exported = exports.get(name)
    if (exported === undefined) throw new Error(`${file} does not export ${name}`)
    if (exported.from === undefined) {
      const imported = imports.get(exported.name)
      return imported === undefined ? { file, name: exported.name } : resolveImport(file, imported)
    }
    return resolveImport(file, { from: exported.from, name: exported.name })
  }
  const resolveImport = (file: string, imported: { readonly from: string; readonly name: string }): Target => {
    const target = fileOf(file, imported.from)
    if (target === undefined) return "external"
    return imported.name === "*" ? { file: target, name: "*" } : resolveExport(target, imported.name)
  }

  const published = new Map<string, Declared>()
  const publish = (file: string) => {
    for (const name of moduleOf(file).exports.keys()) {
      const target = resolveExport(file, name)
      if (target === "external") continue
      if (target.name === "*") publish(target.file)
      else published.set(`${target.file} ${target.name}`, target)
    }
  }
  entries.forEach(publish)

  const problems = new Set<string>()
  const check = (user: string, { file, name }: Declared) => {
    const { declarations, imports } = moduleOf(file)
    for (const reference of referencesIn(declarations.get(name), new Set())) {
      const [from, qualified] = reference.split(" ")
      const imported =
        from === undefined || qualified === undefined ? imports.get(reference) : { from, name: qualified }
      const target =
        imported === undefined
          ? declarations.has(reference) && { file, name: reference }
          : resolveImport(file, imported)
      if (target === false || target === "external" || published.has(`${target.file} ${target.name}`)) continue
      // The compiler declares the base of a class as a constant.
      if (target.name.endsWith("_base")) check(user, target)
      else problems.add(`${user}: ${target.name}`)
    }
  }
  for (const target of published.values()) check(target.name, target)
  return [...problems].sort()
}
