/** Changes what is different on the site: links to files of the repository, images, and code. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { join, posix } from "node:path"
import { placeOfImage } from "./collect.mjs"
import { listPages, resolveTarget, root, sitePath } from "./pages.mjs"

const { repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** The address of the repository's files. `undefined` as long as package.json names no repository. */
const filesAddress = (() => {
  const url = typeof repository === "object" ? repository.url : repository
  return url === undefined ? undefined : `${url.replace(/^git\+/, "").replace(/\.git$/, "")}/blob/main`
})()

/** Returns the file that a link leads to: of a folder, its README.md. */
const fileOf = (page, path) => {
  const file = resolveTarget(page, path)
  const place = join(root, file)
  return existsSync(place) && statSync(place).isDirectory() ? posix.join(file, "README.md") : file
}

const relativeTo = (from, to) => `./${posix.relative(posix.dirname(from), to)}`

const isRelative = (target) => !/^(?:[a-z][a-z0-9+.-]*:|[#/])/i.test(target)

/** Returns the address of a file on the site or in the repository. `undefined` if it has none. */
const addressOfFile = (file, from) => {
  if (!existsSync(join(root, file))) return undefined
  const place = sitePath(file)
  if (place !== undefined) return relativeTo(from, place)
  return filesAddress === undefined ? undefined : `${filesAddress}/${file}`
}

/**
 * A plugin for markdown-it. A link to a page leads to the page on the site. A link to another file leads to the repository if
 * package.json names one. Otherwise the path of the file follows the text of the link, as code.
 */
export const linksOfSite = (markdown) => {
  markdown.core.ruler.push("links_of_site", ({ env, tokens, Token }) => {
    // An indented block looks like a fenced one, and scrolls like it.
    for (const block of tokens.filter(({ type }) => type === "code_block"))
      Object.assign(block, { type: "fence", info: "" })
    for (const block of tokens.filter(({ info, type }) => type === "fence" && info === "tool")) block.info = ""
    // Vue would compile two braces in code.
    for (const code of tokens.flatMap(({ children }) => children ?? [])) {
      if (code.type === "code_inline") code.attrSet("v-pre", "")
    }
    const page = listPages().find((file) => sitePath(file) === env.relativePath)
    if (page === undefined) return
    const makeToken = (type, tag, content) => Object.assign(new Token(type, tag, 0), { content })
    for (const { children } of tokens) {
      if (children === null) continue
      for (const image of children.filter(({ type }) => type === "image")) {
        const source = image.attrGet("src")
        if (!isRelative(source)) continue
        const place = placeOfImage(resolveTarget(page, source))
        if (place === undefined) throw new Error(`${page}: the image ${source} is not copied to the site`)
        image.attrSet("src", relativeTo(env.relativePath, place))
      }
      for (let index = 0; index < children.length; index += 1) {
        const target = children[index].type === "link_open" ? children[index].attrGet("href") : "#"
        if (!isRelative(target)) continue
        const [path, id] = target.split("#")
        const file = fileOf(page, path)
        const address = addressOfFile(file, env.relativePath)
        if (address !== undefined) {
          children[index].attrSet("href", id === undefined ? address : `${address}#${id}`)
          continue
        }
        const close = children.findIndex(({ type }, place) => place > index && type === "link_close")
        const inside = children.slice(index + 1, close)
        const isNamed = inside.map(({ content }) => content).join("") === file
        const name = [makeToken("text", "", " ("), makeToken("code_inline", "code", file), makeToken("text", "", ")")]
        children.splice(index, close - index + 1, ...inside, ...(isNamed ? [] : name))
      }
    }
  })
}
