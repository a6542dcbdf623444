/**
 * Writes THIRD-PARTY-LICENSES.md: the packages that a user installs, and the code of other packages that the build copies into
 * the package, with their licenses. Fails if a license is not on the list of accepted ones, also of a development tool.
 *
 *     node scripts/licenses.mjs             writes the file
 *     node scripts/licenses.mjs --check     fails if the file is out of date
 *
 * Run `npm run build` before.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { readBundledPackages } from "./bundledPackages.mjs"
import { embeddedCode } from "./licenses/embeddedCode.mjs"

const root = join(import.meta.dirname, "..")
const read = (...path) => readFileSync(join(root, ...path), "utf8")

/** Licenses of what a user receives. All permit use in products under other licenses, if the copyright lines are kept. */
const accepted = new Set(["MIT", "ISC", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "PostgreSQL"])
/** Licenses of tools that develop and test the package, and are not part of it. */
const acceptedForTools = new Set([
  ...accepted,
  "MPL-2.0",
  "BlueOak-1.0.0",
  "Unlicense",
  "Python-2.0",
  "CC0-1.0",
  "WTFPL",
  "CC BY-SA 4.0"
])

const manifestOf = (name) => JSON.parse(read("node_modules", name, "package.json"))

/** The packages that a user installs: dependencies, peers, and what these need. */
const installed = new Set()
const install = (names) => {
  for (const name of names) {
    if (installed.has(name)) continue
    installed.add(name)
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifestOf(name)
    const peers = Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta[peer]?.optional !== true)
    install([...Object.keys(dependencies), ...peers])
  }
}
const own = JSON.parse(read("package.json"))
install([...Object.keys(own.dependencies), ...Object.keys(own.peerDependencies)])

const bundles = readBundledPackages()
if (Object.keys(bundles).length < 2) throw new Error("There is no complete dist/bundled.json: run `npm run build`.")

const names = [...new Set([...installed, ...Object.values(bundles).flatMap(({ packages }) => packages)])].sort((a, b) =>
  a < b ? -1 : 1
)
const packages = names.map((name) => {
  const { license, version } = manifestOf(name)
  const where = [
    ...(installed.has(name) ? ["installed with the package"] : []),
    ...Object.entries(bundles).flatMap(([bundle, { packages: inIt }]) =>
      inIt.includes(name) ? [`in the ${bundle}`] : []
    )
  ]
  const file = readdirSync(join(root, "node_modules", name)).find((entry) => /^licen[sc]e/i.test(entry))
  if (file === undefined) throw new Error(`${name} has no file with its license: add its text to scripts/licenses/.`)
  const notice = readdirSync(join(root, "node_modules", name)).find((entry) => /^notice/i.test(entry))
  const texts = [file, ...(notice === undefined ? [] : [notice])].map((entry) => read("node_modules", name, entry))
  return { name, version, license, where: where.join("; "), text: texts.join("\n\n") }
})

const problems = [...packages, ...embeddedCode].flatMap(({ license, name }) =>
  accepted.has(license) ? [] : [`${name} has the license ${license}, which is not accepted for what a user receives.`]
)
for (const { findSource, name, source } of embeddedCode) {
  const found = findSource()
  if (found !== source) {
    problems.push(`${name} comes from ${found} now, not from ${source}: check its text, and update scripts/licenses/.`)
  }
}

/** Every lock file of the repository. Packages of other platforms have no license there; their parents have. */
const locks = [".", "bench", ...readdirSync(join(root, "scripts")).map((name) => `scripts/${name}`)]
  .map((folder) => join(folder, "package-lock.json"))
  .filter((lock) => existsSync(join(root, lock)))
/** Licenses that are in the packages' files, and not in their manifests. */
const statedElsewhere = new Map([
  // Both licenses, by author, while the project changes from the first to the second.
  ["inspector", "(MIT OR Apache-2.0)"],
  ["reserved", "MIT"]
])
const isAccepted = (license) =>
  license.startsWith("(") ? license.slice(1, -1).split(" OR ").some(isAccepted) : acceptedForTools.has(license)
for (const lock of locks) {
  for (const [path, entry] of Object.entries(JSON.parse(read(lock)).packages)) {
    const name = path.replace(/.*node_modules\//, "")
    const license = statedElsewhere.get(name) ?? entry.license
    // A lock states no license of packages for other platforms. The packages that need them have the same license.
    if (path === "" || (license === undefined && entry.optional)) continue
    if (license === undefined || !isAccepted(license)) {
      problems.push(`${lock}: ${name} has the license ${license}, which is not accepted for a tool.`)
    }
  }
}
if (problems.length > 0) {
  console.error(problems.join("\n"))
  process.exit(1)
}

const tidy = (text) =>
  text
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .join("\n")
    .trim()
/** The text of a comment in JavaScript. */
const uncomment = (comment) =>
  tidy(
    comment
      .replace(/^\/\*[*/]*\n?|[/*]*\*\/$/g, "")
      .replaceAll(/^[ \t]*\* ?/gm, "")
      .replace(/\n@\w[^]*$/, "")
  )

/** License texts with what they belong to. Packages with the same text share it. */
const sections = new Map()
for (const { name, text } of packages) sections.set(tidy(text), [...(sections.get(tidy(text)) ?? []), name])
for (const { name, text } of embeddedCode) sections.set(tidy(read("scripts/licenses", text)), [name])
const notices = new Map()
for (const { notices: found } of Object.values(bundles)) {
  for (const [module, comments] of Object.entries(found)) {
    const text = comments.map(uncomment).join("\n\n")
    notices.set(text, [...(notices.get(text) ?? []), module])
  }
}

const block = (text) => `\`\`\`text\n${text}\n\`\`\`\n`
const rows = [...packages, ...embeddedCode].map(
  ({ license, name, version, where }) => `| ${name} | ${version} | ${license} | ${where} |`
)
const page = `# Licenses of third parties

\`mosaic-backlog\` has the license in LICENSE. This file lists the code of others: the packages that npm installs with it, in the
versions that this release was tested with, and the code that the package contains. \`npm run licenses\` writes this file.

| name | version | license | where |
|---|---|---|---|
${rows.join("\n")}

## Texts

${[...sections].map(([text, of]) => `### ${of.join(", ")}\n\n${block(text)}`).join("\n")}
## Notices

Bundled packages contain code that comes from elsewhere. This is what their files state about it.

${[...notices].map(([text, of]) => `### ${of.join(", ")}\n\n${block(text)}`).join("\n")}`

const target = join(root, "THIRD-PARTY-LICENSES.md")
if (process.argv.includes("--check")) {
  if (!existsSync(target) || readFileSync(target, "utf8") !== page) {
    console.error("THIRD-PARTY-LICENSES.md is out of date: run `npm run licenses`.")
    process.exit(1)
  }
} else {
  writeFileSync(target, page)
  console.log(`wrote THIRD-PARTY-LICENSES.md: ${rows.length} entries`)
}
