import { DateTime, type Schema } from "effect"
import { CliError } from "effect/cli"
import * as CommandErrors from "../../src/cli/commandErrors.ts"
import * as CliDatabaseErrors from "../../src/cli/databaseErrors.ts"
import { defectFailure, exitCodes, outputFailure, toFailure } from "../../src/cli/exitCodes.ts"
import { OutputLost } from "../../src/cli/ProcessIO.ts"
import * as ServedErrors from "../../src/cli/servedErrors.ts"
import { Rejection } from "../../src/domain/Rejection.ts"
import * as HttpErrors from "../../src/http/errors.ts"
import { makeProblem, problemOf, problemTags, serverProblemMeanings } from "../../src/http/problems.ts"
import { ImportRefused } from "../../src/import/ImportPlan.ts"
import * as Library from "../../src/index.ts"
import type { Agent } from "../../src/mcp/Agent.ts"
import { refusal } from "../../src/mcp/refusal.ts"
import * as ServerFailures from "../../src/services/serverFailures.ts"
import { HandlerUnusable } from "../../src/worker/HandlerUnusable.ts"
import { capitalize, code, escapeText, linkTo, type Page, pageHead, paragraphs, sentence, table } from "./markdown.ts"
import { labelled, type Node, paragraphsOf, parseFile, sourcePaths, unlabelled, visit } from "./sourceDocs.ts"
import { membersOf, typeText } from "./typeText.ts"

/** An error's class, as the source declares it. */
interface DeclaredError {
  readonly tag: string
  readonly path: string
  readonly doc: string
  readonly toDo: string
  readonly node: Node
}

/** Errors that no caller sees, because the program catches or replaces them, and errors that are described by hand below. */
const notListed: Readonly<Record<string, string>> = {
  BatchFailed: "it becomes the error of each command of the batch",
  RemovalBusy: "it becomes `RemovalPending`",
  TooFarBehind: "a rebuild handles it",
  ExitWithCode: "it carries an exit code",
  CommandFailed: "it fails the attempt of a worker",
  CommandNotStarted: "it fails the attempt of a worker",
  SourceUnreadable: "it becomes `InvalidInput`",
  StoppedPartway: "it becomes the text of a refusal",
  Refused: "it is the text of a refusal",
  OutputLost: "it is described with the errors of the command line"
}

/** The classes of the listed errors by file. Two files may have a class for one tag: each surface has its own fields. */
const classes: Readonly<Record<string, object>> = {
  "src/cli/commandErrors.ts": CommandErrors,
  "src/cli/databaseErrors.ts": CliDatabaseErrors,
  "src/cli/servedErrors.ts": ServedErrors,
  "src/http/errors.ts": HttpErrors,
  "src/import/ImportPlan.ts": { ImportRefused },
  "src/services/serverFailures.ts": ServerFailures,
  "src/worker/HandlerUnusable.ts": { HandlerUnusable }
}

