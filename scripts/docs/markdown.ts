/** The command that writes the generated pages. */
export const command = "npm run docs:reference"

/** A generated page, by its path from the project root. */
export interface Page {
  readonly page: string
  readonly text: string
}

/** The beginning of a generated page: a comment that names the command, the title, and the introduction. */
export const pageHead = (title: string, introduction: string): string =>
  `<!-- Generated from the code by \`${command}\`. Do not edit. -->\n\n# ${title}\n\n${wrap(introduction)}\n`

/** Wraps a paragraph at 130 characters, as on the pages that are written by hand. */
const wrap = (paragraph: string): string => {
  const lines: Array<string> = []
  let line = ""
  for (const word of paragraph.split(" ")) {
    if (line !== "" && line.length + word.length + 1 > 130) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line].join("\n")
}

/**
 * Escapes a text for Markdown. Text in backticks stays code. Outside of code, `<` and `{{` would be elements and expressions
 * in some renderers.
 */
export const escapeText = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : escapeOutsideCode(part)))
    .join("")

const escapeOutsideCode = (text: string): string =>
  text
    .replaceAll("\\", "\\\\")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("{{", "&#123;&#123;")
    .replaceAll(/([*_])/g, "\\$1")

/** A text as code. */
export const code = (text: string): string => (text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``)

/** A list of texts as code, separated by commas. */
export const codes = (texts: ReadonlyArray<string>): string => texts.map(code).join(", ")

/** A table. A pipe in a cell is escaped, also in code, as GitHub requires. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows]
    .map((cells, index) => (index === 1 ? `|${cells.join("|")}|` : `| ${cells.map(cell).join(" | ")} |`))
    .join("\n")

const cell = (text: string): string => text.replaceAll("\n", " ").replaceAll("|", "\\|")

/** The anchor of a heading, as GitHub and VitePress make it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-")

/** A link to a heading of the same page. */
export const linkTo = (heading: string, text = code(heading)): string => `[${text}](#${anchorOf(heading)})`

/** Joins parts of a page with blank lines. Leaves out `undefined`. */
export const paragraphs = (...parts: ReadonlyArray<string | undefined>): string =>
  `${parts.filter((part) => part !== undefined && part !== "").join("\n\n")}\n`

/** Ends a text with a period. */
export const sentence = (text: string): string => (/[.!?…:]$/.test(text) ? text : `${text}.`)

/** A text that begins with a capital letter. */
export const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Replaces the part of a page between the markers of a name. */
export const replacePart = (page: string, name: string, part: string): string => {
  const begin = `<!-- generated: ${name}. Write it with \`${command}\`. -->`
  const end = `<!-- end of generated: ${name} -->`
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error(`The page lacks the markers of the generated part ${name}.`)
  return `${page.slice(0, from + begin.length)}\n\n${part}\n\n${page.slice(to)}`
}
