/**
 * The pages of the documentation: the files that they are written in, their paths on the site, and the navigation.
 *
 * The navigation is `docs/README.md`, and for the decisions `docs/decisions/README.md`: their headings are the groups, and the items of
 * their lists are the entries. No other file lists the pages.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"

export const root = join(import.meta.dirname, "../..")

const read = (file) => readFileSync(join(root, file), "utf8")
const exists = (file) => existsSync(join(root, file))

/** The index of all pages, and that of the decisions. */
export const indexes = { pages: "docs/README.md", decisions: "docs/decisions/README.md" }

/** The pages outside of `docs`, with their paths on the site. */
const elsewhere = {
  "README.md": "overview.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "bench/README.md": "measuring.md"
}

const markdownIn = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`)

/** Returns the files of all pages, relative to the repository. */
export const listPages = () => [...Object.keys(elsewhere), ...markdownIn("docs"), ...markdownIn("docs/decisions")]

/** Returns the path on the site of the page in a file: "docs/mcp.md" → "mcp.md". `undefined` for a file that is not a page. */
export const sitePath = (file) => {
  if (file === indexes.pages) return "contents.md"
  if (file === indexes.decisions) return "decisions/index.md"
  if (/^docs\/(?:decisions\/)?[^/]+\.md$/.test(file)) return file.slice("docs/".length)
  return elsewhere[file]
}

/**
 * Returns the id of a heading, as GitHub makes it from the heading's text. The site makes the same ids, so that one link works in both
 * places.
 */
export const slugify = (text) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-")

/** Resolves a relative target of a link on a page: ("docs/mcp.md", "../README.md") → "README.md". */
export const resolveTarget = (page, target) => posix.normalize(posix.join(posix.dirname(page), decodeURI(target)))

/** Returns the groups of an index: each level-2 heading, with its entries and with the level-3 headings below it. */
const readIndex = (file) => {
  const groups = []
  let current
  for (const line of read(file).split("\n")) {
    const [, level, title] = /^(##|###) (.+)$/.exec(line) ?? []
    const [, text, target] = /^- \[([^\]]+)\]\(([^)]+)\)/.exec(line) ?? []
    const [, generated] = /^- ([^[:]+): /.exec(line) ?? []
    if (title !== undefined) {
      current = { title, items: [] }
      const parent = level === "###" ? groups.at(-1)?.items : groups
      parent?.push(current)
    } else if (text !== undefined) {
      current?.items.push({ title: text, file: resolveTarget(file, target) })
    } else if (generated !== undefined) {
      current?.items.push({ title: generated })
    }
  }
  return groups
}

/** Returns the entries of a group and of the groups below it. */
export const entriesOf = ({ items }) => items.flatMap((item) => (item.items === undefined ? [item] : entriesOf(item)))

/** Returns the groups of the navigation. An entry without a file is generated. */
export const readNavigation = () => readIndex(indexes.pages)

/** Returns the groups of the decisions. */
export const readDecisions = () => readIndex(indexes.decisions).filter(({ items }) => items.length > 0)

/** Returns a sentence for each page that the navigation lacks or lists twice, and for each entry without a page. */
export const findNavigationProblems = () => {
  const files = [...readNavigation(), ...readDecisions()].flatMap(entriesOf).flatMap(({ file }) => file ?? [])
  return [
    ...listPages()
      .filter((page) => !files.includes(page) && page !== indexes.pages)
      .map((page) => `${page.includes("decisions/") ? indexes.decisions : indexes.pages} does not list ${page}`),
    ...files.filter((file) => !exists(file)).map((file) => `the navigation lists ${file}, which does not exist`),
    ...files
      .filter((file, index) => files.indexOf(file) !== index)
      .map((file) => `the navigation lists ${file} more than once`),
    ...files
      .filter((file) => exists(file) && sitePath(file) === undefined)
      .map((file) => `the navigation lists ${file}, which is not a page`)
  ]
}
