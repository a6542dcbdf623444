import { Effect, Option, Result } from "effect"
import { readdir, readFile, stat } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import { toNotes } from "./comments.ts"
import { type Issue, makeSource, type PlacedRecord, type Source, SourceUnreadable } from "./Source.ts"
import {
  describeSchemaError,
  isEmpty,
  isInProgress,
  isZeroTime,
  parsePriority,
  parseStatus,
  parseTime,
  type StatusMap
} from "./fields.ts"

/** Maximum bytes of a file. */
const maxFileBytes = 4 * 1024 * 1024

/** Maximum characters of front matter. */
const maxFrontMatterLength = 64 * 1024

/** The folder of completed tasks. Its tasks are done, regardless of their status. */
const completed = "completed"

/** The folders of tasks in the folder of Backlog.md. */
const folders = ["tasks", completed]

/** The folders of other things in the folder of Backlog.md. */
const otherFolders: ReadonlySet<string> = new Set(["decisions", "docs", "milestones"])

/**
 * Reads the tasks of Backlog.md from a folder of task files, or from the folder that contains `tasks` and `completed`. Fails
 * when the path is not a folder. A file that is not a task becomes a malformed record. A readme and a folder, which are not
 * read, become records of other kinds.
 */
export const readBacklogMd = (
  folder: string,
  name: string,
  statuses: StatusMap
): Effect.Effect<Source, SourceUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const found = await listFiles(folder)
      const parse = await loadParser()
      const read: Array<{ readonly path: string; readonly task: Result.Result<Issue, string> | OtherKind }> = []
      // One at a time: a process cannot have thousands of files open.
      for (const { isCompleted, kind, path } of found) {
        const task =
          kind === "task file" ? await readTask(join(folder, path), parse, isCompleted, statuses) : ({ kind } as const)
        read.push({ path, task })
      }
      const issues = matchSpelling(
        read.flatMap(({ task }) => (!("kind" in task) && Result.isSuccess(task) ? [task.success] : []))
      )
      let next = 0
      return makeSource(
        "backlog-md",
        name,
        read.map(({ path, task }, index): PlacedRecord => {
          const line = index + 1
          if ("kind" in task) return { place: path, record: { _tag: "OtherKind", line, kind: task.kind } }
          return {
            place: path,
            record: Result.match(task, {
              onFailure: (problem) => ({ _tag: "Malformed" as const, line, problem }),
              onSuccess: (issue) => ({ _tag: "Issue" as const, line, issue: issues[next++] ?? issue })
            })
          }
        })
      )
    },
    catch: (error) =>
      new SourceUnreadable({
        problem: `${name} cannot be imported: ${error instanceof Error ? error.message : String(error)}`
      })
  })

/** What a folder contains: a file to read, or something to name in the report. */
interface Found {
  /** Relative to the folder. */
  readonly path: string
  readonly kind: "task file" | OtherKind["kind"]
  readonly isCompleted: boolean
}

/** Something that is not a task and is named in the report. */
interface OtherKind {
  readonly kind: "folder" | "readme"
}

/** Returns the task files, and what is next to them, sorted by name. Files that are not Markdown are not returned. */
const listFiles = async (folder: string): Promise<ReadonlyArray<Found>> => {
  if (!(await stat(folder)).isDirectory()) {
    throw new Error("it is not a folder. Name the folder in which Backlog.md keeps its tasks, such as backlog/")
  }
  const entries = await readdir(folder, { withFileTypes: true })
  const inside = folders.filter((name) => entries.some((entry) => entry.name === name && entry.isDirectory()))
  if (inside.length === 0) return listTaskFiles(folder, "", basename(resolve(folder)) === completed)
  const found = await Promise.all(inside.map((name) => listTaskFiles(join(folder, name), name, name === completed)))
  const others = entries.filter(
    (entry) =>
      entry.isDirectory() &&
      !entry.name.startsWith(".") &&
      !folders.includes(entry.name) &&
      !otherFolders.has(entry.name)
  )
  return [...found.flat(), ...others.map(({ name }) => ({ path: name, kind: "folder", isCompleted: false }) as const)]
}

const listTaskFiles = async (folder: string, prefix: string, isCompleted: boolean): Promise<ReadonlyArray<Found>> =>
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() || entry.name.endsWith(".md"))
    .map(
      (entry) =>
        ({
          path: join(prefix, entry.name),
          kind: entry.isDirectory() ? "folder" : /^readme\.md$/i.test(entry.name) ? "readme" : "task file",
          isCompleted
        }) satisfies Found
    )
    .sort((left, right) => (left.path < right.path ? -1 : 1))

type Parse = (yaml: string) => Result.Result<Readonly<Record<string, unknown>>, string>

