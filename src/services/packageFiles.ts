import { readFileSync } from "node:fs"

/**
 * Files of this package. Both programs are bundled into folders as deep as this module's: a path to the package's root
 * works in this file, and not in a deeper one.
 */
const packageRoot = new URL("../../", import.meta.url)

/** The folder of the migrations that ship with this program. */
export const migrationsDirectory = new URL("migrations/", packageRoot)

/** The folder of the template of new embedded databases. `npm run build` creates it. */
export const templateDirectory = new URL("template/", packageRoot)

/** The version of this package. */
export const packageVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("package.json", packageRoot), "utf8"))
  return (manifest as { readonly version: string }).version
}