const declaredErrors = (): ReadonlyArray<DeclaredError> =>
  sourcePaths().flatMap((path) => {
    const file = parseFile(path)
    if (!file.text.includes(".TaggedError")) return []
    const found: Array<DeclaredError> = []
    visit(file, {
      ClassDeclaration: (node) => {
        const { superClass } = node
        if (superClass === null || node.id === null || node.id === undefined) return
        const tag = /\.TaggedError(?:<\w+>\(\))?\(\s*"(\w+)"/.exec(
          file.text.slice(superClass.start, superClass.end)
        )?.[1]
        if (tag === undefined || Object.hasOwn(notListed, tag)) return
        const doc = file.docBefore(file.text.lastIndexOf("export class", node.start + 1)) ?? file.docBefore(node.start)
        const toDo = doc === undefined ? undefined : labelled(doc, "What to do")
        if (doc === undefined || toDo === undefined) {
          throw new Error(`The docstring of ${tag} in ${path} has no paragraph "What to do: …".`)
        }
        // With the type arguments, which contain the fields of a class without a schema.
        const written = { type: "Heritage", start: superClass.start, end: node.body.start }
        found.push({ tag, path, doc, toDo, node: written })
      }
    })
    return found
  })

interface ErrorClass extends Schema.Top {
  readonly fields: Schema.Struct.Fields
  new (fields: never): Error
}

const classOf = ({ path, tag }: DeclaredError): ErrorClass | undefined => {
  const own = (classes[path] ?? Library) as Readonly<Record<string, unknown>>
  const found = own[tag] as ErrorClass | undefined
  return found !== undefined && "fields" in found ? found : undefined
}

const time = DateTime.makeUnsafe("2026-01-22T12:04:05Z")

/** Values of the fields of errors, for examples. */
const samples: Readonly<Record<string, unknown>> = {
  id: "build",
  dependsOn: "design",
  path: ["build", "design", "build"],
  token: 2,
  status: "claimed",
  holder: "worker-2",
  expiresAt: time,
  count: 33,
  commandId: "7b0f2a6e-claim",
  problem: "the reason",
  reason: "the reason",
  schema: "backlog",
  place: "/srv/project/.backlog",
  toDo: "Run `backlog create`.",
  directory: "/srv/project/.backlog",
  pid: 4711,
  hostname: "db-1",
  waitedSeconds: 10,
  lockFile: null,
  retryAfterSeconds: 2,
  isTransient: true,
  file: "anchors.txt",
  position: 900,
  actor: "worker-1",
  line: 3,
  asked: "position 900",
  reached: "position 800",
  consumer: "mailer",
  expected: 900,
  found: 950,
  head: 800,
  added: ["index cards_by_phase"],
  type: "CardPaused",
  schemaVersion: 1,
  cardId: "build",
  limitBytes: 2_097_152,
  server: "https://backlog.example.com",
  database: "db.example.com:5432",
  command: "migrate",
  obstacles: [],
  outlook: null,
  message: "No card is claimable.",
  problems: [{ line: 3, place: "line 3", problem: "the reason" }]
}

/** Values of fields that one error restricts. */
const ownSamples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  AccessTokenRefused: { reason: "notValid" },
  NothingClaimable: { id: null }
}

const exampleOf = (declared: DeclaredError): Error | undefined => {
  const error = classOf(declared)
  if (error === undefined) return undefined
  const given: Record<string, unknown> = {}
  const own = ownSamples[declared.tag] ?? {}
  for (const { name, required } of membersOf(error)) {
    if (!required) continue
    if (!(name in own) && !(name in samples)) {
      throw new Error(`scripts/docs/errors.ts has no sample of the field ${name} of ${declared.tag}.`)
    }
    given[name] = name in own ? own[name] : samples[name]
  }
  try {
    return new error(given as never)
  } catch (cause) {
    throw new Error(`scripts/docs/errors.ts has no valid samples of the fields of ${declared.tag}.`, { cause })
  }
}

const agent = { owner: "worker-1", actor: "worker-1" } as unknown as Agent

/** The errors whose refusal for agents `refusal` writes. */
const agentTags: ReadonlySet<string> = new Set([
  ...Rejection.members.map(({ identifier }) => identifier),
  "InvalidInput",
  "Unreachable",
  "TooManyRequests",
  "Unauthorized",
  "Forbidden",
  "DamagedEvent"
])

/** The surface whose callers see an error, by the file of its class. */
const surfaceOf = (path: string): string =>
  path.startsWith("src/cli/") || path.startsWith("src/import/")
    ? "command line"
    : path.startsWith("src/http/")
      ? "HTTP"
      : path.startsWith("src/worker/")
        ? "worker"
        : path.startsWith("src/testing/")
          ? "testing"
          : "library"

