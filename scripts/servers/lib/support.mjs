/**
 * Bundles the TypeScript helpers of the tests that this script uses: starting a server, and functions that shadow
 * names.
 */
import { mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const here = new URL("../", import.meta.url)
const built = new URL("node_modules/.support/", here)

export const loadSupport = async () => {
  mkdirSync(built, { recursive: true })
  const names = ["postgresServer", "sessionSettings"]
  const bundle = await rolldown({
    input: Object.fromEntries(
      names.map((name) => [name, fileURLToPath(new URL(`../../test/support/${name}.ts`, here))])
    ),
    platform: "node",
    external: [/^effect/, /^@effect/]
  })
  await bundle.write({ dir: fileURLToPath(built), format: "esm", entryFileNames: "[name].js" })
  await bundle.close()
  const [{ startPostgres }, { createShadows }] = await Promise.all(
    names.map((name) => import(new URL(`${name}.js`, built).href))
  )
  return { startPostgres, createShadows }
}
