/**
 * Writes a software bill of materials (CycloneDX JSON): what npm installs with the package, and what the package contains of
 * other packages.
 *
 *     node scripts/sbom.mjs FILE
 *
 * Run `npm run build` before. Needs no network.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readBundledPackages } from "./bundledPackages.mjs"
import { embeddedCode } from "./licenses/embeddedCode.mjs"

const root = join(import.meta.dirname, "..")
const [target] = process.argv.slice(2)
if (target === undefined) {
  console.error("Usage: node scripts/sbom.mjs FILE")
  process.exit(2)
}
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"))

const npmSbom = (folder, ...options) =>
  JSON.parse(
    execFileSync(
      "npm",
      ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "library", "--package-lock-only", ...options],
      {
        cwd: folder,
        encoding: "utf8",
        maxBuffer: 64 * 1024 * 1024
      }
    )
  )

/** What a user installs. Peers are development dependencies here too, and npm omits them as such. */
const installedSbom = () => {
  const folder = mkdtempSync(join(tmpdir(), "backlog-sbom-"))
  try {
    const { devDependencies: _, scripts: __, ...published } = manifest
    writeFileSync(join(folder, "package.json"), JSON.stringify(published))
    const { "": own, ...others } = structuredClone(lock.packages)
    delete own.devDependencies
    for (const entry of Object.values(others)) {
      delete entry.dev
      delete entry.devOptional
    }
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ ...lock, packages: { "": own, ...others } }))
    return npmSbom(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const lockedComponents = () => {
  const folder = mkdtempSync(join(tmpdir(), "backlog-sbom-"))
  try {
    for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(root, name), join(folder, name))
    return npmSbom(folder).components
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const sbom = installedSbom()
sbom.metadata.component.name = manifest.name
sbom.metadata.component["bom-ref"] = `${manifest.name}@${manifest.version}`

const bundles = Object.entries(readBundledPackages())
if (bundles.length < 2) throw new Error("There is no complete dist/bundled.json: run `npm run build`.")
const locked = lockedComponents()
const contains = (name) => bundles.filter(([, { packages }]) => packages.includes(name)).map(([bundle]) => bundle)
for (const name of new Set(bundles.flatMap(([, { packages }]) => packages))) {
  const { version } = lock.packages[`node_modules/${name}`]
  let component = sbom.components.find((one) => one["bom-ref"] === `${name}@${version}`)
  if (component === undefined) {
    component = locked.find((one) => one["bom-ref"] === `${name}@${version}`)
    sbom.components.push(component)
  }
  component.properties = contains(name).map((value) => ({ name: "mosaic-backlog:bundled-in", value }))
}
for (const { license, name, version, where } of embeddedCode) {
  sbom.components.push({
    "bom-ref": `${name}@${version}`,
    type: "library",
    name,
    version,
    scope: "required",
    licenses: [{ license: { id: license } }],
    properties: [{ name: "mosaic-backlog:bundled-in", value: where.replaceAll("`", "") }]
  })
}
sbom.components.sort((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1))

writeFileSync(target, `${JSON.stringify(sbom, null, 2)}\n`)
console.log(`wrote ${target}: ${sbom.components.length} components`)