/** docs/errors.md: every error, problem and exit code. */
export const errorsPage = (): Page => {
  const declared = declaredErrors()
  const rejections = new Set<string>(Rejection.members.map(({ identifier }) => identifier))
  const tags = [...new Set(declared.map(({ tag }) => tag))]
  const undescribed = problemTags.filter((tag) => !tags.includes(tag) && !Object.hasOwn(serverProblemMeanings, tag))
  if (undescribed.length > 0) throw new Error(`No class and no row describes the problems ${undescribed.join(", ")}.`)
  const ofTag = (tag: string) => declared.filter((each) => each.tag === tag)
  const byTag = (left: string, right: string) => (left < right ? -1 : 1)
  const others = tags.filter((tag) => !rejections.has(tag)).sort(byTag)
  const sections = (all: ReadonlyArray<string>) => all.map((tag) => errorSection(tag, ofTag(tag)))
  return {
    page: "docs/errors.md",
    text: paragraphs(
      pageHead(
        "Errors",
        "This page lists every error with its fields, HTTP status and exit code. The library fails with an error whose `_tag` is the heading. The command line prints it with `--json`, and the server returns it as a problem (RFC 9457) with `_tag` and the fields as members."
      ).trimEnd(),
      "- [All errors](#all-errors)\n- [Exit codes](#exit-codes)\n- [Rejections](#rejections): a rule of the backlog refused a command, and nothing was written\n- [Other errors](#other-errors)\n- [Problems of the server](#problems-of-the-server)\n- [Errors of the command line only](#errors-of-the-command-line-only)",
      "## All errors",
      table(
        ["error", "HTTP status", "exit code", "meaning"],
        [...rejections, ...others].map((tag) => {
          const all = ofTag(tag)
          return [
            linkTo(tag),
            statusOf(tag)?.toString() ?? "",
            [...new Set(all.flatMap(exitCodeOf))].join(", "),
            escapeText(meaningOf(all)[0] ?? "")
          ]
        })
      ),
      "The type of a problem is `urn:mosaic-backlog:problem:` and the tag. A failure of the database itself is an `SqlError` in the library.",
      "## Exit codes",
      table(
        ["exit code", "meaning", "errors"],
        Object.entries(exitCodes).map(([name, exitCode]) => [
          String(exitCode),
          escapeText(exitCodeNames[name] ?? missingName(name)),
          tags
            .filter((tag) => ofTag(tag).some((each) => exitCodeOf(each).includes(exitCode)))
            .sort(byTag)
            .map((tag) => linkTo(tag))
            .join(", ")
        ])
      ),
      "[The command line](command-line.md#output-and-exit-codes) explains the exit codes.",
      "## Rejections",
      ...sections([...rejections]),
      "## Other errors",
      ...sections(others),
      "## Problems of the server",
      "The server refuses a request with these problems before or after an endpoint handles it. They have no fields of their own, unless the table says so.",
      table(
        ["problem", "HTTP status", "meaning", "what to do"],
        Object.entries(serverProblemMeanings).map(([tag, { meaning, toDo }]) => [
          code(tag),
          String(makeProblem(tag as keyof typeof serverProblemMeanings, "").status),
          escapeText(meaning),
          escapeText(toDo)
        ])
      ),
      "## Errors of the command line only",
      table(
        ["error", "exit code", "meaning"],
        [
          ...CliError.NonShowHelpErrors.members.map(({ identifier }) => {
            const tag = identifier.split("/").at(-1) ?? identifier
            return [code(tag), String(exitCodes.invalidInput), cliMeanings[tag] ?? missingMeaning(tag)]
          }),
          [code("MissingCommand"), String(exitCodes.invalidInput), "No command is given."],
          [
            code("OutputLost"),
            String(outputFailure(new OutputLost({ problem: new Error("") })).exitCode),
            "Standard output cannot be written, for example because the disk is full. A change that the command made is done."
          ],
          [
            code("Defect"),
            String(defectFailure(new Error("")).exitCode),
            "This is an error in the program. Set `BACKLOG_DEBUG=1` to print its cause, and report it."
          ]
        ]
      )
    )
  }
}

/** The meaning of each exit code, by its name in `exitCodes`. */
const exitCodeNames: Readonly<Record<string, string>> = {
  done: "done",
  failed: "any other error; or `doctor` found something to do",
  invalidInput: "invalid input",
  nothingClaimable: "nothing claimable",
  notFound: "not found",
  refused: "refused by a rule; or `verify` or `rebuild` found a divergence",
  unavailable: "unavailable",
  interrupted: "interrupted by a signal",
  readerGone: "the reader of standard output has gone"
}

