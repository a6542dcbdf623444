import { execFile, spawnSync } from "node:child_process"
import { randomInt } from "node:crypto"
import { symlink } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { read, textsOn } from "./support/pages.ts"

const dist = join(import.meta.dirname, "..", "..", "dist")

/*
 * The shell runs the lines unchanged in a new folder, with three differences: the program is already built, so `npm start`
 * only starts it; the port is free; and the folder contains an empty database, because creating one takes seconds.
 */
describe("the ten lines of README.md", () => {
  const [lines = ""] = textsOn("README.md", "sh", "A worker and an agent")

  it("the lines start a server, a worker and an agent, which claim a card each", async (context) => {
    if (spawnSync("curl", ["--version"]).status !== 0)
      context.skip("there is no curl here, which the second line needs")
    expect(lines.trimEnd().split("\n").length).toBe(10)
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }
    const [, serve = ""] = /^npm run build && (node .*)$/.exec(scripts["start"] ?? "") ?? []

    const folder = await folderWithBacklog()
    await symlink(dist, join(folder, "dist"))
    const port = String(randomInt(10_000, 30_000))
    const script = lines
      .replace("npm start &", `${serve} --port ${port} &`)
      .replace("until curl", "server=$!\nuntil curl")
      .replaceAll(":4010", `:${port}`)
    const { stderr, stdout } = await promisify(execFile)(
      "sh",
      ["-euc", `trap 'exit 1' TERM; trap 'kill $server; wait $server' EXIT\n${script}`],
      { cwd: folder, env: { PATH: process.env["PATH"], USER: process.env["USER"] }, timeout: 110_000 }
    )

    expect(stdout).toContain(`Listening on http://127.0.0.1:${port}\n`)
    expect(stderr).toContain("design  claimed, attempt 1\ndesign  completed, now claimable: build\n")
    const answer = stdout.split("\n").find((line) => line.includes('"id":2')) ?? "{}"
    const { result } = JSON.parse(answer) as { readonly result: { readonly content: ReadonlyArray<{ text: string }> } }
    const [said = ""] = result.content[0]?.text.split("\n") ?? []
    expect(read("README.md")).toContain(`begins with \`${said}\``)
    expect(stderr).toContain("The server has ended.")
  })
})
