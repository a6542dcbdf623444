import { parseSync, Visitor } from "oxc-parser"
import type { Sources, Violation } from "./architecture.ts"

/** What the services read with. A call must be an argument of `gate.read` or `gate.stream`. */
const readers: Readonly<Record<string, ReadonlyArray<string>>> = {
  readModel:
    "get list stats getWithUnmet countClaimable outlook haveClaimsEnded notes claims dependents neighbourhood impact criticalPath".split(
      " "
    ),
  log: ["head", "findHead", "read", "page", "between", "streams", "history", "isReplica", "hasReplayed"],
  checkpoints: ["list", "get", "parked"],
  erasures: ["list", "isPending"],
  observations: ["verifications", "anchors"],
  PastBacklog: ["at"]
}

/** Functions that read for a service. They are checked where they are called. */
const readingFunctions = new Set(
  "consume diffCards explainAt exportLog feed foldCards readDensity readFlow resolveCardMoment resolveEventType resolveFlowRange resolveMoment verify".split(
    " "
  )
)

/** The members of the log that show where it ends. Readers get it from the gate. */
const endOfLog: Readonly<Record<string, ReadonlyArray<string>>> = {
  log: ["head", "findHead", "isReplica", "hasReplayed"]
}

/** The files that may read without the gate, and why. */
export const readerFiles: Readonly<Record<string, string>> = {
  "src/services/audit/EventTypeFilter.ts": "implements a reading function",
  "src/services/audit/flowRange.ts": "implements a reading function",
  "src/services/audit/logTransfer.ts": "implements the export, and imports in a transaction of its own",
  "src/services/audit/moments.ts": "implements reading functions",
  "src/services/audit/redactCard.ts": "is a command: it reads what it erases, under its locks",
  "src/services/commands/Interpreter.ts": "is the write path",
  "src/services/commands/Receipts.ts": "is the write path: answers commands that are sent again"
}

/** The files below the services that may ask where the log ends without the gate, and why. */
export const endReaders: Readonly<Record<string, string>> = {
  "src/events/ReadGate.ts": "is the gate",
  "src/events/replica.ts": "waits for a replica on behalf of the gate",
  "src/projections/rebuild.ts": "locks the end of the log for the swap",
  "src/projections/verify.ts": "reads a log whose end is missing; what it found passes the gate"
}

/** The files of surfaces that may use the SQL client, and why. They read through the services like any other program. */
export const sqlSurfaces: Readonly<Record<string, string>> = {
  "src/cli/commands/serve.ts": "passes the client to the tools of agents",
  "src/import/readTable.ts": "reads the database of another program",
  "src/mcp/CommandSequence.ts": "runs several commands in one transaction"
}

/** Services below the public ones, which surfaces must not use. */
const internalServices = new Set("Checkpoints EventLog ReadGate ReadModel Receipts".split(" "))

const surfaces = new Set("cli demo http import mcp testing worker".split(" "))

/** Returns every read that does not pass the gate. */
export const findUngatedReads = (sources: Sources): ReadonlyArray<Violation> =>
  Array.from(sources).flatMap(([file, text]) => {
    const folder = file.split("/")[1] ?? ""
    if (surfaces.has(folder)) return surfaceViolations(file, text)
    if (folder === "services" && !Object.hasOwn(readerFiles, file)) return callViolations(file, text, readers, true)
    if (folder === "services" || Object.hasOwn(endReaders, file)) return []
    return callViolations(file, text, endOfLog, false)
  })

interface Node {
  readonly start: number
  readonly end: number
}

const parse = (file: string, text: string) => {
  const { errors, program } = parseSync(file, text, { sourceType: "module" })
  if (errors[0] !== undefined) throw new Error(`${file} does not parse: ${errors[0].message}`)
  return program
}

const lineOf = (text: string, { start }: Node): number => text.slice(0, start).split("\n").length

const callViolations = (
  file: string,
  text: string,
  members: Readonly<Record<string, ReadonlyArray<string>>>,
  checksFunctions: boolean
): ReadonlyArray<Violation> => {
  const gated: Array<Node> = []
  const reads: Array<Node & { readonly what: string }> = []
  new Visitor({
    CallExpression: (node) => {
      const { callee } = node
      if (callee.type === "Identifier" && checksFunctions && readingFunctions.has(callee.name)) {
        reads.push({ start: node.start, end: node.end, what: callee.name })
      }
      if (
        callee.type === "MemberExpression" &&
        callee.object.type === "Identifier" &&
        callee.object.name === "gate" &&
        callee.property.type === "Identifier" &&
        (callee.property.name === "read" || callee.property.name === "stream")
      ) {
        gated.push(node)
      }
    },
    MemberExpression: ({ end, object, property, start }) => {
      if (object.type !== "Identifier" || property.type !== "Identifier") return
      if (members[object.name]?.includes(property.name) === true) {
        reads.push({ start, end, what: `${object.name}.${property.name}` })
      }
    }
  }).visit(parse(file, text))
  return reads
    .filter((read) => !gated.some(({ end, start }) => start <= read.start && read.end <= end))
    .map((read) => ({ file, line: lineOf(text, read), message: `${read.what} reads around the gate` }))
}

const surfaceViolations = (file: string, text: string): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  new Visitor({
    ImportDeclaration: (node) => {
      if (node.importKind === "type") return
      for (const specifier of node.specifiers) {
        if (specifier.type !== "ImportSpecifier" || specifier.importKind === "type") continue
        const { imported } = specifier
        const name = imported.type === "Identifier" ? imported.name : imported.value
        const isSql = name === "SqlClient" && !Object.hasOwn(sqlSurfaces, file)
        if (isSql || internalServices.has(name)) {
          violations.push({ file, line: lineOf(text, node), message: `a surface reads through the services: ${name}` })
        }
      }
    }
  }).visit(parse(file, text))
  return violations
}
