import { readFileSync } from "node:fs"
import { join } from "node:path"

const read = (path) => readFileSync(join(import.meta.dirname, "../../node_modules", path), "utf8")

/**
 * Code of other projects that the package contains and that is not a package here. `source` is what the text in this folder was
 * checked for.
 */
export const embeddedCode = [
  {
    name: "swagger-ui",
    version: "5.31.0",
    license: "Apache-2.0",
    where: "in `effect`, and so in the command line: the page `/docs` of the server",
    text: "swagger-ui.txt",
    source: "swagger-ui 5.31.0",
    findSource: () =>
      `swagger-ui ${/PACKAGE_VERSION:\\*"([\d.]+)/.exec(read("effect/dist/http-api/internal/httpApiSwagger.js"))?.[1]}`
  },
  {
    name: "PostgreSQL",
    version: "18.6",
    license: "PostgreSQL",
    where: "the system tables in `template/`; in `@electric-sql/pglite`",
    text: "postgresql.txt",
    source: "PGlite 0.5.16",
    findSource: () => `PGlite ${JSON.parse(read("@electric-sql/pglite/package.json")).version}`
  }
]
