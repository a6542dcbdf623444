import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { embeddedMigrations, embeddedVersion, type TextFile } from "./embeddedFiles.ts"

/**
 * A file of this package. Both programs are bundled into folders as deep as this module's: a path to the package's root works
 * in this file, and not in a deeper one. Not evaluated at import: a bundle may have no `import.meta.url`.
 */
const packageFile = (path: string): URL => new URL(`../../${path}`, import.meta.url)

/** The version of this package. */
export const packageVersion = (): string => embeddedVersion ?? readVersion()

const readVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"))
  return (manifest as { readonly version: string }).version
}

/**
 * The migrations of this package, in order. Reads files synchronously: while an embedded database compiles its code on all
 * processors, each asynchronous read takes 0.1 seconds.
 */
export const readMigrationFiles = (): ReadonlyArray<TextFile> => embeddedMigrations ?? readMigrationFolder()

const readMigrationFolder = (): ReadonlyArray<TextFile> => {
  const folder = packageFile("migrations/")
  return readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8").replaceAll("\r\n", "\n") }))
}

/** The folder of the board's page and its assets, which `npm run build` creates. A bundled program may have none. */
export const boardDirectory = (): string | undefined => packageDirectory("dist/board/")

/**
 * The folder of the template of new embedded databases, which `npm run build` creates. A bundled program may have none: then
 * creating a database takes some seconds.
 */
export const templateDirectory = (): string | undefined => packageDirectory("template/")

const packageDirectory = (path: string): string | undefined => {
  try {
    return fileURLToPath(packageFile(path))
  } catch {
    return undefined
  }
}
