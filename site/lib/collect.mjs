/** Copies the pages, with the images next to them, to `.pages`, where the site is built from. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { entriesOf, listPages, readNavigation, root, sitePath } from "./pages.mjs"

export const collected = join(import.meta.dirname, "../.pages")

/** The folders of the images, with their places. */
const images = { "docs/images": "images", "bench/results": "results" }

const isImage = (name) => /\.(?:svg|png)$/.test(name)

/** Writes a file unless it has these contents, so that a server does not reload an unchanged page. */
const write = (path, contents) => {
  const file = join(collected, path)
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(contents))) return
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, contents)
}

/** Returns the address of an entry, relative to the home page. */
export const addressOf = ({ file }) => (file === undefined ? "api/index.md" : sitePath(file))

/** The lists of pages on the home page: one for each kind. */
const homeLists = () =>
  readNavigation()
    .map((group) => {
      const links = entriesOf(group).map((entry) => `- [${entry.title}](./${addressOf(entry)})`)
      return `<section>\n\n## ${group.title}\n\n${links.join("\n")}\n\n</section>`
    })
    .join("\n")

/** Copies every page and image. Removes the copies of pages that no longer exist. */
export const collect = () => {
  // The overview is the first page of the first group. The next one teaches.
  const [overview, first = overview] = entriesOf(readNavigation()[0])
  const home = readFileSync(join(root, "site/home.md"), "utf8")
    .replace("<!-- lists -->", homeLists)
    .replace("START_TITLE", first.title)
    .replace("START_LINK", `/${addressOf(first).replace(/\.md$/, "")}`)
  const files = new Map([["index.md", home]])
  for (const page of listPages()) files.set(sitePath(page), readFileSync(join(root, page), "utf8"))
  for (const [folder, place] of Object.entries(images)) {
    for (const name of readdirSync(join(root, folder)).filter(isImage)) {
      files.set(`${place}/${name}`, readFileSync(join(root, folder, name)))
    }
  }
  for (const [path, contents] of files) write(path, contents)
  for (const path of existsSync(collected) ? readdirSync(collected, { recursive: true }) : []) {
    const isKept = files.has(path) || path.startsWith("api") || statSync(join(collected, path)).isDirectory()
    if (!isKept) rmSync(join(collected, path))
  }
}

/** Returns the place of an image, relative to the home page. `undefined` for a file that is not copied. */
export const placeOfImage = (file) => {
  const folder = Object.keys(images).find((name) => file.startsWith(`${name}/`))
  return folder === undefined || !isImage(file) ? undefined : `${images[folder]}${file.slice(folder.length)}`
}