const missingName = (name: string): never => {
  throw new Error(`scripts/docs/errors.ts does not name the exit code ${name}.`)
}

/** The meaning of the errors of the parser of arguments. */
const cliMeanings: Readonly<Record<string, string>> = {
  UnrecognizedOption: "The command has no such flag.",
  DuplicateOption: "Two flags of a command have the same name.",
  MissingOption: "A required flag is missing.",
  MissingArgument: "A required argument is missing.",
  UnexpectedArgument: "The command takes fewer arguments.",
  InvalidValue: "The value of a flag or an argument is not valid.",
  UnknownSubcommand: "There is no such command.",
  ValidationError: "The flags and arguments contradict each other.",
  UserError: "A command failed with an error of its own."
}

const missingMeaning = (name: string): never => {
  throw new Error(`scripts/docs/errors.ts does not say what ${name} means.`)
}

const meaningOf = (all: ReadonlyArray<DeclaredError>): ReadonlyArray<string> => [
  ...new Set(all.map(({ doc }) => unlabelled(doc, "What to do").join(" ")))
]

const statusOf = (tag: string): number | undefined => {
  const known = problemTags.find((each) => each === tag)
  return known === undefined ? undefined : makeProblem(known, "").status
}

/** The exit code of an error. The command line does not end with the errors of other surfaces: it has classes of its own. */
const exitCodeOf = (declared: DeclaredError): ReadonlyArray<number> => {
  const isOfServer = declared.path === "src/http/errors.ts" && declared.tag !== "ServeRefused"
  if (isOfServer || declared.path === "src/services/serverFailures.ts") return []
  const example = exampleOf(declared)
  const exitCode = example === undefined ? undefined : toFailure(example)?.exitCode
  return exitCode === undefined ? [] : [exitCode]
}

const errorSection = (tag: string, all: ReadonlyArray<DeclaredError>): string => {
  const variants = all.map((declared) => ({ declared, example: exampleOf(declared) }))
  const several = variants.length > 1
  const status = statusOf(tag)
  const codes = [...new Set(all.flatMap(exitCodeOf))]
  const facts = [
    status === undefined ? undefined : `HTTP status ${status}`,
    codes.length === 0 ? undefined : `exit code ${codes.join(" or ")}`
  ].filter((fact) => fact !== undefined)
  return paragraphs(
    `### ${tag}`,
    facts.length === 0 ? undefined : `${facts.join(", ")}.`.replace(/^e/, "E"),
    ...variants.flatMap(({ declared, example }) => {
      const before = several ? `**${surfaceOf(declared.path)}**: ` : ""
      const problem = example === undefined ? undefined : problemOf(example)
      return [
        `${before}${escapeText(unlabelled(declared.doc, "What to do").join(" "))} ${linkPages(escapeText(capitalize(sentence(declared.toDo))))}`,
        fieldTable(declared, problem),
        messageLines(declared, example)
      ]
    })
  ).trimEnd()
}

