/** Generates the API reference from the sources: a page for each module that package.json exports, and for each exported name. */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Application } from "typedoc"
import { collected } from "./collect.mjs"
import { root } from "./pages.mjs"

const { exports, name: packageName } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** The modules: the name that programs import, and the source file. */
export const modules = Object.entries(exports).flatMap(([path, { types }]) =>
  types === undefined
    ? []
    : [
        {
          name: join(packageName, path),
          source: types.replace("./dist/", "src/").replace(/\.d\.ts$/, ".ts")
        }
      ]
)

/**
 * Writes the reference to the collected pages. `npm run typecheck` checks the types, so TypeDoc does not. Members that classes inherit
 * from Effect are left out: they were nine tenths of the reference.
 */
export const writeReference = async () => {
  const out = join(collected, "api")
  rmSync(out, { recursive: true, force: true })
  const app = await Application.bootstrapWithPlugins({
    entryPoints: modules.map(({ source }) => join(root, source)),
    tsconfig: join(root, "tsconfig.json"),
    plugin: ["typedoc-plugin-markdown"],
    name: "API",
    readme: "none",
    entryFileName: "index",
    outputFileStrategy: "members",
    logLevel: "Warn",
    skipErrorChecking: true,
    excludeExternals: true,
    excludePrivate: true,
    disableSources: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    parametersFormat: "table",
    interfacePropertiesFormat: "table",
    classPropertiesFormat: "table",
    typeAliasPropertiesFormat: "table",
    propertyMembersFormat: "table",
    typeDeclarationFormat: "table",
    tableColumnSettings: {
      hideInherited: true,
      hideOverrides: true,
      hideSources: true,
      hideModifiers: true,
      hideDefaults: true
    }
  })
  const project = await app.convert()
  for (const { name, source } of modules) {
    // TypeDoc calls src/http/index.ts "http", and src/index.ts "index".
    const found = project?.children?.find(
      (child) => join("src", child.name, "index.ts") === source || `src/${child.name}.ts` === source
    )
    if (found === undefined) throw new Error(`TypeDoc has not found ${source}`)
    found.name = name
  }
  app.options.setValue("out", out)
  await app.generateOutputs(project)
  if (app.logger.hasErrors()) throw new Error("TypeDoc has reported errors")
}
