import { readFileSync, writeFileSync } from "node:fs"

/**
 * Replaces texts in a page, each between `<!-- name -->` and `<!-- /name -->`. Fails when the page does not have these
 * comments.
 */
export const fillPage = (file, texts) => {
  let page = readFileSync(file, "utf8")
  for (const [name, text] of Object.entries(texts)) {
    const [opening, closing] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`]
    const [from, to] = [page.indexOf(opening), page.indexOf(closing)]
    if (from < 0 || to < from) throw new Error(`${file} has no place for ${name}: ${opening}…\n${closing}`)
    page = `${page.slice(0, from)}${opening}\n${text.trim()}\n\n${page.slice(to)}`
  }
  writeFileSync(file, page)
}