/** Turns names of pages into links. */
const linkPages = (text: string): string => text.replaceAll(/docs\/([\w-]+\.md)(#[\w-]+)?/g, "[$1]($1$2)")

const messageLines = ({ path, tag }: DeclaredError, example: Error | undefined): string | undefined => {
  if (example === undefined || example.message === "") return undefined
  const text = oneLine(example.message)
  const toAgent =
    agentTags.has(tag) && !path.startsWith("src/cli/") ? oneLine(refusal(example as never, agent).text) : undefined
  return [
    `- Message: ${escapeText(text)}`,
    ...(toAgent === undefined || toAgent === text ? [] : [`- To agents: ${escapeText(toAgent)}`])
  ].join("\n")
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ")

/** Fields that have another name in a problem, which has members `type` and `status` of its own. */
const problemMembers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ClaimLost: { status: "cardStatus" },
  UndecodableEvent: { type: "eventType" }
}

const fieldTable = (declared: DeclaredError, problem: object | undefined): string | undefined => {
  const error = classOf(declared)
  const docs = fieldDocs(declared)
  if (error === undefined) {
    const rows = writtenFields(declared)
    return rows.length === 0 ? undefined : table(["field", "type", "meaning"], rows)
  }
  const members = membersOf(error).filter(({ name }) => name !== "cause")
  if (members.length === 0) return undefined
  const renamed = (name: string): string => (problem === undefined ? "" : (problemMembers[declared.tag]?.[name] ?? ""))
  return table(
    ["field", "type", "meaning"],
    members.map(({ name, required, schema }) => [
      code(required ? name : `${name}?`),
      typeText(schema, name),
      [
        escapeText(
          docs.get(name) ??
            ownFieldMeanings[declared.tag]?.[name] ??
            fieldMeanings[name] ??
            missingField(declared, name)
        ),
        renamed(name) === "" ? "" : `In a problem, the member is ${code(renamed(name))}.`
      ]
        .filter((part) => part !== "")
        .map(sentence)
        .join(" ")
    ])
  )
}

/** The meaning of fields that several errors share. */
const fieldMeanings: Readonly<Record<string, string>> = {
  id: "The id of the card",
  dependsOn: "The card on which it would depend",
  path: "The cycle: it begins and ends with the same card, and each card depends on the next",
  token: "The token that the command had",
  status: "The current status of the card",
  holder: "The current owner of the claim",
  expiresAt: "When the lease of the current claim expires",
  count: "The number of labels that the card would have",
  commandId: "The id of the command",
  problem: "What is wrong",
  reason: "What is wrong",
  schema: "The Postgres schema of the backlog",
  directory: "The directory of the backlog",
  hostname: "The machine of the holder",
  waitedSeconds: "How long the program waited, in seconds",
  lockFile: "The file to delete after checking that the holder has ended; `null` if the holder is known to run",
  file: "The file",
  asked: "The position or time that was asked for",
  reached: "The position or time that the log has reached",
  consumer: "The name of the consumer",
  position: "The position of the event",
  cardId: "The id of the card",
  type: "The type of the event",
  schemaVersion: "The schema version of the event",
  command: "The command",
  message: "The message",
  database: "The database",
  problems: "What is wrong, by line"
}

/** The meaning of fields that have another meaning in one error. */
const ownFieldMeanings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  AccessTokenNotFound: { id: "The id of the token" }
}

const missingField = ({ path, tag }: DeclaredError, name: string): never => {
  throw new Error(`The field ${name} of ${tag} in ${path} has no docstring.`)
}

/** The docstrings of the fields of an error's class, also of fields that several classes share. */
const fieldDocs = ({ node, path }: DeclaredError): ReadonlyMap<string, string> => {
  const file = parseFile(path)
  const docs = new Map<string, string>()
  const usesShared = /,\s*fields\)\s*$/.test(file.text.slice(node.start, node.end))
  visit(file, {
    Property: (property) => {
      const isInside = property.start >= node.start && property.end <= node.end
      if ((!isInside && !usesShared) || property.key.type !== "Identifier") return
      const doc = file.docBefore(property.start)
      if (doc !== undefined) docs.set(property.key.name, paragraphsOf(doc).join(" "))
    }
  })
  return docs
}

/** The fields of a class without a schema, as they are written. */
const writtenFields = ({ node, path }: DeclaredError): ReadonlyArray<ReadonlyArray<string>> => {
  const file = parseFile(path)
  const rows: Array<ReadonlyArray<string>> = []
  let end = 0
  visit(file, {
    TSPropertySignature: (member) => {
      if (member.start < node.start || member.end > node.end || member.start < end || member.key.type !== "Identifier")
        return
      end = member.end
      const type = member.typeAnnotation?.typeAnnotation
      rows.push([
        code(member.key.name),
        type === undefined ? "" : code(file.text.slice(type.start, type.end).replaceAll(/\s+/g, " ")),
        escapeText(sentence(paragraphsOf(file.docBefore(member.start) ?? "")[0] ?? ""))
      ])
    }
  })
  return rows.map((row) => (row[2] === "." ? [row[0] ?? "", row[1] ?? "", ""] : row))
}
