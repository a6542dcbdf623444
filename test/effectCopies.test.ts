import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { describe, expect, inject, it } from "vitest"

const root = join(import.meta.dirname, "..")
const entry = (path: string) => JSON.stringify(pathToFileURL(join(root, "dist", path)).href)

const layers = {
  layerPglite: `(await import(${entry("index.js")})).layerPglite()`,
  layerPostgres: `(await import(${entry("index.js")})).layerPostgres({ url: "postgres://127.0.0.1:1/none" })`,
  layerHttp: `(await import(${entry("http/index.js")})).layerHttp({ url: "http://127.0.0.1:1" })`
}

/**
 * Builds a layer with the Effect that a project elsewhere has installed. Symbolic links are copies of their own with
 * `--preserve-symlinks`.
 */
const build = async (layer: string, ...flags: ReadonlyArray<string>) => {
  const project = mkdtempSync(join(inject("scratch"), "copies-"))
  mkdirSync(join(project, "node_modules"))
  symlinkSync(join(root, "node_modules/effect"), join(project, "node_modules/effect"))
  const program = join(project, "program.mjs")
  writeFileSync(
    program,
    `import { Effect, Layer } from "effect"
const layer = ${layer}
await Effect.runPromise(Effect.scoped(Layer.build(layer))).then(() => console.log("built"), (error) => console.log(String(error)))`
  )
  return {
    project,
    output: (await promisify(execFile)(process.execPath, [...flags, program], { timeout: 60_000 })).stdout
  }
}

describe("a program with a second copy of Effect", () => {
  it.each(Object.entries(layers))("is refused by %s, which names both copies", async (_, layer) => {
    const { output, project } = await build(layer, "--preserve-symlinks", "--preserve-symlinks-main")
    expect(output).toContain("The program has two copies of effect.")
    expect(output).toContain(join(root, "node_modules/effect"))
    expect(output).toContain(join(project, "node_modules/effect"))
  })

  it("is refused only then", async () => {
    expect((await build(layers.layerHttp)).output).toBe("built\n")
  })
})
