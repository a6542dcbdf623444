import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { textsOn } from "../docs/support/pages.ts"

const root = join(import.meta.dirname, "..", "..")
const read = (...path: ReadonlyArray<string>): string => readFileSync(join(root, ...path), "utf8")

it("the examples in docs/testing.md are the tested ones, except for their import paths", () => {
  const examples = ["testingExample.test.ts", "templateExample.test.ts", "historyExample.ts"].map((name) =>
    read("test", "proof", name)
      .replaceAll("../../src/testing/index.ts", "mosaic-backlog/testing")
      .replaceAll("../../src/index.ts", "mosaic-backlog")
  )
  expect(textsOn("docs/testing.md", "ts")).toEqual(examples)
})

it("the package exports what the example imports", () => {
  const { exports } = JSON.parse(read("package.json")) as { readonly exports: Record<string, unknown> }
  expect(exports["./testing"]).toEqual({
    types: "./dist/testing/index.d.ts",
    import: "./dist/testing/index.js",
    default: "./dist/testing/index.js"
  })
})