/** Loads the YAML parser on demand, since nothing else reads YAML. Every scalar stays a string. */
const loadParser = async (): Promise<Parse> => {
  const { parseDocument } = await import("yaml")
  return (yaml) => {
    if (yaml.length > maxFrontMatterLength) {
      return Result.fail(`its front matter is longer than ${maxFrontMatterLength} characters`)
    }
    try {
      const document = parseDocument(yaml, { schema: "failsafe", prettyErrors: true })
      const [error] = document.errors
      if (error !== undefined) return Result.fail(`its front matter is not YAML: ${describeSchemaError(error.message)}`)
      const fields: unknown = document.toJS({ maxAliasCount: 100 })
      return typeof fields === "object" && fields !== null && !Array.isArray(fields)
        ? Result.succeed(fields as Readonly<Record<string, unknown>>)
        : Result.fail("its front matter has no fields")
    } catch (error) {
      return Result.fail(
        `its front matter is not YAML: ${describeSchemaError(error instanceof Error ? error.message : String(error))}`
      )
    }
  }
}

const readTask = async (
  path: string,
  parse: Parse,
  isCompleted: boolean,
  statuses: StatusMap
): Promise<Result.Result<Issue, string>> => {
  let text: string
  try {
    if ((await stat(path)).size > maxFileBytes) return Result.fail(`it is longer than ${maxFileBytes} bytes`)
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path))
  } catch (error) {
    const isEncoding = error instanceof TypeError
    return Result.fail(
      isEncoding ? "it is not UTF-8" : `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
    )
  }
  return Result.flatMap(splitTaskFile(text), ({ frontMatter, markdown }) =>
    Result.flatMap(parse(frontMatter), (fields) => decodeTask(fields, markdown, statuses, isCompleted))
  )
}

/** The two parts of a task file. */
interface TaskFile {
  /** The YAML between the two lines of dashes. */
  readonly frontMatter: string
  readonly markdown: string
}

/** Splits a task file, or returns what is wrong with it. */
export const splitTaskFile = (text: string): Result.Result<TaskFile, string> => {
  const lines = text.replaceAll("\r\n", "\n").split("\n")
  if (lines[0]?.trimEnd() !== "---") return Result.fail("it does not begin with front matter between two lines of ---")
  const end = lines.findIndex((line, index) => index > 0 && line.trimEnd() === "---")
  return end === -1
    ? Result.fail("its front matter has no end: a line of --- is missing")
    : Result.succeed({
        frontMatter: lines.slice(1, end).map(quoteNames).join("\n"),
        markdown: lines.slice(end + 1).join("\n")
      })
}

/** Quotes names in `assignee: @ann`, `- @ann` and `[@ann, @ben]`, which are not YAML but which Backlog.md accepts. */
const quoteNames = (input: string): string => {
  const line = input.trimEnd()
  const one = /^(\s*(?:[a-z_]+:|-)\s+)(@[^'"]*)$/.exec(line)
  if (one !== null) return `${one[1]}"${one[2]}"`
  const list = line.endsWith("]") ? /^(\s*[a-z_]+:\s*)\[(.*)\]$/.exec(line) : null
  if (list === null) return input
  const names = (list[2] ?? "").split(",").map((name) => name.trim().replace(/^@[^'"]*$/, '"$&"'))
  return `${list[1]}[${names.join(", ")}]`
}

const knownFields = new Set([
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

/**
 * Decodes a task from its parsed front matter, in which every scalar is a string, and its Markdown. A completed task is done,
 * regardless of its status.
 */
export const decodeTask = (
  fields: Readonly<Record<string, unknown>>,
  markdown: string,
  statuses: StatusMap,
  isCompleted = false
): Result.Result<Issue, string> => {
  const id = textOf(fields["id"])
  const title = textOf(fields["title"])
  if (id === undefined) return Result.fail("its front matter has no id")
  if (title === undefined) return Result.fail("its front matter has no title")
  const lists = { labels: listOf(fields["labels"]), dependencies: listOf(fields["dependencies"]) }
  for (const [name, list] of Object.entries(lists)) {
    if (list === undefined) return Result.fail(`its ${name} are not a list of strings`)
  }
  const { dependencies = [], labels = [] } = lists
  const word = textOf(fields["status"]) ?? "To Do"
  const status = isCompleted ? ({ status: "done" } as const) : parseStatus(word, statuses)
  const written = textOf(fields["priority"])
  const priority = written === undefined ? { priority: 0 } : parsePriority(written)
  const stated = textOf(fields["created_date"])
  const created = stated === undefined || isZeroTime(stated) ? undefined : stated
  const occurredAt = created === undefined ? Option.none() : parseTime(created)
  const milestone = textOf(fields["milestone"])
  const { acceptance, body, notes } = splitMarkdown(markdown)
  const assignees = listOf(fields["assignee"]) ?? []
  return Result.succeed({
    id,
    status: word,
    card: {
      id,
      title,
      body,
      phase: milestone ?? null,
      labels,
      priority: "priority" in priority ? priority.priority : 0,
      acceptance,
      ...("problem" in status ? {} : status),
      ...(Option.isSome(occurredAt) ? { occurredAt: occurredAt.value } : {})
    },
    notes: toNotes({ author: null, at: null, text: notes }),
    edges: dependencies.map((to) => ({ to })),
    parent: textOf(fields["parent_task_id"]),
    claim:
      assignees.length > 0 && isInProgress(word) && "status" in status && status.status === "ready"
        ? { owner: assignees.join(", "), until: null, live: true }
        : undefined,
    problem:
      "problem" in status
        ? status.problem
        : "problem" in priority
          ? priority.problem
          : created !== undefined && Option.isNone(occurredAt)
            ? `its created_date is ${JSON.stringify(created.slice(0, 100))}, which is not a valid time`
            : undefined,
    notCarriedOver: Object.entries(fields)
      .filter(([name, value]) => !knownFields.has(name) && !isEmpty(value))
      .map(([name]) => name)
  })
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : undefined

/** Reads a list of strings. A single string is a list of one. */
const listOf = (value: unknown): ReadonlyArray<string> | undefined => {
  if (isEmpty(value)) return []
  const list: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
  return list.every((each) => typeof each === "string") ? list : undefined
}

/** An acceptance criterion. */
type Criterion = {
  readonly text: string
  readonly done: boolean
}

const marker = /^\s*<!-- (?:SECTION:\w+|AC|DOD|COMMENTS?):(?:BEGIN|END) -->\s*$/
const headingPattern = /^##\s+/
const acceptanceHeading = /^##\s+Acceptance Criteria(?:\s+\(Optional\))?\s*$/i
const notesHeading = /^##\s+Implementation\s+Notes\s*$/i
const criterion = /^\s*[-*]\s+\[([ xX])\]\s+(?:#\d+\s+)?(.*)$/

/**
 * Separates the acceptance criteria and the notes from the body. A check list becomes a list of criteria, other text stays text. The body
 * has neither the comments that mark the sections of Backlog.md nor the heading of the description.
 */
const splitMarkdown = (
  markdown: string
): {
  readonly body: string | null
  readonly acceptance: string | ReadonlyArray<Criterion> | null
  readonly notes: string
} => {
  const body: Array<string> = []
  const acceptance: Array<string> = []
  const notes: Array<string> = []
  let section = body
  let fence: string | undefined
  for (const line of markdown.split("\n")) {
    const opens = /^\s*(```|~~~)/.exec(line)?.[1]
    if (opens !== undefined) fence = fence === undefined ? opens : fence === opens ? undefined : fence
    if (fence === undefined) {
      if (headingPattern.test(line)) {
        section = acceptanceHeading.test(line) ? acceptance : notesHeading.test(line) ? notes : body
      }
      if (marker.test(line) || acceptanceHeading.test(line) || notesHeading.test(line)) {
        if (/AC:END/.test(line) && section === acceptance) section = body
        continue
      }
    }
    section.push(line)
  }
  const text = joinLines(body)
    .replace(/^##\s+Description[ \t]*(?:\n+|$)/i, "")
    .trim()
  const criteria = joinLines(acceptance)
  return {
    body: text === "" ? null : text,
    acceptance: criteria === "" ? null : (parseCheckList(criteria) ?? criteria),
    notes: joinLines(notes)
  }
}

