import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..", "..")

/** The pages at the root, and those in docs/. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  "AGENTS.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "llms.txt",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

/** Reads a file of the repository. */
export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** A block of code on a page. */
export interface Block {
  /** Text after the fence. `indented` for a block without a fence. */
  readonly language: string
  readonly text: string
  /** The heading above the block. */
  readonly heading: string
  readonly line: number
}

const fence = /^( *)```(.*)$/
const listItem = /^ *(?:[-*+]|\d+[.)]) +/

/** Returns the blocks of code on a page, in order. Their text has no indentation of the list that they are in. */
export const blocksOn = (page: string): ReadonlyArray<Block> => blocksIn(read(page))

/** Returns the blocks of code in Markdown, in order. */
export const blocksIn = (markdown: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let heading = ""
  let open: { readonly language: string; readonly line: number; readonly lines: Array<string> } | undefined
  /** The columns at which the texts of the enclosing list items begin. */
  const columns: Array<number> = []
  const column = (): number => columns.at(-1) ?? 0
  const close = (): void => {
    if (open === undefined) return
    const { language, line, lines } = open
    blocks.push({ language, line, heading, text: `${lines.join("\n").trimEnd()}\n` })
    open = undefined
  }
  let wasBlank = true
  for (const [index, text] of markdown.split("\n").entries()) {
    const spaces = text.length - text.trimStart().length
    const [, indent = "", language] = fence.exec(text) ?? []
    if (open !== undefined && open.language !== "indented") {
      if (language === "") close()
      else open.lines.push(spaces >= column() ? text.slice(column()) : text.trimStart())
      continue
    }
    if (text.trim() === "") {
      open?.lines.push("")
      wasBlank = true
      continue
    }
    const item = listItem.exec(text)?.[0]
    // A line that is indented less ends the list, unless it continues a paragraph.
    if (wasBlank || item !== undefined || language !== undefined) {
      while (spaces < column()) columns.pop()
    }
    if (spaces >= column() + 4 && (open !== undefined || wasBlank)) {
      open ??= { language: "indented", line: index + 1, lines: [] }
      open.lines.push(text.slice(column() + 4))
    } else {
      close()
      if (language !== undefined) {
        while (indent.length < column()) columns.pop()
        open = { language, line: index + 1, lines: [] }
      } else if (item !== undefined) {
        columns.push(item.length)
      } else if (/^#+ /.test(text)) {
        columns.length = 0
        heading = text.replace(/^#+ /, "")
      }
    }
    wasBlank = false
  }
  close()
  return blocks
}

/** Returns the texts of a page's blocks in a language. */
export const textsOn = (page: string, language: string, under?: string): ReadonlyArray<string> =>
  blocksOn(page)
    .filter((block) => block.language === language && (under === undefined || block.heading === under))
    .map(({ text }) => text)
