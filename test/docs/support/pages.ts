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

const fence = /^```(.*)$/

/** Returns the blocks of code on a page, in order. */
export const blocksOn = (page: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let heading = ""
  let open: { readonly language: string; readonly line: number; readonly lines: Array<string> } | undefined
  const close = (): void => {
    if (open === undefined) return
    const { language, line, lines } = open
    blocks.push({ language, line, heading, text: `${lines.join("\n").trimEnd()}\n` })
    open = undefined
  }
  let wasBlank = true
  for (const [index, text] of read(page).split("\n").entries()) {
    const [, language] = fence.exec(text) ?? []
    const isOpenFence = open !== undefined && open.language !== "indented"
    if (isOpenFence) {
      if (language === "") close()
      else open?.lines.push(text)
    } else if (language !== undefined) {
      close()
      open = { language, line: index + 1, lines: [] }
    } else if (text.startsWith("    ") && (open !== undefined || wasBlank)) {
      open ??= { language: "indented", line: index + 1, lines: [] }
      open.lines.push(text.slice(4))
    } else if (text === "" && open !== undefined) {
      open.lines.push("")
    } else {
      close()
      if (/^#+ /.test(text)) heading = text.replace(/^#+ /, "")
    }
    wasBlank = text === ""
  }
  close()
  return blocks
}

/** Returns the texts of a page's blocks in a language. */
export const textsOn = (page: string, language: string, under?: string): ReadonlyArray<string> =>
  blocksOn(page)
    .filter((block) => block.language === language && (under === undefined || block.heading === under))
    .map(({ text }) => text)
