import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { maxLabels, maxTtlSeconds, maxVersion } from "../../src/domain/Card.ts"
import * as Commands from "../../src/domain/Command.ts"
import { maxIdPrefixLength } from "../../src/domain/GeneratedId.ts"
import { maxBytes, maxDepth } from "../../src/domain/Json.ts"
import { Body, Name, NoteText, Reason, SearchText, Title } from "../../src/domain/Text.ts"
import { ListOptions, NeighbourhoodOptions, NotesOptions } from "../../src/index.ts"
import { membersOf, typeText } from "../../scripts/docs/typeText.ts"
import { read } from "./support/pages.ts"

/** The second cell of the row of docs/limits.md whose first cell contains a text. */
const rowOf = (words: string): string => {
  const all = read("docs/limits.md")
    .split("\n")
    .filter((line) => line.startsWith("|"))
  const cellOf = (line: string): string => (line.split("|")[1] ?? "").trim()
  const exact = all.filter((line) => cellOf(line) === words)
  const rows = exact.length > 0 ? exact : all.filter((line) => cellOf(line).includes(words))
  expect([words, rows.length]).toEqual([words, 1])
  return rows[0]?.split("|")[2]?.trim() ?? ""
}

const limitOf = (schema: Schema.Top): string => typeText(membersOf(Schema.Struct({ value: schema }))[0]?.schema ?? {})

const fieldOf = (schema: Schema.Top, name: string): string =>
  typeText(membersOf(schema).find((member) => member.name === name)?.schema ?? {})

const text = (value: number): string => value.toLocaleString("en-US")

describe("the figures on docs/limits.md", () => {
  it.for([
    ["`idempotencyKey`", "1 to 200", limitOf(Name)],
    ["`title`", "1 to 500", limitOf(Title)],
    ["`body`", "1 MiB", limitOf(Body)],
    [
      "`text` of a note",
      "1 character to 64 KiB",
      limitOf(NoteText).replace(", at most", " to").replace("string, ", "")
    ],
    ["`text` of `list`", "1 to 500", limitOf(SearchText)],
    ["`reason`, `blockedReason`", "16 KiB", limitOf(Reason)],
    ["labels of a card", `${maxLabels} labels`, `${maxLabels} labels`],
    ["the prefix of generated ids", `${maxIdPrefixLength} characters`, `${maxIdPrefixLength} characters`],
    [
      "`acceptance`, `result`",
      "JSON of 1 MiB and 500 levels",
      `JSON of ${maxBytes / 2 ** 20} MiB and ${maxDepth} levels`
    ],
    ["`priority`", "-2,147,483,648 to 2,147,483,647", fieldOf(Commands.Create, "priority")],
    ["`ttlSeconds`", `1 to ${text(maxTtlSeconds)}`, fieldOf(Commands.Claim, "ttlSeconds")],
    ["`retryAfterSeconds`", "0 to 31,622,400", fieldOf(Commands.Release, "retryAfterSeconds")],
    ["`maxAttempts`", "1 to 1,000,000", fieldOf(Commands.Claim, "maxAttempts")],
    ["`version`", `1 to ${text(maxVersion)}`, `1 to ${text(maxVersion)}`],
    ["`limit` of `list`", "1 to 2,147,483,647", fieldOf(ListOptions, "limit")],
    ["`limit` of `notes`", "1 to 1,000", fieldOf(NotesOptions, "limit")],
    ["`hops`", "0 to 10", fieldOf(NeighbourhoodOptions, "hops")]
  ] as const)("%s is %s", ([row, figure, limit]) => {
    expect([row, rowOf(row)]).toEqual([row, expect.stringContaining(figure)])
    expect([row, limit]).toEqual([row, expect.stringContaining(figure)])
  })
})
