import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { describeOldNode, oldestNode } from "../../src/cli/nodeVersion.ts"

describe("the version of Node", () => {
  it("is refused before 20.20, with the versions to use", () => {
    expect(describeOldNode("18.20.8")).toBe("Node 18.20.8 is too old. Use Node 22, 24 or 26, or 20.20 or newer of 20.")
    expect(describeOldNode("20.19.9")).toContain("Node 20.19.9 is too old.")
    for (const version of ["20.20.0", "22.0.0", "26.1.0"]) expect(describeOldNode(version)).toBeUndefined()
  })

  it("that is the oldest is the one in package.json", () => {
    const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    expect(engines.node).toBe(`>=${oldestNode}`)
  })

  it("is checked by a module that imports nothing else before the check", () => {
    for (const [file, imports] of [
      ["main.ts", ["./nodeVersion.ts"]],
      ["nodeVersion.ts", []]
    ] as const) {
      const text = readFileSync(new URL(`../../src/cli/${file}`, import.meta.url), "utf8")
      expect(Array.from(text.matchAll(/^import .*"(.*)"$/gm), ([, path]) => path)).toEqual(imports)
    }
  })
})
