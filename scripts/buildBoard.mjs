/**
 * Builds the page that `backlog serve` shows at `/`: src/board/ becomes dist/board/, minified, with the hash of the content in
 * each name. Rarely used views are files of their own. Fails if a file is larger than its budget.
 */
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"
import { recordBundledPackages } from "./bundledPackages.mjs"

/** Maximum sizes after gzip, in bytes. */
const budgets = { "first JavaScript": 45 * 1024, CSS: 10 * 1024, everything: 90 * 1024 }

const source = join(import.meta.dirname, "../src/board")
const target = join(import.meta.dirname, "../dist/board")
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })

const bundle = await rolldown({
  input: { main: join(source, "main.tsx") },
  platform: "browser",
  tsconfig: join(source, "tsconfig.json"),
  // Preact and its signals mark nothing as free of side effects that is not.
  treeshake: { moduleSideEffects: (id) => id.endsWith("/main.tsx") || id.includes("@preact/signals/") }
})
const { output } = await bundle.write({
  dir: target,
  format: "esm",
  minify: true,
  entryFileNames: "[name]-[hash].js",
  chunkFileNames: "[name]-[hash].js"
})
await bundle.close()
recordBundledPackages("board", output)

/** Removes comments and the white space that has no meaning. Strings in the style sheets contain neither. */
const minifyCss = (css) =>
  css
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,]) ?/g, "$1")
    .replace(/: /g, ":")
    .replace(/;}/g, "}")
    .trim()

/** The styles of the shell come first, so that views can build on them. */
const styleSheets = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".css"))
  .sort(
    (left, right) => Number(right.startsWith("styles")) - Number(left.startsWith("styles")) || (left < right ? -1 : 1)
  )
const css = minifyCss(styleSheets.map((name) => readFileSync(join(source, name), "utf8")).join("\n"))
const styleName = `main-${createHash("sha256").update(css).digest("base64url").slice(0, 8)}.css`
writeFileSync(join(target, styleName), css)

const chunks = output.filter(({ type }) => type === "chunk")
const entry = chunks.find(({ isEntry }) => isEntry)
/** The files that the page loads before it shows anything: the entry and the chunks that it imports. */
const firstFiles = new Set([entry.fileName])
for (const name of firstFiles) {
  for (const imported of chunks.find(({ fileName }) => fileName === name).imports) firstFiles.add(imported)
}
const preloads = [...firstFiles]
  .filter((name) => name !== entry.fileName)
  .map((name) => `<link rel="modulepreload" href="board/${name}" />`)
const html = readFileSync(join(source, "index.html"), "utf8")
  .replace(/ *<!-- [^]*? -->\n/g, "")
  .replace("%STYLE%", `board/${styleName}`)
  .replace("%SCRIPT%", `board/${entry.fileName}`)
  .replace("%PRELOADS%", preloads.join("\n    "))
writeFileSync(join(target, "index.html"), html)

const sizeOf = (name) => gzipSync(readFileSync(join(target, name)), { level: 9 }).length
const sum = (names) => [...names].reduce((total, name) => total + sizeOf(name), 0)
const sizes = {
  "first JavaScript": sum(firstFiles),
  CSS: sizeOf(styleName),
  everything: sum(readdirSync(target))
}
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`
for (const [what, size] of Object.entries(sizes)) {
  console.log(`board: ${what} ${kilobytes(size)} gzip, of at most ${kilobytes(budgets[what])}`)
}
const exceeded = Object.keys(sizes).filter((what) => sizes[what] > budgets[what])
if (exceeded.length > 0) {
  console.error(`The board is too large: ${exceeded.join(", ")}. Load rarely used code with import(), or remove some.`)
  process.exit(1)
}
