/** Checks the built site: every link leads to a page and a heading, and nothing is loaded from another origin. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"

/** The elements and attributes whose targets a browser loads without a click. */
const loading =
  /<(?:img|script|iframe|source|video|audio|embed|object|input|track|use|image)\b[^>]*?\s(?:src|srcset|data|href|xlink:href|poster)="([^"]*)"|<link\b[^>]*?\shref="([^"]*)"/g
const loadingInStyle = /url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)/g
/** Requests of scripts to a literal address. */
const loadingInScript =
  /(?:\bimport\(|\bfetch\(|\bimportScripts\(|new (?:EventSource|WebSocket|Worker|SharedWorker)\(|\.open\("[A-Z]+",|\b(?:import|from))\s*["'`]((?:https?:|wss?:)?\/\/[^"'`]+)|\.(?:src|href)\s*=\s*["'`]((?:https?:)?\/\/[^"'`]+)/g

const isForeign = (address) => /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.test(address.trim())

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))

const targetsOf = (text, pattern) => [...text.matchAll(pattern)].flatMap((match) => match.slice(1).filter(Boolean))

const decodeEntities = (text) => text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'")

/** Returns a sentence for each resource that a page, style or script of `folder` loads from another origin. */
export const findForeignResources = (folder) =>
  filesIn(folder).flatMap((file) => {
    const patterns = {
      html: [loading, loadingInStyle],
      svg: [loading, loadingInStyle],
      css: [loadingInStyle],
      js: [loadingInScript]
    }
    const text = readFileSync(file, "utf8")
    return (patterns[file.split(".").at(-1)] ?? [])
      .flatMap((pattern) => targetsOf(text, pattern))
      .filter(isForeign)
      .map((address) => `${file.slice(folder.length + 1)} loads ${address}`)
  })

/** Returns a sentence for each link in `folder`, served at `base`, that leads to a missing file or a missing heading. */
export const findDeadLinksOfSite = (folder, base = "/") => {
  const pages = new Map(
    filesIn(folder)
      .filter((file) => file.endsWith(".html"))
      .map((file) => [file.slice(folder.length + 1), readFileSync(file, "utf8")])
  )
  const ids = new Map(
    [...pages].map(([page, html]) => [page, new Set(targetsOf(html, /\sid="([^"]+)"/g).map(decodeEntities))])
  )
  return [...pages].flatMap(([page, html]) =>
    [...new Set(targetsOf(html, /<a\b[^>]*?\shref="([^"]*)"/g))].map(decodeEntities).flatMap((address) => {
      if (/^[a-z][a-z0-9+.-]*:/i.test(address)) return []
      const [path = "", id] = address.split("#").map(decodeURI)
      if (path.startsWith("/") && !path.startsWith(base)) return [`${page}: ${address} is not below ${base}`]
      const plain = path.startsWith("/") ? path.slice(base.length) : posix.join(posix.dirname(page), path)
      const place = path === "" ? page : plain
      const file = [place, `${place}.html`, posix.join(place, "index.html")].find(
        (name) => existsSync(join(folder, name)) && /\.\w+$/.test(name)
      )
      if (file === undefined) return [`${page}: ${address} leads to a file that does not exist`]
      const known = ids.get(file)
      if (id === undefined || known === undefined || known.has(id)) return []
      return [`${page}: ${address} leads to a heading that does not exist`]
    })
  )
}
