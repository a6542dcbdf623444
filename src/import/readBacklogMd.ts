import { Effect, Option, Result } from "effect"
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { type Issue, makeSource, type Source, SourceUnreadable } from "./Source.ts"
import { describeSchemaError, isEmpty, parsePriority, parseStatus, parseTime, type StatusMap } from "./fields.ts"

/** A task's file in its two parts. */
interface TaskFile {
  /** The YAML between the two lines of dashes. */
  readonly frontMatter: string
  readonly markdown: string
}

/** Divides a task's file, or says why it is none. */
export const splitTaskFile = (text: string): Result.Result<TaskFile, string> => {
  const lines = text.replaceAll("\r\n", "\n").split("\n")
  if (lines[0]?.trimEnd() !== "---") return Result.fail("it does not begin with front matter between two lines of ---")
  const end = lines.findIndex((line, index) => index > 0 && line.trimEnd() === "---")
  return end === -1
    ? Result.fail("its front matter has no end: a line of --- is missing")
    : Result.succeed({
        frontMatter: lines.slice(1, end).map(quotedName).join("\n"),
        markdown: lines.slice(end + 1).join("\n")
      })
}

/** `assignee: @ann`, `- @ann` and `[@ann, @ben]` are no YAML, and Backlog.md reads them all the same. */
const quotedName = (written: string): string => {
  const line = written.trimEnd()
  const one = /^(\s*(?:[a-z_]+:|-)\s+)(@[^'"]*)$/.exec(line)
  if (one !== null) return `${one[1]}"${one[2]}"`
  const list = line.endsWith("]") ? /^(\s*[a-z_]+:\s*)\[(.*)\]$/.exec(line) : null
  if (list === null) return written
  const names = (list[2] ?? "").split(",").map((name) => name.trim().replace(/^@[^'"]*$/, '"$&"'))
  return `${list[1]}[${names.join(", ")}]`
}

const known = new Set([
  "id",
  "title",
  "status",
  "priority",
  "created_date",
  "labels",
  "milestone",
  "dependencies",
  "parent_task_id"
])

/** What a task's file says, given its front matter as parsed: every scalar a text. */
export const decodeTask = (
  fields: Readonly<Record<string, unknown>>,
  markdown: string,
  statuses: StatusMap
): Result.Result<Issue, string> => {
  const id = textOf(fields["id"])
  const title = textOf(fields["title"])
  if (id === undefined) return Result.fail("its front matter has no id")
  if (title === undefined) return Result.fail("its front matter has no title")
  const lists = { labels: listOf(fields["labels"]), dependencies: listOf(fields["dependencies"]) }
  for (const [name, list] of Object.entries(lists)) {
    if (list === undefined) return Result.fail(`its ${name} are no list of texts`)
  }
  const { dependencies = [], labels = [] } = lists
  const word = textOf(fields["status"]) ?? "To Do"
  const status = parseStatus(word, statuses)
  const written = textOf(fields["priority"])
  const priority = written === undefined ? { priority: 0 } : parsePriority(written)
  const created = textOf(fields["created_date"])
  const occurredAt = created === undefined ? Option.none() : parseTime(created)
  const milestone = textOf(fields["milestone"])
  const { acceptance, body } = divided(markdown)
  const labelsLost = milestone === undefined ? labels.length > 1 : labels.length > 0
  return Result.succeed({
    id,
    status: word,
    card: {
      id,
      title,
      body,
      phase: milestone ?? labels[0] ?? null,
      priority: "priority" in priority ? priority.priority : 0,
      acceptance,
      ...("problem" in status ? {} : status),
      ...(Option.isSome(occurredAt) ? { occurredAt: occurredAt.value } : {})
    },
    edges: dependencies.map((to) => ({ to })),
    parent: textOf(fields["parent_task_id"]),
    problem:
      "problem" in status
        ? status.problem
        : "problem" in priority
          ? priority.problem
          : created !== undefined && Option.isNone(occurredAt)
            ? `its created_date is ${JSON.stringify(created.slice(0, 100))}, which is no time`
            : undefined,
    notCarriedOver: [
      ...Object.entries(fields)
        .filter(([name, value]) => !known.has(name) && !isEmpty(value))
        .map(([name]) => name),
      ...(labelsLost ? [milestone === undefined ? "labels after the first" : "labels"] : [])
    ]
  })
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : undefined

/** A list of texts, of which one alone may stand for itself. */
const listOf = (value: unknown): ReadonlyArray<string> | undefined => {
  if (isEmpty(value)) return []
  const list: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
  return list.every((each) => typeof each === "string") ? list : undefined
}

/** A criterion of acceptance. */
type Criterion = {
  readonly text: string
  readonly done: boolean
}

const marker = /^\s*<!-- (?:SECTION:\w+|AC|DOD|COMMENTS?):(?:BEGIN|END) -->\s*$/
const heading = /^##\s+/
const acceptanceHeading = /^##\s+Acceptance Criteria(?:\s+\(Optional\))?\s*$/i
const criterion = /^\s*[-*]\s+\[([ xX])\]\s+(?:#\d+\s+)?(.*)$/

/**
 * The acceptance criteria as a list where they are a check list, else as they stand; and everything else as the body,
 * without the comments that Backlog.md finds its sections by, and without the heading of the description.
 */
const divided = (
  markdown: string
): { readonly body: string | null; readonly acceptance: string | ReadonlyArray<Criterion> | null } => {
  const body: Array<string> = []
  const acceptance: Array<string> = []
  let isAcceptance = false
  let fence: string | undefined
  for (const line of markdown.split("\n")) {
    const opens = /^\s*(```|~~~)/.exec(line)?.[1]
    if (opens !== undefined) fence = fence === undefined ? opens : fence === opens ? undefined : fence
    if (fence === undefined) {
      if (heading.test(line)) isAcceptance = acceptanceHeading.test(line)
      if (marker.test(line) || acceptanceHeading.test(line)) {
        if (/AC:END/.test(line)) isAcceptance = false
        continue
      }
    }
    ;(isAcceptance ? acceptance : body).push(line)
  }
  const text = squeezed(body)
    .replace(/^##\s+Description[ \t]*(?:\n+|$)/i, "")
    .trim()
  const criteria = squeezed(acceptance)
  return { body: text === "" ? null : text, acceptance: criteria === "" ? null : (checkList(criteria) ?? criteria) }
}

const squeezed = (lines: ReadonlyArray<string>): string => lines.join("\n").trim()

const checkList = (text: string): ReadonlyArray<Criterion> | undefined => {
  const criteria: Array<Criterion> = []
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue
    const [, mark, words] = criterion.exec(line) ?? []
    if (mark === undefined || words === undefined) return undefined
    criteria.push({ text: words.trim(), done: mark !== " " })
  }
  return criteria
}

/**
 * Gives dependencies and parents the spelling of the task that they name: Backlog.md does not tell `TASK-1` from
 * `task-1`.
 */
export const matchSpelling = (issues: ReadonlyArray<Issue>): ReadonlyArray<Issue> => {
  const spelled = new Map<string, string>()
  const exact = new Set(issues.map(({ id }) => id))
  for (const { id } of issues) if (!spelled.has(id.toLowerCase())) spelled.set(id.toLowerCase(), id)
  const spell = (id: string): string => (exact.has(id) ? id : (spelled.get(id.toLowerCase()) ?? id))
  return issues.map((issue) => ({
    ...issue,
    edges: issue.edges.map((edge) => ({ ...edge, to: spell(edge.to) })),
    parent: issue.parent === undefined ? undefined : spell(issue.parent)
  }))
}

/** The longest file that is read, in bytes. */
const longestFile = 4 * 1024 * 1024

/** The longest front matter that is read, in characters. */
const longestFrontMatter = 64 * 1024

/** Where Backlog.md keeps the tasks of a project, below its own folder. */
const folders = ["tasks", "completed"]

/**
 * Reads the tasks of Backlog.md from a folder of task files, or from the folder that has `tasks` and `completed` in it.
 * What is no folder is refused; a file that is no task is kept with what is wrong with it.
 */
export const readBacklogMd = (
  folder: string,
  name: string,
  statuses: StatusMap
): Effect.Effect<Source, SourceUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const files = await filesOf(folder)
      const parse = await frontMatterParser()
      const read: Array<{ readonly path: string; readonly issue: Result.Result<Issue, string> }> = []
      // One after the other: a process may not have thousands of files open.
      for (const path of files) read.push({ path, issue: await issueOfFile(join(folder, path), parse, statuses) })
      const issues = matchSpelling(read.flatMap(({ issue }) => (Result.isSuccess(issue) ? [issue.success] : [])))
      let next = 0
      return makeSource(
        "backlog-md",
        name,
        read.map(({ issue, path }, index) => ({
          place: path,
          record: Result.match(issue, {
            onFailure: (problem) => ({ _tag: "Malformed" as const, line: index + 1, problem }),
            onSuccess: (found) => ({ _tag: "Issue" as const, line: index + 1, issue: issues[next++] ?? found })
          })
        }))
      )
    },
    catch: (error) =>
      new SourceUnreadable({
        problem: `${name} cannot be imported: ${error instanceof Error ? error.message : String(error)}`
      })
  })

/** The task files, by name, as paths below the folder. */
const filesOf = async (folder: string): Promise<ReadonlyArray<string>> => {
  if (!(await stat(folder)).isDirectory()) {
    throw new Error("it is no folder. Name the folder that Backlog.md keeps its tasks in, such as backlog/")
  }
  const entries = await readdir(folder, { withFileTypes: true })
  const inside = folders.filter((name) => entries.some((entry) => entry.name === name && entry.isDirectory()))
  const markdown = (names: ReadonlyArray<string>) => names.filter((name) => name.endsWith(".md")).sort()
  if (inside.length === 0) return markdown(entries.map((entry) => entry.name))
  const found = await Promise.all(
    inside.map(async (name) => markdown(await readdir(join(folder, name))).map((file) => join(name, file)))
  )
  return found.flat()
}

type Parse = (yaml: string) => Result.Result<Readonly<Record<string, unknown>>, string>

/** Loaded when it is asked for: nothing else here reads YAML. Every scalar stays the text that it is. */
const frontMatterParser = async (): Promise<Parse> => {
  const { parseDocument } = await import("yaml")
  return (yaml) => {
    if (yaml.length > longestFrontMatter) {
      return Result.fail(`its front matter is longer than ${longestFrontMatter} characters`)
    }
    try {
      const document = parseDocument(yaml, { schema: "failsafe", prettyErrors: true })
      const [error] = document.errors
      if (error !== undefined) return Result.fail(`its front matter is no YAML: ${describeSchemaError(error.message)}`)
      const fields: unknown = document.toJS({ maxAliasCount: 100 })
      return typeof fields === "object" && fields !== null && !Array.isArray(fields)
        ? Result.succeed(fields as Readonly<Record<string, unknown>>)
        : Result.fail("its front matter has no fields")
    } catch (error) {
      return Result.fail(
        `its front matter is no YAML: ${describeSchemaError(error instanceof Error ? error.message : String(error))}`
      )
    }
  }
}

const issueOfFile = async (path: string, parse: Parse, statuses: StatusMap): Promise<Result.Result<Issue, string>> => {
  let text: string
  try {
    if ((await stat(path)).size > longestFile) return Result.fail(`it is longer than ${longestFile} bytes`)
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path))
  } catch (error) {
    const isEncoding = error instanceof TypeError
    return Result.fail(
      isEncoding ? "it is not UTF-8" : `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
    )
  }
  return Result.flatMap(splitTaskFile(text), ({ frontMatter, markdown }) =>
    Result.flatMap(parse(frontMatter), (fields) => decodeTask(fields, markdown, statuses))
  )
}
