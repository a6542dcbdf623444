import { chmod, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import { afterAll, describe, expect, inject, it, vi } from "vitest"
import { cli, onServer, temporaryDirectory } from "../cli/support.ts"
import { exampleOf } from "./support/examples.ts"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { textsOn } from "./support/pages.ts"
import { Shell } from "./support/Shell.ts"

describe("README.md", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("the program prints what the page shows", async () => {
    expect(textsOn("README.md", "ts", "In a program")).toEqual([exampleOf("readme.ts")])
    const folder = await folderWithBacklog()
    const shell = new Shell({ folder })
    const printed = vi.spyOn(console, "log").mockImplementation(() => {})
    try {
      await import("./examples/readme.ts")
      await vi.waitUntil(() => printed.mock.calls.length > 0, { timeout: 60_000 })
      expect(printed.mock.calls.map(([what]) => `console.log(done.madeClaimable) // ${inspect(what)}`)).toEqual(
        exampleOf("readme.ts").match(/console\.log.*/g)
      )
      const [shown] = await shell.runs("backlog show design")
      expect(shown?.stdout).toContain("done")
    } finally {
      printed.mockRestore()
      await shell.end()
    }
  })

  it("the commands work in their order", async () => {
    const folder = await temporaryDirectory()
    await writeFile(join(folder, "build.sh"), '#!/bin/sh\necho "$1 is built"\n')
    await chmod(join(folder, "build.sh"), 0o755)
    const flags = ["--schema", place.schema]
    const shell = new Shell({ folder, flags, env: { BACKLOG_DATABASE_URL: inject("postgresUrl") } })
    try {
      const [first = "", second = ""] = textsOn("README.md", "", "On the command line")
      const ran = await shell.runs(first)
      expect(ran.map(({ stderr }) => stderr).join("")).toContain("build  completed")
      const show = await cli([...place.flags, "--json", "show", "build"])
      expect(JSON.parse(show.stdout).data).toMatchObject({ status: "done", result: "build is built" })
      const [anchor] = await shell.runs("backlog anchor")
      shell.replace("mosaic-backlog-anchor 1 …", anchor?.stdout.trim() ?? "")
      const [history, , , , verified, events] = await shell.runs(second)
      expect(history?.stdout).toContain("completed under the claim of worker-1")
      expect(verified?.stdout).toContain("anchor")
      expect(events?.stdout).not.toBe("")
    } finally {
      await shell.end()
    }
  })
})
