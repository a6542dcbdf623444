import { execFile } from "node:child_process"
import { randomInt } from "node:crypto"
import { existsSync } from "node:fs"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, describe, expect, inject, it, vi } from "vitest"
import { toolsets } from "../../src/mcp/layerTools.ts"
import { cli, onServer, temporaryDirectory } from "../cli/support.ts"
import { exampleOf } from "./support/examples.ts"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { read, textsOn } from "./support/pages.ts"
import { Shell } from "./support/Shell.ts"

const page = "llms.txt"
const program = join(import.meta.dirname, "..", "..", "dist", "cli", "main.js")

interface Document {
  readonly data: Readonly<Record<string, unknown>>
}

describe("llms.txt", () => {
  const place = onServer()
  afterAll(() => place.remove())

  // On a server, because thirty processes would each open a directory.
  it("the commands work in their order in bash, and each prints one document", async () => {
    const folder = await temporaryDirectory()
    await mkdir(join(folder, "bin"))
    await writeFile(join(folder, "bin", "backlog"), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
    await chmod(join(folder, "bin", "backlog"), 0o755)
    const port = String(randomInt(10_000, 30_000))
    const script = textsOn(page, "sh").join("\n").replaceAll("4010", port)
    const { stdout } = await promisify(execFile)("bash", ["--norc", "-euo", "pipefail", "-c", script], {
      cwd: folder,
      env: {
        PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
        HOME: folder,
        BACKLOG_ACTOR: "me",
        BACKLOG_DATABASE_URL: inject("postgresUrl"),
        BACKLOG_SCHEMA: place.schema
      },
      timeout: 290_000
    })
    const documents = stdout
      .split("\n")
      .filter((line) => line.startsWith('{"schemaVersion":1,"data":'))
      .map((line) => JSON.parse(line) as Document)
    expect(stdout).not.toContain('"error"')
    expect(documents.find(({ data }) => "madeClaimable" in data)?.data).toMatchObject({
      id: "design",
      result: { pages: 2 },
      madeClaimable: ["build"]
    })
    expect(documents.find(({ data }) => "divergenceCount" in data)?.data["divergenceCount"]).toBe(0)
    const manuals = documents.filter(({ data }) => data["title"] === "Write the manual")
    expect(manuals.length).toBe(2)
    expect(manuals[1]).toEqual(manuals[0])
  }, 300_000)

  it("the program works, and is the file that is run here", async () => {
    expect(textsOn(page, "ts")).toEqual([exampleOf("llms.ts")])
    const shell = new Shell({ folder: await folderWithBacklog() })
    const printed = vi.spyOn(console, "log").mockImplementation(() => {})
    try {
      await import("./examples/llms.ts")
      await vi.waitUntil(() => printed.mock.calls.length > 0, { timeout: 60_000 })
      expect(printed.mock.calls).toEqual([[[]]])
      const [shown] = await shell.runs("backlog show design --json")
      expect((JSON.parse(shown?.stdout ?? "") as Document).data).toMatchObject({ status: "done", result: { pages: 2 } })
    } finally {
      printed.mockRestore()
      await shell.end()
    }
  })

  it("the configuration starts an agent's server, and the tools that the page names are all tools", async () => {
    const [text = ""] = textsOn(page, "json")
    const { mcpServers } = JSON.parse(text) as {
      readonly mcpServers: { readonly backlog: { readonly args: ReadonlyArray<string> } }
    }
    const { args } = mcpServers.backlog
    expect(args.slice(0, 3)).toEqual(["--no", "--package=mosaic-backlog", "backlog"])
    const folder = await folderWithBacklog()
    const stdin = `${JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "me", version: "1" } }
    })}\n`
    const { code, stdout } = await cli(args.slice(3), {
      env: { BACKLOG_DATABASE_URL: join(folder, ".backlog") },
      stdin
    })
    expect([code, stdout]).toEqual([0, expect.stringContaining('"serverInfo"')])
    const named = new Set(Array.from(read(page).matchAll(/`(backlog_\w+)`/g), ([, name = ""]) => name))
    expect(named).toEqual(new Set(Object.values(toolsets).flatMap((tools) => tools.map(({ tool }) => tool.name))))
  })

  it("every page that it names exists", () => {
    const links = Array.from(read(page).matchAll(/\]\(([^)]+)\)/g), ([, link = ""]) => link)
    expect(links.length).toBeGreaterThan(10)
    expect(links.filter((link) => !existsSync(join(import.meta.dirname, "../..", link)))).toEqual([])
  })
})
