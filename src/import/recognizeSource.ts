import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import type { ImportFormat } from "./Source.ts"

/** A format of a file or folder: another tracker's, or an exported log. */
export type InputFormat = Exclude<ImportFormat, "table"> | "log"

/** What an input is, as far as its beginning shows. */
export type Recognized =
  | { readonly _tag: "Format"; readonly format: InputFormat }
  /** No format takes it. `what` completes "it is …", and `advice` says what to do. */
  | { readonly _tag: "Unusable"; readonly what: string; readonly advice: string }
  | { readonly _tag: "Unknown" }

/** How many bytes of a file are enough to recognize it. */
export const recognizedBytes = 64 * 1024

const format = (of: InputFormat): Recognized => ({ _tag: "Format", format: of })
const unusable = (what: string, advice: string): Recognized => ({ _tag: "Unusable", what, advice })
const unknown: Recognized = { _tag: "Unknown" }

/** The first bytes of files that are not text, in hexadecimal. */
const signatures: ReadonlyArray<readonly [hex: string, what: string, advice: string]> = [
  ["504b0304", "a zip archive", "Unpack it first"],
  ["504b0506", "a zip archive", "Unpack it first"],
  ["1f8b", "compressed with gzip", "Unpack it first: gunzip"],
  ["28b52ffd", "compressed with zstd", "Unpack it first: unzstd"],
  ["fd377a585a", "compressed with xz", "Unpack it first: unxz"],
  ["425a68", "compressed with bzip2", "Unpack it first: bunzip2"],
  ["377abcaf271c", "a 7z archive", "Unpack it first"],
  ["53514c69746520666f726d6174203300", "an SQLite database", "beads exports its issues with bd export"],
  ["255044462d", "a PDF", "Export the issues as text"],
  ["5047444d50", "a dump of pg_dump", "Restore it to a server, and import the table from there"]
]

/** Recognizes a file by its first bytes. `isWhole` says whether they are the whole file. */
export const recognizeBytes = (bytes: Uint8Array, isWhole: boolean): Recognized => {
  if (bytes.length === 0) return unusable("empty", "Name a file that has issues")
  const utf = findUtf(bytes)
  if (utf !== undefined) return unusable(`${utf} text`, `Convert it to UTF-8: iconv -f ${utf} -t UTF-8`)
  const hex = Buffer.from(bytes.subarray(0, 16)).toString("hex")
  for (const [start, what, advice] of signatures) if (hex.startsWith(start)) return unusable(what, advice)
  if (bytes.includes(0)) return unusable("a binary file", "Export the issues as text")
  return recognizeText(new TextDecoder().decode(bytes), isWhole)
}

/** Finds UTF-16 and UTF-32, with or without a byte order mark. */
const findUtf = (bytes: Uint8Array): string | undefined => {
  const [first = -1, second = -1, third = -1, fourth = -1] = bytes
  if (first === 0xff && second === 0xfe) return third === 0 && fourth === 0 ? "UTF-32" : "UTF-16"
  if (first === 0xfe && second === 0xff) return "UTF-16"
  if (first === 0 && second === 0 && third === 0xfe && fourth === 0xff) return "UTF-32"
  // Every format begins with characters of ASCII, of which UTF-16 has one in two bytes.
  if (first === 0 && second !== 0 && third === 0 && fourth !== 0) return "UTF-16BE"
  if (first > 0 && second === 0 && third > 0 && fourth === 0) return "UTF-16LE"
  return undefined
}

/** Maximum characters of a line with the names of columns. */
const maxHeaderLength = 1_000

/** How many lines of a file are read to recognize it. */
const recognizedLines = 50

