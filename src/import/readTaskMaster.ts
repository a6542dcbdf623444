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
import {
  describeSchemaError,
  isEmpty,
  joinSections,
  parsePriority,
  parseStatus,
  quoteShortened,
  type StatusMap
} from "./fields.ts"

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

/** The tag of task-master's default list. Its tasks keep their ids. */
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
  /** Why task-master does not offer the subtasks, where it does not. */
  readonly heldReason: string | undefined
}

/**
 * Decodes a `tasks.json`, or returns what is wrong with it. Each task comes before its subtasks. The file has lists of tasks
 * by tag; files of task-master versions without tags have one list, without a tag. In a file with both, the ids of the list
 * without a tag stay as they are, so that an earlier import of it is found again, and all others get their tag.
 */
export const decodeTasks = (json: unknown, statuses: StatusMap): Result.Result<ReadonlyArray<PlacedRecord>, string> => {
  if (!isObject(json)) return Result.fail("it is not a JSON object")
  const untagged: unknown = json["tasks"]
  const hasUntagged = Array.isArray(untagged)
  if (!hasUntagged && !Object.values(json).some(isTaskList)) {
    return Result.fail('it has no list of tasks: {"master":{"tasks":[…]}} or {"tasks":[…]} is expected')
  }
  const found: Array<PlacedRecord> = []
  const add = (place: string, record: (line: number) => SourceRecord): void => {
    found.push({ place, record: record(found.length + 1) })
  }
  if (hasUntagged) addTasks(undefined, untagged, statuses, add)
  for (const [tag, list] of Object.entries(json)) {
    if (isTaskList(list)) addTasks(tag === mainTag && !hasUntagged ? undefined : tag, list.tasks, statuses, add)
    // Next to a list without a tag there are other things, such as the name of the project.
    else if (!isEmpty(list) && !hasUntagged) {
      add(`key ${JSON.stringify(tag)}`, (line) => ({ _tag: "Malformed", line, problem: "it is not a list of tasks" }))
    }
  }
  return Result.succeed(found)
}

/** Whether a value is a list of tasks with a tag. */
const isTaskList = (list: unknown): list is { readonly tasks: ReadonlyArray<unknown> } =>
  isObject(list) && Array.isArray(list["tasks"])

const addTasks = (
  tag: string | undefined,
  tasks: ReadonlyArray<unknown>,
  statuses: StatusMap,
  add: (place: string, record: (line: number) => SourceRecord) => void
): void => {
  const scope: Scope = {
    tag,
    statuses,
    topLevel: new Set(tasks.map(idOf).filter((id) => id !== undefined))
  }
  const where = tag === undefined ? "" : ` of the list ${JSON.stringify(tag)}`
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
    const heldReason = parent?.heldReason ?? heldReasonOf(task, id === undefined ? place : nameIn(tag, id), statuses)
    const parts = new Set(subtasks.map(idOf).filter((each) => each !== undefined))
    const visits = subtasks.map((subtask: unknown, index): Visit => {
      const part = idOf(subtask)
      return {
        task: subtask,
        place:
          id === undefined || part === undefined
            ? `subtask number ${index + 1} of ${place}`
            : placeOf(idUnder(id, part), index),
        parent: id === undefined ? undefined : { id, parts, priority, heldReason }
      }
    })
    for (let index = visits.length - 1; index >= 0; index--) {
      const next = visits[index]
      if (next !== undefined) stack.push(next)
    }
  }
}

/** Why task-master does not offer the subtasks of a task: it is done, or waits for a decision. */
const heldReasonOf = (task: unknown, id: string, statuses: StatusMap): string | undefined => {
  const word = isObject(task) && typeof task["status"] === "string" ? task["status"] : "pending"
  const status = parseStatus(word, statuses)
  return "problem" in status || status.status === "ready"
    ? undefined
    : `Task ${quoteShortened(id)}, of which it is a part, has the status ${quoteShortened(word)} in the source.`
}

/** What the tasks of one list have in common. */
interface Scope {
  /** The list's tag, where its tasks carry it. */
  readonly tag: string | undefined
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
  const named = (local: string): string => nameIn(scope.tag, local)
  const id = named(idUnder(parent?.id, String(task.id)))
  return {
    id,
    status: word,
    card: {
      id,
      title: task.title,
      body: joinSections(task.description, { Details: task.details }),
      phase: scope.tag ?? null,
      labels: scope.tag === undefined ? [] : [scope.tag],
      priority: "priority" in priority ? priority.priority : 0,
      acceptance: isEmpty(task.acceptanceCriteria)
        ? joinSections(task.testStrategy, {})
        : joinSections(task.acceptanceCriteria, { "Test strategy": task.testStrategy }),
      ...("problem" in status
        ? {}
        : status.status === "ready" && parent?.heldReason !== undefined
          ? { status: "blocked", blockedReason: parent.heldReason }
          : status)
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

/** The id of a card: that of the task, with the list's tag. */
const nameIn = (tag: string | undefined, id: string): string => (tag === undefined ? id : `${tag}/${id}`)

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
