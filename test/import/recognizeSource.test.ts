import { assert, describe, it } from "@effect/vitest"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { recognizeBytes, recognizeFolder } from "../../src/import/recognizeSource.ts"
import { temporaryDirectory } from "../cli/support.ts"

/** The format, or what the content is if no format takes it. */
const recognized = (input: string | Uint8Array, isWhole = true) => {
  const found = recognizeBytes(Buffer.from(input), isWhole)
  return found._tag === "Format" ? found.format : found._tag === "Unusable" ? `it is ${found.what}` : "unknown"
}

const issue = '{"id":"a","title":"A","status":"open","priority":1}'
const task = { tasks: [{ id: 1, title: "T" }] }
const header = '{"format":"mosaic-backlog-log","formatVersion":1,"position":0,"chainHash":"00"}'

describe("the beginning of a file", () => {
  it.each<[string, string | Uint8Array, string]>([
    ["an issue", issue, "beads"],
    ["a byte order mark and an issue", `\ufeff${issue}\n`, "beads"],
    ["a broken line before an issue", `{"id":\n[1]\n\n${issue}`, "beads"],
    ["a header of beads", '{"_schema":"beads-jsonl/1"}\n', "beads"],
    ["tasks on one line", JSON.stringify(task), "task-master"],
    ["tagged tasks on one line", JSON.stringify({ master: task }), "task-master"],
    ["tasks on many lines", JSON.stringify(task, undefined, 2), "task-master"],
    ["tagged tasks on many lines", JSON.stringify({ 'a "b"': task }, undefined, 2), "task-master"],
    ["tasks after other keys", JSON.stringify({ meta: { name: "P" }, ...task }, undefined, 2), "task-master"],
    ["a log", `${header}\n{}`, "log"],
    ["an array", `[${issue}]`, "it is one JSON array"],
    ["another object", JSON.stringify({ issues: [] }, undefined, 2), "it is one JSON object without a list of tasks"],
    ["front matter", "---\r\nid: TASK-1\r\n---\r\n", "it is one task file of Backlog.md"],
    ["XML", '<?xml version="1.0"?>', "it is HTML or XML"],
    ["CSV", "Issue,Title,Status\n1,A,open", "it is a table of text such as CSV"],
    ["spaces", " \n\n", "it is empty"],
    ["words", "one two three", "unknown"],
    ["an object of another kind", "{}", "unknown"],
    ["UTF-16, big-endian", Buffer.from(`\ufeff${issue}`, "utf16le").swap16(), "it is UTF-16 text"],
    ["gzip", Buffer.from("1f8b0800", "hex"), "it is compressed with gzip"],
    ["SQLite", "SQLite format 3\0", "it is an SQLite database"],
    ["bytes", Buffer.from([1, 2, 3, 0, 4]), "it is a binary file"]
  ])("%s is recognized", (_, input, expected) => {
    assert.strictEqual(recognized(input), expected)
  })

  it.each([
    [`{"id":"a","description":"${"x".repeat(99)}","created_at":"`, "beads"],
    [`{"master":{"tasks":[{"id":1,"title":"${"x".repeat(99)}`, "task-master"],
    [`{"key":"${"x".repeat(99)}`, "unknown"]
  ])("a line that is longer than what is read is recognized: %s", (text, expected) => {
    assert.strictEqual(recognized(text, false), expected)
  })

  it.each([
    ["sample.beads.jsonl", "beads"],
    ["tasks.json", "task-master"]
  ])("%s is recognized", async (name, expected) => {
    assert.strictEqual(recognized(await readFile(new URL(`fixtures/${name}`, import.meta.url))), expected)
  })
})

describe("a folder", () => {
  const advised = async (files: Readonly<Record<string, string>>) => {
    const folder = await temporaryDirectory()
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    const found = await recognizeFolder(folder)
    return found._tag === "Unusable" ? found.advice : found._tag === "Format" ? found.format : "unknown"
  }

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ["of Backlog.md", { "tasks/task-1 - A.md": "", "issues.jsonl": "" }, "backlog-md"],
    ["of task files", { "task-1 - A.md": "" }, "backlog-md"],
    ["of task-master", { "tasks/tasks.json": "{}" }, "Name tasks/tasks.json in it"],
    [
      "with task-master",
      { ".taskmaster/tasks/tasks.json": "{}", "README.md": "" },
      "Name .taskmaster/tasks/tasks.json in it"
    ],
    ["of beads", { "issues.jsonl": "", "README.md": "" }, "Name issues.jsonl in it"],
    ["with beads", { ".beads/issues.jsonl": "" }, "Name .beads/issues.jsonl in it"],
    ["with Backlog.md", { "backlog/tasks/task-1 - A.md": "", "README.md": "" }, "Name backlog in it"],
    ["of a database", { PG_VERSION: "18", "tasks/x": "" }, "Use --db with it, and backlog export to move a backlog"],
    ["of other things", { "a.txt": "" }, "Name the file of beads or task-master, or the folder of Backlog.md"]
  ])("a folder %s is recognized", async (_, files, expected) => {
    assert.strictEqual(await advised(files), expected)
  })

  it("the fixture of Backlog.md is recognized", async () => {
    const folder = fileURLToPath(new URL("fixtures/backlog-md", import.meta.url))
    assert.deepStrictEqual(await recognizeFolder(folder), { _tag: "Format", format: "backlog-md" })
  })
})
