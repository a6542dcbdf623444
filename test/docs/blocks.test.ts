import { expect, it } from "vitest"
import { blocksIn } from "./support/pages.ts"

const found = (...lines: ReadonlyArray<string>): ReadonlyArray<readonly [string, number, string]> =>
  blocksIn(lines.join("\n")).map(({ language, line, text }) => [language, line, text])

it("blocks with and without a fence are found, with their headings and lines", () => {
  const blocks = blocksIn(
    "# Title\n\n```sh\nnpm test\n\n    more\n```\n\n## Part\n\n    npm ci\n\n    npm test\n\nText.\n"
  )
  expect(blocks).toEqual([
    { language: "sh", line: 3, heading: "Title", text: "npm test\n\n    more\n" },
    { language: "indented", line: 11, heading: "Part", text: "npm ci\n\nnpm test\n" }
  ])
})

it("blocks in lists are found, without the indentation of the list", () => {
  expect(
    found(
      "1. First:",
      "",
      "   ```sh",
      "   npm ci",
      "     more",
      "   ```",
      "",
      "2. Second:",
      "   ```ts",
      "   a",
      "   ```"
    )
  ).toEqual([
    ["sh", 3, "npm ci\n  more\n"],
    ["ts", 9, "a\n"]
  ])
  expect(found("- First:", "", "      npm ci", "      npm test", "", "  Text.", "- Second.")).toEqual([
    ["indented", 3, "npm ci\nnpm test\n"]
  ])
  expect(found("- First:", "  - Inner:", "", "    ```sh", "    npm ci", "    ```", "", "        npm test")).toEqual([
    ["sh", 4, "npm ci\n"],
    ["indented", 8, "npm test\n"]
  ])
})

it("paragraphs of lists are no blocks, and a block after a list is one", () => {
  expect(
    found("- First", "  - Inner", "", "    A paragraph of the inner item.", "", "Text.", "", "    npm ci")
  ).toEqual([["indented", 8, "npm ci\n"]])
  expect(found("A paragraph", "    with an indented line.")).toEqual([])
})
