import { Effect, Result, Schema } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import {
  type Issue,
  makeSource,
  type PlacedRecord,
  type Source,
  type SourceRecord,
  SourceUnreadable
} from "./Source.ts"
import { describeSchemaError, isEmpty, joinSections, parsePriority, parseStatus, type StatusMap } from "./fields.ts"

/** Reads a `tasks.json` of task-master. Fails when it is not JSON, or has no tasks. */
export const readTaskMaster = (
  text: string,
  name: string,
  statuses: StatusMap
): Effect.Effect<Source, SourceUnreadable> =>
  Effect.fromResult(
    Result.mapBoth(
      Result.flatMap(
        Result.mapError(
          parseExactJson(text.replace(/^\ufeff/, "")),
          (problem) => `it is not JSON that can be stored: ${describeJsonProblem(problem)}`
        ),
        (json) => decodeTasks(json, statuses)
      ),
      {
        onFailure: (problem) => new SourceUnreadable({ problem: `${name} cannot be imported: ${problem}` }),
        onSuccess: (placed) => makeSource("task-master", name, placed)
      }
    )
  )

/** The default list of task-master. Its tasks keep their ids. */
const mainTag = "master"

/** The priority of a task that states none. */
const defaultPriority = "medium"

const OptionalText = Schema.optional(Schema.NullOr(Schema.String))
const Id = Schema.Union([Schema.Int, Schema.String])

/** The fields of tasks and subtasks that the import reads. */
const TaskFields = Schema.Struct({
  id: Id,
  title: Schema.String,
  description: OptionalText,
  details: OptionalText,
  testStrategy: OptionalText,
  acceptanceCriteria: OptionalText,
  priority: OptionalText,
  status: OptionalText,
  dependencies: Schema.optional(Schema.NullOr(Schema.Array(Id))),
  subtasks: Schema.optional(Schema.NullOr(Schema.Array(Schema.Unknown)))
})

const decodeTask = Schema.decodeUnknownResult(TaskFields)

const knownFields = new Set(Object.keys(TaskFields.fields))

/** A task to visit, with the description of its place. */
interface Visit {
  readonly task: unknown
  readonly place: string
  readonly parent: Parent | undefined
}

/** The parent of a subtask. */
interface Parent {
  readonly id: string
  readonly parts: ReadonlySet<string>
  /** The priority, which subtasks without a priority inherit. */
  readonly priority: string
}

/**
 * Decodes a `tasks.json`, or returns what is wrong with it. Each task comes before its subtasks. The file has lists of tasks
 * by tag; files of task-master versions without tags have one list.
 */
export const decodeTasks = (json: unknown, statuses: StatusMap): Result.Result<ReadonlyArray<PlacedRecord>, string> => {
  if (!isObject(json)) return Result.fail("it is not a JSON object")
  const lists = Array.isArray(json["tasks"]) ? { [mainTag]: json } : json
  if (!Object.values(lists).some((list) => isObject(list) && Array.isArray(list["tasks"]))) {
    return Result.fail('it has no list of tasks: {"master":{"tasks":[…]}} or {"tasks":[…]} is expected')
  }
  const found: Array<PlacedRecord> = []
  const add = (place: string, record: (line: number) => SourceRecord): void => {
    found.push({ place, record: record(found.length + 1) })
  }
  for (const [tag, list] of Object.entries(lists)) {
    if (isObject(list) && Array.isArray(list["tasks"])) addTasks(tag, list["tasks"], statuses, add)
    else if (!isEmpty(list)) {
      add(`key ${JSON.stringify(tag)}`, (line) => ({ _tag: "Malformed", line, problem: "it is not a list of tasks" }))
    }
  }
  return Result.succeed(found)
}