const joinLines = (lines: ReadonlyArray<string>): string => lines.join("\n").trim()

const parseCheckList = (text: string): ReadonlyArray<Criterion> | undefined => {
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
 * Changes dependencies and parents to the spelling of the task that they name. In Backlog.md the case and leading zeros of ids
 * mean nothing, and their prefix may be omitted: `task-7`, `7` and `TASK-007` are one task.
 */
export const matchSpelling = (issues: ReadonlyArray<Issue>): ReadonlyArray<Issue> => {
  const spelled = new Map<string, string>()
  const exact = new Set(issues.map(({ id }) => id))
  for (const { id } of issues) {
    const { full, number } = normalizeId(id)
    if (!spelled.has(full)) spelled.set(full, id)
    if (number !== undefined && !spelled.has(number)) spelled.set(number, id)
  }
  const spell = (id: string): string => (exact.has(id) ? id : (spelled.get(normalizeId(id).full) ?? id))
  return issues.map((issue) => ({
    ...issue,
    edges: issue.edges.map((edge) => ({ ...edge, to: spell(edge.to) })),
    parent: issue.parent === undefined ? undefined : spell(issue.parent)
  }))
}

/** An id in lower case without leading zeros, and its number without the prefix. */
const normalizeId = (id: string): { readonly full: string; readonly number: string | undefined } => {
  const [, prefix = "", digits] = /^([a-z]+-)?(\d+(?:\.\d+)*)$/.exec(id.toLowerCase()) ?? []
  if (digits === undefined) return { full: id.toLowerCase(), number: undefined }
  const number = digits.replace(/\d+/g, (segment) => segment.replace(/^0+(?=\d)/, ""))
  return { full: prefix + number, number }
}
