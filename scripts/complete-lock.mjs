/**
 * Adds to package-lock.json the packages of other platforms that the registry in use does not serve.
 *
 * Native tools come as one optional package a platform. A registry that lacks some of them makes `npm install` leave
 * them out of the lock, and `npm ci` then refuses the lock on every platform. Their names and exact versions stand in
 * the packages that ask for them; what they run on stands in their names.
 */
import { readFileSync, writeFileSync } from "node:fs"

const file = new URL("../package-lock.json", import.meta.url)
const lock = JSON.parse(readFileSync(file, "utf8"))

/** "…-linux-x64-musl" → { os: ["linux"], cpu: ["x64"], libc: ["musl"] } */
const platformOf = (name) => {
  const words = name.split(/[-/]/)
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

/** Where npm looks for a package that the package at `path` asks for: beside its own, then further up. */
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
      lock.packages[place] = { version, ...platformOf(name), ...inherited, optional: true }
      added.push(`${name}@${version}`)
    }
  }
}
const { "": root, ...packages } = lock.packages
lock.packages = { "": root, ...Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))) }
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? "package-lock.json is complete." : `Added to package-lock.json:\n${added.join("\n")}`)
