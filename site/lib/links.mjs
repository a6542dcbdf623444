/** Finds dead links in the pages, including links to headings, and dead references to pages in the sources. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { listPages, resolveTarget, root, slugify } from "./pages.mjs"

/** Returns the text with every character of its code replaced by a space, so that offsets and lines stay the same. */
const withoutCode = (text) => {
  const blank = (code) => code.replace(/[^\n]/g, " ")
  let fence
  let isIndented = false
  let wasBlank = true
  const lines = text.split("\n").map((line) => {
    const [, opening] = /^\s*(`{3,}|~{3,})/.exec(line) ?? []
    const isBlank = line.trim() === ""
    isIndented = fence === undefined && line.startsWith("    ") && (isIndented || wasBlank)
    wasBlank = isBlank
    const isCode = fence !== undefined || opening !== undefined || isIndented
    if (fence === undefined) fence = opening
    else if (opening?.startsWith(fence)) fence = undefined
    return isCode ? blank(line) : line
  })
  return lines.join("\n").replace(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)|<!--[\s\S]*?-->/g, blank)
}

/** Returns the ids of a page: those of its headings, and those that its HTML sets. */
const idsOf = (text) => {
  const prose = withoutCode(text)
  const found = new Set()
  const proseLines = prose.split("\n")
  for (const [index, line] of text.split("\n").entries()) {
    if (!/^#{1,6} /.test(proseLines[index] ?? "")) continue
    const title = line
      .replace(/^#+ /, "")
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[`*]/g, "")
    const slug = slugify(title)
    let id = slug
    for (let number = 1; found.has(id); number += 1) id = `${slug}-${number}`
    found.add(id)
  }
  for (const [, id] of prose.matchAll(/<[a-z]+ [^>]*\b(?:id|name)="([^"]+)"/g)) found.add(id)
  return found
}

const linkPatterns = [
  // [text](target), ![text](target) and [![text](image)](target)
  /\]\(<?([^()\s>]+(?:\([^()\s]*\)[^()\s]*)?)>?(?:\s+"[^"]*")?\)/g,
  // [name]: target
  /^ {0,3}\[[^\]]+\]: +<?(\S+?)>?$/gm,
  /<(?:a|img|source) [^>]*\b(?:href|src|srcset)="([^"]+)"/g
]

const isElsewhere = (target) => /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(target)

const makeIds = (texts = {}) => {
  const known = new Map()
  return (file) => {
    if (!known.has(file)) known.set(file, idsOf(texts[file] ?? readFileSync(join(root, file), "utf8")))
    return known.get(file)
  }
}

/** Returns why a target leads nowhere from a page, or `undefined`. */
const whyDead = (page, target, ids) => {
  const [path = "", id] = target.split("#")
  const file = path === "" ? page : resolveTarget(page, path)
  if (path.startsWith("/")) return "is absolute, which works in one place only"
  if (!existsSync(join(root, file))) return `leads to ${file}, which does not exist`
  if (id === undefined) return undefined
  if (!file.endsWith(".md")) return undefined
  return ids(file).has(decodeURI(id)) ? undefined : `leads to a heading that ${file} does not have`
}

const findDeadLinksIn = (page, text, ids) => {
  const prose = withoutCode(text)
  return linkPatterns.flatMap((pattern) =>
    [...prose.matchAll(pattern)].flatMap(({ 1: target, index }) => {
      if (target === undefined || isElsewhere(target)) return []
      const why = whyDead(page, target, ids)
      return why === undefined ? [] : [`${page}:${prose.slice(0, index).split("\n").length}: ${target} ${why}`]
    })
  )
}

/** Returns a sentence for each dead link of `page`, if its text were `text`. */
export const findDeadLinks = (page, text) => findDeadLinksIn(page, text, makeIds({ [page]: text }))

/** Returns a sentence for each dead link on the pages. */
export const findDeadLinksOfPages = () => {
  const ids = makeIds()
  return listPages().flatMap((page) => findDeadLinksIn(page, readFileSync(join(root, page), "utf8"), ids))
}

/** Returns the number of links on the pages that lead to other pages, to headings and to files. */
export const countLinks = () =>
  listPages().reduce((count, page) => {
    const prose = withoutCode(readFileSync(join(root, page), "utf8"))
    const targets = linkPatterns.flatMap((pattern) => [...prose.matchAll(pattern)].map(({ 1: target = "" }) => target))
    return count + targets.filter((target) => !isElsewhere(target)).length
  }, 0)

/** Returns the files below a folder, except installed and built ones. */
const filesIn = (folder) =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.isFile()) return [`${folder}/${entry.name}`]
    return ["node_modules", "dist", ".pages", "cache"].includes(entry.name) ? [] : filesIn(`${folder}/${entry.name}`)
  })

/** Returns a sentence for each mention of a page in the sources, such as in an error message, that leads nowhere. */
export const findDeadMentions = () => {
  const ids = makeIds()
  return ["src", "scripts", "bench", "site", ".ci"]
    .flatMap(filesIn)
    .filter((file) => /\.(?:ts|tsx|mjs|sh|ya?ml)$|\/run$/.test(file))
    .flatMap((file) =>
      readFileSync(join(root, file), "utf8")
        .split("\n")
        .flatMap((line, index) =>
          [...line.matchAll(/(?<![\w/.-])docs\/[\w/-]+\.md(?:#[\w-]+)?/g)].flatMap(([target]) => {
            const why = whyDead("README.md", target, ids)
            return why === undefined ? [] : [`${file}:${index + 1}: ${target} ${why}`]
          })
        )
    )
}
