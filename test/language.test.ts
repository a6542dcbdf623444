import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"

const program = join(import.meta.dirname, "../scripts/language/run.mjs")

/** Sentences that the project does not write, with the expression that the check reports. */
const refused: ReadonlyArray<readonly [string, string]> = [
  ["Whoever waits also polls.", "Whoever"],
  ["The file belongs to nobody.", "nobody"],
  ["Who wants speed takes this.", "Who"],
  ["The server answers with an error.", "answers"],
  ["A proxy answers `503` to the request.", "answers"],
  ["The command was answered.", "was answered"],
  ["The worker goes on after an error.", "goes on"],
  ["The card stands in the list.", "stands"],
  ["The server shall respond.", "shall"],
  ["A token is refused for good.", "for good"],
  ["The table is made anew.", "anew"],
  ["A lease runs out after a minute.", "runs out"],
  ["A worker gives the card back.", "gives the card back"],
  ["A worker takes over the card.", "takes over"],
  ["The builds are measured in turns.", "in turns"],
  ["Besides, the log is read.", "Besides"],
  ["The log is as it should be.", "as it should be"],
  ["The report has all that was read.", "all that"],
  ["Of two consumers of one name, one waits.", "Of"],
  ["The limit is 100, unless told otherwise.", "unless told otherwise"],
  ["The error is mended.", "mended"],
  ["The mutation was not noticed.", "was not noticed"],
  ["It is 4 % above the floor.", "floor"],
  ["The patience of a client is 10 seconds.", "patience"],
  ["A worker waits for news of commits.", "news"],
  ["The plan is kept plain.", "kept plain"],
  ["The statement is compiled once.", "compiled once"],
  ["A check is taken out.", "taken out"],
  ["Two workers work off the cards.", "work off"],
  ["A look is good for a second.", "A look"],
  ["Then the same holds for cards.", "same holds"],
  ["The text is cut after 1 KiB.", "is cut"],
  ["The page tells the reason.", "tells"],
  ["Spoken are the revisions.", "Spoken are"],
  ["Allowed is every name.", "Allowed is"]
]

/** Sentences with the same words in another meaning. */
const accepted: ReadonlyArray<string> = [
  "The answers of the server are JSON, and its answers have no envelope.",
  "Waiters also poll once a second.",
  "Which worker holds the card? Who asked for it?",
  "The process runs out of memory.",
  "The text `whoever goes on` is code, and so is ``a look at `it` ``.",
  "Speed is measured in commands per second.",
  "Two servers are told apart by their names.",
  "Of course."
]

const sentence = (words: number): string => `A ${"short ".repeat(words - 2)}sentence.`

/** A block of code after a paragraph, and one in a list. */
const blocks = "```sh\nwhoever goes on\n```\n\n- A list:\n\n      mispeled in a block\n"

const typescript = [
  "/**",
  " * Adds a card.",
  " * A lease runs out.",
  " */",
  "export const whoever = 1 // goes on",
  "const text = `A card of ${whoever} stands there.`",
  'it("nobody", () => {})',
  'it.effect("mended", () => {})',
  'const name = "whoever"',
  "const rows = sql`SELECT whoever FROM cards AS nobody`"
]

const files: Readonly<Record<string, ReadonlyArray<string>>> = {
  "refused.md": refused.flatMap(([text]) => [text, ""]),
  "accepted.md": [...accepted.flatMap((text) => [text, ""]), blocks],
  "words.md": ["Recieve it.", "", "The colour.", "", sentence(45), "", sentence(46)],
  "program.ts": typescript
}

/** Checks all files in one process, and returns what it prints about a file. */
const check = (): ((name: string) => ReadonlyArray<string>) => {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-language-"))
  try {
    const paths = Object.entries(files).map(([name, lines]) => {
      writeFileSync(join(folder, name), lines.join("\n"))
      return join(folder, name)
    })
    const { stderr, stdout } = spawnSync(process.execPath, [program, ...paths], { encoding: "utf8" })
    if (stderr !== "") throw new Error(stderr)
    return (name) =>
      stdout
        .split("\n")
        .filter((line) => line.startsWith(join(folder, name)))
        .map((line) => line.slice(join(folder, name).length + 1))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const withoutUse = (line: string): string => line.replace(/ Use: .*/, "")

describe("the check of the language", () => {
  let found: (name: string) => ReadonlyArray<string>
  beforeAll(() => {
    found = check()
  })

  it("reports each expression that the project does not use, with its line and its replacement", () => {
    expect(found("refused.md").map(withoutUse)).toEqual(
      refused.map(([, expression], index) => `${index * 2 + 1}: "${expression}".`)
    )
    expect(found("refused.md").filter((line) => !/ Use: .{3,}/.test(line))).toEqual([])
  })

  it("accepts the same words in other meanings and in code", () => {
    expect(found("accepted.md")).toEqual([])
  })

  it("reports misspelled words, British spellings and long sentences", () => {
    expect(found("words.md")).toEqual([
      expect.stringMatching(/^1: "Recieve" is misspelled\. Use: .*Receive/i),
      expect.stringMatching(/^3: "colour" is misspelled\. Use: color/),
      "7: a sentence of 46 words. The maximum is 45."
    ])
  })

  it("reads comments, sentences in strings and titles of tests of programs, and nothing else of them", () => {
    expect(found("program.ts").map(withoutUse)).toEqual([
      '3: "runs out".',
      '5: "goes on".',
      '6: "stands".',
      '7: "nobody".',
      '8: "mended".'
    ])
  })
})
