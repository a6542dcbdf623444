import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "..", "..")
const read = (...path: ReadonlyArray<string>): string => readFileSync(join(root, ...path), "utf8")

it("the example in docs/testing.md is the tested one, except for its import paths", () => {
  const example = read("test", "proof", "testingExample.test.ts")
    .replaceAll("../../src/testing/index.ts", "mosaic-backlog/testing")
    .replaceAll("../../src/index.ts", "mosaic-backlog")
  expect(read("docs", "testing.md")).toContain(`\`\`\`ts\n${example}\`\`\`\n`)
})

it("the package exports what the example imports", () => {
  const { exports } = JSON.parse(read("package.json")) as { readonly exports: Record<string, unknown> }
  expect(exports["./testing"]).toEqual({ types: "./dist/testing/index.d.ts", import: "./dist/testing/index.js" })
})
