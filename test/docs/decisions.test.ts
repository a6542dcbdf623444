import { readdirSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { read } from "./support/pages.ts"

it("docs/decisions/README.md links each decision record once in its lists", () => {
  const records = readdirSync(join(import.meta.dirname, "../../docs/decisions")).filter((name) => /^\d{4}-/.test(name))
  const listed = [...read("docs/decisions/README.md").matchAll(/^- \[\d+\. [^\]]+\]\(([^)]+)\)/gm)].map(
    ([, name = ""]) => name
  )
  expect(listed.sort()).toEqual(records.sort())
})
