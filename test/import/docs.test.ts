import { assert, afterAll, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { inject } from "vitest"
import { cli, onServer, sql, temporaryDirectory } from "../cli/support.ts"

const page = new URL("../../docs/import.md", import.meta.url)

const place = onServer()
const old = `app_${randomBytes(6).toString("hex")}`

afterAll(async () => {
  await place.remove()
  await sql((client) => client`DROP SCHEMA IF EXISTS ${client(old)} CASCADE`)
})

/** The code blocks of the page: kind, name and text. */
const blocksOf = (markdown: string) =>
  Array.from(markdown.matchAll(/^```(\w+) ?([^\n]*)\n([^]*?)^```$/gm), ([, kind = "", name = "", text = ""]) => ({
    kind,
    name,
    text
  }))

/** Splits a command line into words, with quotes as in a shell. */
const wordsOf = (command: string): ReadonlyArray<string> =>
  Array.from(
    command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g),
    ([, single, double, bare]) => single ?? double ?? bare ?? ""
  )

it("the commands of docs/import.md have the output that the page shows", async () => {
  const folder = await temporaryDirectory()
  const url = inject("postgresUrl")
  const there = (text: string) =>
    text.replaceAll("postgres://me@old.example.com/app", url).replaceAll("app.tasks", `${old}.tasks`)
  const here = (text: string) =>
    text
      .replaceAll(new URL(url).host, "old.example.com:5432")
      .replaceAll(`${old}.tasks`, "app.tasks")
      .replaceAll(`${folder}/`, "")
  let commands = 0
  await cli(["migrate", ...place.flags])
  await sql((client) => client`CREATE SCHEMA ${client(old)}`)
  for (const { kind, name, text } of blocksOf(await readFile(page, "utf8"))) {
    if (name !== "") {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), text)
    } else if (kind === "sql") {
      for (const statement of there(text).split(/;\n/)) {
        if (statement.trim() !== "") await sql((client) => client.unsafe(statement))
      }
    } else if (kind === "console") {
      for (const shown of text.split(/^\$ /m).filter((part) => part !== "")) {
        const [command = "", ...output] = shown.trimEnd().split("\n")
        const words = wordsOf(there(command.replace(/^backlog /, "")))
        const files = /^(tasks\.json|issues\.jsonl|backlog)$/
        const argv = words.map((word, index) => (index > 0 && files.test(word) ? join(folder, word) : word))
        const ran = await cli([...place.flags, ...argv])
        assert.strictEqual(ran.code, 0, ran.stderr)
        const printed = here(`${ran.stdout}${ran.stderr}`).trimEnd().split("\n")
        assert.deepStrictEqual(
          printed.map((line) => line.trimEnd()),
          output,
          command
        )
        commands++
      }
    }
  }
  assert.isAtLeast(commands, 7)
})
