import { inspect } from "node:util"
import { describe, expect, it, vi } from "vitest"
import { exampleOf } from "./support/examples.ts"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { textsOn } from "./support/pages.ts"
import { Shell } from "./support/Shell.ts"

describe("README.md", () => {
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
})
