import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { cli, json } from "./support.ts"

const scriptFor = async (shell: string): Promise<string> => {
  const { code, stderr, stdout } = await cli(["--completions", shell])
  assert.deepStrictEqual([code, stderr], [0, ""])
  return stdout
}

/** Returns bash's completions of the last word, in a folder with one file and one folder. */
const offered = async (lines: ReadonlyArray<ReadonlyArray<string>>): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const folder = await mkdtemp(join(tmpdir(), "backlog-bash-"))
  try {
    await writeFile(join(folder, "notes.jsonl"), "")
    await writeFile(join(folder, "completions.bash"), await scriptFor("bash"))
    const asked = lines.map((words) =>
      [
        `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})`,
        `COMP_CWORD=${words.length - 1}`,
        `COMP_LINE='${words.join(" ")}'`,
        "COMP_POINT=${#COMP_LINE}",
        "COMPREPLY=()",
        `"$complete" backlog '${words.at(-1)}' '${words.at(-2)}' 2>/dev/null`,
        'printf "%s\\n" "${COMPREPLY[*]}"'
      ].join("\n")
    )
    const { stdout } = await promisify(execFile)(
      "bash",
      [
        "--norc",
        "-c",
        [
          "compopt() { :; }",
          "source ./completions.bash",
          "complete=$(complete -p backlog | sed -E 's/.*-F ([^ ]+).*/\\1/')",
          ...asked
        ].join("\n")
      ],
      { cwd: folder, env: { PATH: process.env["PATH"] } }
    )
    return stdout
      .split("\n")
      .slice(0, lines.length)
      .map((line) => line.split(" ").filter((word) => word !== ""))
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe("completions", () => {
  it("bash completes commands, flags and their values", async () => {
    const [commands, flags, formats, statuses, files] = await offered([
      ["backlog", "re"],
      ["backlog", "list", "--"],
      ["backlog", "import", "--format", ""],
      ["backlog", "create", "--status", "b"],
      ["backlog", "import", "not"]
    ])
    assert.includeMembers(
      [...(commands ?? [])],
      ["revise", "renew", "release", "reclaim", "reopen", "rebuild", "redact"]
    )
    assert.notInclude([...(commands ?? [])], "list")
    assert.includeMembers([...(flags ?? [])], ["--status", "--ready", "--at", "--db", "--schema", "--json", "--help"])
    assert.includeMembers([...(formats ?? [])], ["beads", "table", "task-master", "backlog-md", "log"])
    assert.deepStrictEqual(statuses, ["blocked"])
    assert.deepStrictEqual(files, ["notes.jsonl"])
  })

  it.each<[string, RegExp]>([
    ["zsh", /^#compdef backlog/],
    ["fish", /complete -c backlog/],
    ["powershell", /Register-ArgumentCompleter/]
  ])("the script for %s has the same commands and flags", async (shell, begins) => {
    const script = await scriptFor(shell)
    assert.match(script, begins)
    for (const word of ["reclaim", "map-status", "schema", "task-master"]) assert.include(script, word)
  })

  it("--json prints the script in one document", async () => {
    const { code, data } = await json(["--completions", "fish"])
    assert.deepStrictEqual([code, data.shell, `${data.script.trimEnd()}\n`], [0, "fish", await scriptFor("fish")])
  })

  it("an unknown shell is refused with the list of known ones", async () => {
    const { code, error } = await json(["--completions", "tcsh"])
    assert.strictEqual(code, 2)
    assert.include(error.message, "fish")
  })
})
