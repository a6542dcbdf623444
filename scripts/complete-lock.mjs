/**
 * Adds to a package-lock.json the packages of other platforms that the registry in use does not serve.
 *
 *     node scripts/complete-lock.mjs [FOLDER]
 *
 * FOLDER has the lock. Defaults to the repository.
 *
 * Native tools come as one optional package per platform. If a registry lacks some of them, `npm install` omits them from
 * the lock, and `npm ci` then refuses the lock on every platform. Their names and exact versions are in the packages that
 * depend on them, and their platforms are in their names.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const [folder = fileURLToPath(new URL("..", import.meta.url))] = process.argv.slice(2)
const file = join(folder, "package-lock.json")
const lock = JSON.parse(readFileSync(file, "utf8"))

/** "…-linux-x64-musl" → { os: ["linux"], cpu: ["x64"], libc: ["musl"] } */
const platformOf = (name) => {
  const words = name.split(/[-/]/).map((word) => (word === "windows" ? "win32" : word))
  const pick = (known) => words.filter((word) => known.includes(word)).slice(0, 1)
  const os = pick([
    "darwin",
    "linux",
    "win32",
    "android",
    "freebsd",
    "openharmony",
    "netbsd",
    "openbsd",
    "sunos",
    "aix"
  ])
  const cpu = pick(["arm64", "x64", "ia32", "arm", "ppc64", "riscv64", "s390x", "loong64", "wasm32"])
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : words.includes("gnu") ? ["glibc"] : []
  return { ...(os.length > 0 && { os }), ...(cpu.length > 0 && { cpu }), ...(libc.length > 0 && { libc }) }
}

/** Returns the paths where npm resolves a dependency of the package at `path`: next to it, then in its parents. */
const placesFrom = (path, name) => {
  const parts = path.split("/node_modules/")
  const parents = parts.map((_, index) => parts.slice(0, parts.length - index).join("/node_modules/"))
  return [...parents.map((parent) => `${parent}/node_modules/${name}`), `node_modules/${name}`]
}

const added = []
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const exact = /^\d/.test(version)
    const found = placesFrom(path, name)
      .map((place) => lock.packages[place])
      .find((known) => known !== undefined)
    if (found === undefined || (exact && found.version !== version)) {
      const place =
        lock.packages[`node_modules/${name}`] === undefined ? `node_modules/${name}` : `${path}/node_modules/${name}`
      const inherited = entry.dev === true ? { dev: true } : {}
      // The lowest version of a range: which others exist is not known.
      lock.packages[place] = {
        version: version.replace(/^[\^~]/, ""),
        ...platformOf(name),
        ...inherited,
        optional: true
      }
      added.push(`${name}@${version}`)
    }
  }
}
const { "": root, ...packages } = lock.packages
lock.packages = { "": root, ...Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))) }
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? "package-lock.json is complete." : `Added to package-lock.json:\n${added.join("\n")}`)
