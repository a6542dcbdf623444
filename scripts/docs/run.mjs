/*
 * Writes the generated pages of the documentation: docs/configuration.md, docs/errors.md and the others of `referencePages`.
 *
 *     npm run docs:reference
 */
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { rolldown } from "rolldown"

const here = import.meta.dirname
// At the same depth in the package as the sources, because some read files relative to their own path.
const bundled = join(here, `.reference-${process.pid}.mjs`)

try {
  const bundle = await rolldown({
    input: join(here, "referencePages.ts"),
    platform: "node",
    external: (name) => !name.startsWith(".") && !name.startsWith("/") && !name.includes(":\\")
  })
  await bundle.write({ file: bundled, format: "esm", codeSplitting: false })
  await bundle.close()
  const { referencePages } = await import(pathToFileURL(bundled).href)
  for (const { page, text } of await referencePages()) {
    writeFileSync(join(here, "..", "..", page), text)
    console.log(page)
  }
} finally {
  rmSync(bundled, { force: true })
}