const addTasks = (
  tag: string,
  tasks: ReadonlyArray<unknown>,
  statuses: StatusMap,
  add: (place: string, record: (line: number) => SourceRecord) => void
): void => {
  const scope: Scope = {
    tag,
    statuses,
    topLevel: new Set(tasks.map(idOf).filter((id) => id !== undefined))
  }
  const where = tag === mainTag ? "" : ` of the list ${JSON.stringify(tag)}`
  const placeOf = (id: string | undefined, index: number) =>
    id === undefined ? `task number ${index + 1}${where}` : `task ${id}${where}`
  const stack: Array<Visit> = tasks
    .map((task, index) => ({ task, place: placeOf(idOf(task), index), parent: undefined }))
    .reverse()
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    const { parent, place, task } = visit
    add(place, (line) => decodeRecord(line, task, parent, scope))
    const subtasks = isObject(task) && Array.isArray(task["subtasks"]) ? task["subtasks"] : []
    const own = idOf(task)
    const id = own === undefined ? undefined : idUnder(parent?.id, own)
    const priority = priorityWordOf(task) ?? parent?.priority ?? defaultPriority
    const parts = new Set(subtasks.map(idOf).filter((each) => each !== undefined))
    const visits = subtasks.map((subtask: unknown, index): Visit => {
      const part = idOf(subtask)
      return {
        task: subtask,
        place:
          id === undefined || part === undefined
            ? `subtask number ${index + 1} of ${place}`
            : placeOf(idUnder(id, part), index),
        parent: id === undefined ? undefined : { id, parts, priority }
      }
    })
    for (let index = visits.length - 1; index >= 0; index--) {
      const next = visits[index]
      if (next !== undefined) stack.push(next)
    }
  }
}

/** What the tasks of one list have in common. */
interface Scope {
  readonly tag: string
  readonly statuses: StatusMap
  readonly topLevel: ReadonlySet<string>
}

const decodeRecord = (line: number, task: unknown, parent: Visit["parent"], scope: Scope): SourceRecord =>
  Result.match(decodeTask(task), {
    onFailure: (error): SourceRecord => ({ _tag: "Malformed", line, problem: describeSchemaError(error.message) }),
    onSuccess: (fields): SourceRecord => ({
      _tag: "Issue",
      line,
      issue: toIssue(fields, task as Readonly<Record<string, unknown>>, parent, scope)
    })
  })

const toIssue = (
  task: typeof TaskFields.Type,
  all: Readonly<Record<string, unknown>>,
  parent: Visit["parent"],
  scope: Scope
): Issue => {
  const word = task.status ?? "pending"
  const status = parseStatus(word, scope.statuses)
  const priority = parsePriority(task.priority ?? parent?.priority ?? defaultPriority)
  const named = (local: string): string => (scope.tag === mainTag ? local : `${scope.tag}/${local}`)
  const id = named(idUnder(parent?.id, String(task.id)))
  return {
    id,
    status: word,
    card: {
      id,
      title: task.title,
      body: joinSections(task.description, { Details: task.details }),
      phase: scope.tag === mainTag ? null : scope.tag,
      priority: "priority" in priority ? priority.priority : 0,
      acceptance: isEmpty(task.acceptanceCriteria)
        ? joinSections(task.testStrategy, {})
        : joinSections(task.acceptanceCriteria, { "Test strategy": task.testStrategy }),
      ...("problem" in status ? {} : status)
    },
    edges: (task.dependencies ?? []).map((to) => ({ to: named(resolveDependency(String(to), parent, scope)) })),
    parent: parent === undefined ? undefined : named(parent.id),
    problem: "problem" in status ? status.problem : "problem" in priority ? priority.problem : undefined,
    notCarriedOver: Object.entries(all)
      .filter(([name, value]) => !knownFields.has(name) && !isEmpty(value))
      .map(([name]) => name)
  }
}

/** A number in a subtask means a sibling where there is one, else a task of the list. */
const resolveDependency = (id: string, parent: Visit["parent"], { topLevel }: Scope): string => {
  if (parent === undefined || id.includes(".")) return id
  return !parent.parts.has(id) && topLevel.has(id) ? id : `${parent.id}.${id}`
}

/** Subtasks are numbered within their task, as 2 or as 5.2. */
const idUnder = (parent: string | undefined, own: string): string =>
  parent === undefined || own.startsWith(`${parent}.`) ? own : `${parent}.${own}`

const idOf = (task: unknown): string | undefined => {
  const id = isObject(task) ? task["id"] : undefined
  return typeof id === "string" || (typeof id === "number" && Number.isInteger(id)) ? String(id) : undefined
}

const priorityWordOf = (task: unknown): string | undefined => {
  const word = isObject(task) ? task["priority"] : undefined
  return typeof word === "string" ? word : undefined
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
