import { Effect, Result } from "effect"
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { matchSpelling, decodeTask, splitTaskFile } from "./backlogMd.ts"
import { describeSchemaError } from "./inOneLine.ts"
import type { Issue, Source } from "./Source.ts"
import { makeSource } from "./sourceOf.ts"
import { SourceUnreadable } from "./SourceUnreadable.ts"
import type { StatusMap } from "./fields.ts"

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
