/** What the build copies into the package from other packages: `scripts/licenses.mjs` states the licenses. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const file = join(import.meta.dirname, "../dist/bundled.json")

/** A comment by which a package says that a part of it comes from elsewhere. */
const isNotice = (comment) =>
  /copyright \(c\)|permission (?:is hereby granted|to use)|under (?:the )?\w+ licen[sc]e|vendored/i.test(comment)

/** Records, by the name of a bundle, the packages whose code is in it, and what they state about code from elsewhere. */
export const recordBundledPackages = (bundle, output) => {
  const packages = new Set()
  const notices = {}
  for (const chunk of output) {
    for (const [id, { renderedLength }] of Object.entries(chunk.modules ?? {})) {
      const [, module, name] = /.*\/node_modules\/(((?:@[^/]+\/)?[^/]+).*)/.exec(id.replaceAll("\\", "/")) ?? []
      if (module === undefined || renderedLength === 0) continue
      packages.add(name)
      const comments = readFileSync(id, "utf8").match(/\/\*[^]*?\*\//g) ?? []
      const found = comments.filter(isNotice)
      if (found.length > 0) notices[module] = found
    }
  }
  const sorted = Object.fromEntries(Object.entries(notices).sort(([a], [b]) => (a < b ? -1 : 1)))
  const all = {
    ...readBundledPackages(),
    [bundle]: { packages: [...packages].sort((a, b) => (a < b ? -1 : 1)), notices: sorted }
  }
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
}

/** Returns the records of the last build. */
export const readBundledPackages = () => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch (error) {
    if (error.code === "ENOENT") return {}
    throw error
  }
}
