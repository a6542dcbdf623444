import { Effect, Layer, Stream } from "effect"
import { type InitialStatus, normalizeWord, type StatusMap } from "../import/fields.ts"
import { readBacklogMd } from "../import/readBacklogMd.ts"
import { readBeads } from "../import/readBeads.ts"
import { parseTableName, readTable } from "../import/readTable.ts"
import { readTaskMaster } from "../import/readTaskMaster.ts"
import type { InputFormat } from "../import/recognizeSource.ts"
import { type Source, SourceUnreadable } from "../import/Source.ts"
import { InvalidInput } from "../index.ts"
import { makeServerClient } from "./database.ts"
import { toDatabaseError } from "./databaseErrors.ts"
import { type ImportInput, openInput } from "./importInput.ts"
import { cannotBeRead, readText } from "./readInput.ts"

/** Maximum size of `tasks.json` in bytes. */
const maxTasksFileBytes = 64 * 1024 * 1024

/** The flags that select the source of an import. */
export interface ImportFlags {
  readonly file: string | undefined
  readonly from: string | undefined
  readonly table: string | undefined
  readonly mapStatus: ReadonlyArray<string>
}

/** Selects the source: a table, or the input with its format, which the content shows unless it is given. */
export const selectSource = Effect.fnUntraced(function* (given: InputFormat | "table" | undefined, flags: ImportFlags) {
  const { file, from, table } = flags
  const hasTable = from !== undefined || table !== undefined
  if (given === "table" || (given === undefined && file === undefined && hasTable)) return "table"
  if (hasTable) return yield* new InvalidInput({ problem: "--from and --table require --format table" })
  if (file === undefined) {
    return yield* new InvalidInput({ problem: `the source is missing: give ${missingSource[given ?? "beads"]}` })
  }
  return yield* openInput(file, given)
})

/** Opens the selected source until the scope is closed. */
export const openSource = Effect.fnUntraced(function* (input: ImportInput | "table", flags: ImportFlags) {
  const statuses = yield* parseStatusMap(input === "table" ? input : input.format, flags.mapStatus)
  if (input === "table") return yield* openTable(flags, statuses)
  const { file, name, open } = input
  switch (input.format) {
    case "beads":
      return yield* Effect.tryPromise({ try: () => readBeads(open(), name), catch: cannotBeRead(file) })
    case "task-master": {
      const text = yield* readText(JSON.stringify(file), open, maxTasksFileBytes)
      return yield* asInvalidInput(readTaskMaster(text, name, statuses))
    }
    case "log":
      return yield* new InvalidInput({ problem: "a log has no issues of another tracker" })
    case "backlog-md":
      return yield* asInvalidInput(readBacklogMd(file, name, statuses))
  }
})

const missingSource: Readonly<Record<InputFormat, string>> = {
  beads: "a FILE, or - for standard input",
  "task-master": "a FILE, or - for standard input",
  "backlog-md": "the FOLDER that contains the tasks of Backlog.md",
  log: "the FILE of the log, or - for standard input"
}

const asInvalidInput = <A, E, R>(effect: Effect.Effect<A, E | SourceUnreadable, R>) =>
  Effect.catchIf(
    effect,
    (error): error is SourceUnreadable & typeof error => error instanceof SourceUnreadable,
    ({ problem }) => Effect.fail(new InvalidInput({ problem }))
  )

const openTable = Effect.fnUntraced(function* ({ file, from, table }: ImportFlags, statuses: StatusMap) {
  if (from === undefined || table === undefined || file !== undefined) {
    return yield* new InvalidInput({ problem: "--format table takes --from URL and --table NAME, and no FILE" })
  }
  const name = parseTableName(table)
  if (name === undefined) {
    return yield* new InvalidInput({
      problem: `--table ${JSON.stringify(table.slice(0, 200))} is not a table name: use tasks, public.tasks or "a name".tasks`
    })
  }
  const server = yield* makeServerClient("--from", from)
  const trouble = <E>(error: E) => toDatabaseError(error, server.name)
  const source = yield* asInvalidInput(
    Effect.mapError(
      Effect.flatMap(Layer.build(server.layer), (client) =>
        Effect.provide(readTable(name, server.name, statuses), client)
      ),
      trouble
    )
  )
  return { ...source, records: Stream.mapError(source.records, trouble) } satisfies Source<unknown>
})

const initialStatuses: ReadonlySet<string> = new Set(["ready", "blocked", "done"])

/** Parses `--map-status`: `Review=blocked` maps the status `review` to blocked. */
const parseStatusMap = (
  format: InputFormat | "table",
  given: ReadonlyArray<string>
): Effect.Effect<StatusMap, InvalidInput> => {
  if (given.length > 0 && format === "beads") {
    return Effect.fail(new InvalidInput({ problem: "--map-status does not apply to --format beads" }))
  }
  const map = new Map<string, InitialStatus>()
  for (const entry of given) {
    const at = entry.lastIndexOf("=")
    const [word, status] = [normalizeWord(entry.slice(0, Math.max(0, at))), entry.slice(at + 1).trim()]
    if (word === "" || !initialStatuses.has(status)) {
      return Effect.fail(
        new InvalidInput({
          problem: `--map-status takes WORD=ready, WORD=blocked or WORD=done, not ${JSON.stringify(entry.slice(0, 200))}`
        })
      )
    }
    map.set(word, status as InitialStatus)
  }
  return Effect.succeed(map)
}