const recognizeText = (text: string, isWhole: boolean): Recognized => {
  const lines = text.split("\n")
  // The last one may be truncated.
  const complete = (isWhole ? lines : lines.slice(0, -1)).slice(0, recognizedLines)
  for (const line of complete) {
    const found = recognizeLine(line)
    if (found !== undefined) return format(found)
  }
  const start = text.trimStart()
  if (start === "") return isWhole ? unusable("empty", "Name a file that has issues") : unknown
  if (start.startsWith("{")) {
    if (/^\{\s*(?:"(?:[^"\\]|\\.)*"\s*:\s*\{\s*)?"tasks"\s*:\s*\[/.test(start)) return format("task-master")
    if (/^\{\s*"format"\s*:\s*"mosaic-backlog-log"/.test(start)) return format("log")
    // A line that is longer than what was read.
    if (complete.length === 0) return /"(?:issue_type|created_at)"\s*:/.test(start) ? format("beads") : unknown
    if (/^\{\s*\n/.test(start)) {
      return /^[ \t]*"tasks"[ \t]*:[ \t]*\[/m.test(start)
        ? format("task-master")
        : unusable(
            "one JSON object without a list of tasks",
            'beads has one issue on each line, task-master a list "tasks"'
          )
    }
  }
  if (start.startsWith("[")) {
    return unusable("one JSON array", "beads has one issue on each line, which bd export writes, or jq -c '.[]'")
  }
  if (/^---\s*\n/.test(start)) return unusable("one task file of Backlog.md", "Name the folder that contains it")
  if (start.startsWith("<")) return unusable("HTML or XML", "Export the issues in another format")
  const header = start.slice(0, maxHeaderLength).split("\n")[0] ?? ""
  if (/^[^{[]*\b(?:id|key|title|summary)\b[^{[]*$/i.test(header) && /[^,;\t]+([,;\t])[^,;\t]+\1/.test(header)) {
    return unusable("a table of text such as CSV", "Load it into a table of Postgres, and use --format table")
  }
  return unknown
}

/** The format of a line that is a JSON object. */
const recognizeLine = (line: string): InputFormat | undefined => {
  const json = parseObject(line)
  if (json === undefined) return undefined
  if (json["format"] === "mosaic-backlog-log") return "log"
  if ([json, ...Object.values(json)].some((list) => isObject(list) && Array.isArray(list["tasks"])))
    return "task-master"
  const isBeads =
    typeof json["_schema"] === "string" ||
    ["issue", "memory"].includes(String(json["_type"])) ||
    ["title", "status", "priority"].every((name) => name in json)
  return isBeads ? "beads" : undefined
}

const parseObject = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const json: unknown = JSON.parse(line.replace(/^\ufeff/, ""))
    return isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Recognizes a folder by what is in it. */
export const recognizeFolder = async (folder: string): Promise<Recognized> => {
  const entries = await readdir(folder, { withFileTypes: true })
  if (entries.some(({ name }) => name === "PG_VERSION")) {
    return unusable("the directory of a database", "Use --db with it, and backlog export to move a backlog")
  }
  const isBacklogMd = entries.some((entry) => entry.isDirectory() && ["tasks", "completed"].includes(entry.name))
  for (const [path, what] of pathsInside) {
    if (isBacklogMd && path !== tasksFile) continue
    if (await exists(join(folder, path))) return unusable(what, `Name ${path.replace(/\/tasks$/, "")} in it`)
  }
  return isBacklogMd || entries.some(({ name }) => name.endsWith(".md"))
    ? format("backlog-md")
    : unusable("a folder without task files", "Name the file of beads or task-master, or the folder of Backlog.md")
}

/** Where task-master keeps its tasks. Its folder has a folder `tasks`, as that of Backlog.md has. */
const tasksFile = "tasks/tasks.json"

/** Paths of other trackers in folders that could be named instead of them. */
const pathsInside: ReadonlyArray<readonly [path: string, what: string]> = [
  [tasksFile, "the folder of task-master"],
  ["tasks.json", "the folder of task-master"],
  [`.taskmaster/${tasksFile}`, "a project with task-master"],
  ["issues.jsonl", "the folder of beads"],
  [".beads/issues.jsonl", "a project with beads"],
  ["backlog/tasks", "a project with Backlog.md"],
  [".backlog/tasks", "a project with Backlog.md"]
]

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false
  )
