/** The packages of the clients, and the Node on which they run. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../node_modules/", import.meta.url))

/** The path of a file in a package. */
export const fileOf = (name, path) => join(folder, name, path)

/** The version of a package. */
export const versionOf = (name) => JSON.parse(readFileSync(fileOf(name, "package.json"), "utf8")).version

/** The oldest Node that all clients run on. */
const oldest = [22, 19]

const isOldEnough = ([major, minor]) => major > oldest[0] || (major === oldest[0] && minor >= oldest[1])

/** The program of Node for clients that need a newer one than this, or why there is none. */
export const newerNode = () => {
  if (isOldEnough(process.versions.node.split(".").map(Number))) return { program: process.execPath }
  const name = `node-${process.platform}-${process.arch}`
  const program = fileOf(name, "bin/node")
  return existsSync(program)
    ? { program }
    : { missing: `it needs Node ${oldest.join(".")}, and the package ${name} is not installed` }
}
