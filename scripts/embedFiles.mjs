/** Embeds the version and the migrations of this package into the built modules: see src/services/embeddedFiles.ts. */
import { writeFileSync } from "node:fs"
import { packageVersion, readMigrationFiles } from "../dist/services/packageFiles.js"

writeFileSync(
  new URL("../dist/services/embeddedFiles.js", import.meta.url),
  `export const embeddedVersion = ${JSON.stringify(packageVersion())}
export const embeddedMigrations = ${JSON.stringify(readMigrationFiles(), null, 2)}
`
)
