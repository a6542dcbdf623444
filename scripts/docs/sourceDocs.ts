import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSync, Visitor } from "oxc-parser"

const root = join(import.meta.dirname, "..", "..")

/** Reads a file of the project. */
export const readFile = (path: string): string => readFileSync(join(root, path), "utf8")

/** The names of the files in a folder of the project. */
export const filesIn = (folder: string): ReadonlyArray<string> => readdirSync(join(root, folder)).sort()

/** The paths of all files of `src`, from the project root. */
export const sourcePaths = (): ReadonlyArray<string> =>
  readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .map((path) => `src/${path.replaceAll("\\", "/")}`)
    .filter((path) => /\.tsx?$/.test(path))
    .sort()

/** A node of a syntax tree. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
}

/** A parsed file. */
export interface ParsedFile {
  readonly path: string
  readonly text: string
  readonly program: Parameters<Visitor["visit"]>[0]
  /** The docstring that ends directly before an offset: its text without the stars. */
  readonly docBefore: (offset: number) => string | undefined
  /** The comment that ends directly before an offset. */
  readonly commentBefore: (offset: number) => string | undefined
}

const parsed = new Map<string, ParsedFile>()

/** Parses a file of the project. */
export const parseFile = (path: string): ParsedFile => {
  const known = parsed.get(path)
  if (known !== undefined) return known
  const text = readFile(path)
  const { comments, program } = parseSync(path, text, {
    sourceType: "module",
    lang: path.endsWith(".tsx") ? "tsx" : "ts"
  })
  const before = (offset: number) =>
    comments.findLast(({ end }) => end <= offset && /^\s*(export\s+)?$/.test(text.slice(end, offset)))
  const file: ParsedFile = {
    path,
    text,
    program,
    docBefore: (offset) => {
      const comment = before(offset)
      return comment?.type === "Block" && comment.value.startsWith("*") ? cleanDoc(comment.value) : undefined
    },
    commentBefore: (offset) => {
      const comment = before(offset)
      return comment === undefined ? undefined : cleanDoc(comment.value)
    }
  }
  parsed.set(path, file)
  return file
}

const cleanDoc = (comment: string): string =>
  comment
    .split("\n")
    .map((line) => line.replace(/^\s*\*+ ?/, "").trimEnd())
    .join("\n")
    .trim()

/** Visits a file. */
export const visit = (file: ParsedFile, visitor: ConstructorParameters<typeof Visitor>[0]): void =>
  new Visitor(visitor).visit(file.program)

/** The paragraphs of a docstring, each on one line. */
export const paragraphsOf = (doc: string): ReadonlyArray<string> =>
  doc.split(/\n\s*\n/).map((paragraph) => paragraph.replaceAll(/\s*\n\s*/g, " ").trim())

/** The paragraph of a docstring that begins with a word and a colon, without both. */
export const labelled = (doc: string, label: string): string | undefined =>
  paragraphsOf(doc)
    .find((paragraph) => paragraph.startsWith(`${label}: `))
    ?.slice(label.length + 2)

/** The paragraphs of a docstring before the first one that begins with a label. */
export const unlabelled = (doc: string, ...labels: ReadonlyArray<string>): ReadonlyArray<string> =>
  paragraphsOf(doc).filter((paragraph) => !labels.some((label) => paragraph.startsWith(`${label}: `)))

/** A constant of a file, with its docstring. */
export interface DocumentedConstant {
  readonly name: string
  readonly doc: string | undefined
  readonly init: Node
}

/** The constants at the top of a file. */
export const constantsOf = (path: string): ReadonlyArray<DocumentedConstant> => {
  const file = parseFile(path)
  const found: Array<DocumentedConstant> = []
  for (const statement of file.program.body) {
    const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement
    if (declaration?.type !== "VariableDeclaration") continue
    for (const { id, init } of declaration.declarations) {
      if (id.type !== "Identifier" || init === null) continue
      found.push({ name: id.name, doc: file.docBefore(statement.start), init })
    }
  }
  return found
}

/** The docstrings of the members of an interface, by name. */
export const interfaceMembers = (path: string, name: string): ReadonlyArray<Member> => {
  const file = parseFile(path)
  const members: Array<Member> = []
  visit(file, {
    TSInterfaceDeclaration: (node) => {
      if (node.id.name !== name) return
      for (const member of node.body.body) {
        if (member.type !== "TSPropertySignature" || member.key.type !== "Identifier") continue
        const type = member.typeAnnotation?.typeAnnotation
        members.push({
          name: member.key.name,
          optional: member.optional,
          type: type === undefined ? "unknown" : file.text.slice(type.start, type.end),
          doc: file.docBefore(member.start)
        })
      }
    }
  })
  return members
}

/** A member of an interface, as it is written. */
export interface Member {
  readonly name: string
  readonly optional: boolean
  readonly type: string
  readonly doc: string | undefined
}

/** The docstrings of the properties of every object literal within a node, by name. */
export const propertyDocs = (path: string, within: Node): ReadonlyMap<string, string> => {
  const file = parseFile(path)
  const docs = new Map<string, string>()
  visit(file, {
    Property: (node) => {
      if (node.start < within.start || node.end > within.end || node.key.type !== "Identifier") return
      const doc = file.docBefore(node.start)
      if (doc !== undefined) docs.set(node.key.name, doc)
    }
  })
  return docs
}
