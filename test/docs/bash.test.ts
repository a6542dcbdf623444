import { execFile } from "node:child_process"
import { randomInt } from "node:crypto"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { textsOn } from "./support/pages.ts"

const program = join(import.meta.dirname, "..", "..", "dist", "cli", "main.js")

/** The only block of a page that contains a text. */
const blockWith = (page: string, words: string): string => {
  const found = textsOn(page, "sh").filter((text) => text.includes(words))
  expect([page, words, found.length]).toEqual([page, words, 1])
  return found[0] ?? ""
}

/**
 * Runs lines in bash, between those of `before` and `after`, in a new folder with a backlog that is served. The lines are
 * unchanged, except that the address of the page is that of the server.
 */
const runInBash = async (block: string, address: string, { before = "", after = "", flags = "" } = {}) => {
  const folder = await folderWithBacklog()
  await mkdir(join(folder, "bin"))
  await writeFile(join(folder, "bin", "backlog"), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
  await chmod(join(folder, "bin", "backlog"), 0o755)
  const url = `http://127.0.0.1:${randomInt(10_000, 30_000)}`
  const script = [
    `backlog serve --port ${new URL(url).port} ${flags} >/dev/null 2>&1 & server=$!`,
    "trap 'kill $server; wait $server' EXIT",
    `until curl -sf ${url}/healthz >/dev/null; do sleep 0.1; kill -0 $server; done`,
    before,
    block.replaceAll(address, url),
    after
  ].join("\n")
  const env = { PATH: `${join(folder, "bin")}:${process.env["PATH"]}`, HOME: folder, BACKLOG_ACTOR: "me" }
  return promisify(execFile)("bash", ["--norc", "-euo", "pipefail", "-c", script], {
    cwd: folder,
    env,
    timeout: 110_000
  })
}

describe("the pages in bash", () => {
  it("TOKEN=$(backlog token create …) of docs/security.md is a token that curl can send", async () => {
    const block = blockWith("docs/security.md", "TOKEN=$(backlog token create")
    const { stderr, stdout } = await runInBash(block, "http://127.0.0.1:4010", {
      flags: "--require-tokens",
      after: 'printf "TOKEN=<%s>\\n" "$TOKEN"'
    })
    expect(stdout).toMatch(/TOKEN=<mbk_\w+>\n/)
    expect(stdout).toContain('"counts":')
    expect(stdout).not.toContain("Unauthorized")
    expect(stderr).toMatch(/Token \w+ of the worker w1/)
  })

  it("the commands of docs/command-line.md work over a served backlog with a token from a file", async () => {
    const block = blockWith("docs/command-line.md", "export BACKLOG_TOKEN=")
    const { stderr, stdout } = await runInBash(block, "https://backlog.example.com", {
      before: [
        "mkdir -p ~/.config",
        'backlog create --id a --title "Made by a shell" >/dev/null',
        "backlog token create --actor worker-1 --role worker > ~/.config/backlog-token",
        "unset BACKLOG_ACTOR"
      ].join("\n"),
      flags: "--require-tokens"
    })
    expect(stdout).toContain("Made by a shell")
    expect(stdout).toContain("Claimed 1: 1 completed.")
    expect(stderr).toContain("a  completed")
  })

  it("the commands of docs/troubleshooting.md store texts exactly", async () => {
    const block = blockWith("docs/troubleshooting.md", "<<'END'")
    const { stdout } = await runInBash(block, "http://127.0.0.1:4010", {
      after: "backlog show report --json"
    })
    expect(stdout).toContain(String.raw`Keep \`$HOME\` and \"quotes\" as they are.\n`.replaceAll("\\`", "`"))
    expect(stdout).toContain(`{"tests":["it's green"]}`)
    expect(stdout).toContain("Costs $5.")
    expect(stdout).toContain("An id with a dash")
  })
})
