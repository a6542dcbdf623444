import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { read } from "./support/pages.ts"

const root = join(import.meta.dirname, "../..")

/** Pages that name tests and source files as evidence. */
const pages = ["docs/architecture.md", "docs/guarantees.md", "docs/proof.md", "docs/faults.md"]

/** What may follow the path that a page gives: pages omit the extensions of tests. */
const endings = ["", ".test.ts", ".ts"]

const pathsOn = (page: string): ReadonlyArray<string> =>
  Array.from(
    read(page).matchAll(/`((?:src|test|scripts|migrations|bench)\/[\w./-]*)`/g),
    ([, path = ""]): string => path
  )

const fileOf = (path: string): string | undefined =>
  endings.map((ending) => path + ending).find((name) => existsSync(join(root, name)))

/** A test's path and the beginning or a part of its name, in quotation marks. */
const namedTestsOn = (page: string): ReadonlyArray<readonly [path: string, name: string]> =>
  Array.from(
    read(page)
      .replaceAll(/\n +/g, " ")
      .matchAll(/`(test\/[\w./-]+)` "([^"]+)"/g),
    ([, path = "", name = ""]) => [path, name] as const
  )

interface Step {
  readonly files: ReadonlyArray<string>
  readonly functions: ReadonlyArray<string>
}

/** The steps of the claim in architecture.md. A file without a folder is in the folder of the file before it. */
const steps: ReadonlyArray<Step> = Array.from(
  read("docs/architecture.md").matchAll(/^\| \d+ \| (`src[^|]*) \| ([^|]*) \|/gm),
  ([, files = "", functions = ""]) => {
    let folder = ""
    return {
      files: names(files).map((file) => {
        if (file.includes("/")) folder = file.replace(/[^/]*$/, "")
        return file.includes("/") ? file : folder + file
      }),
      functions: names(functions)
    }
  }
)

function names(cell: string): ReadonlyArray<string> {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = ""]) => name)
}

describe("the files that the pages name", () => {
  it.each(pages)("every file that %s names exists", (page) => {
    const paths = pathsOn(page)
    expect(paths.length).toBeGreaterThan(0)
    expect(paths.filter((path) => fileOf(path) === undefined)).toEqual([])
  })

  it("every test that docs/faults.md names without a folder is in test/proof", () => {
    const rows = Array.from(read("docs/faults.md").matchAll(/^\|.*\| ([^|]*) \|$/gm), ([, cell = ""]) => cell)
    const short = rows.flatMap(names).filter((name) => /^[a-z]\w*$/i.test(name))
    expect(short.length).toBeGreaterThan(10)
    expect(short.filter((name) => fileOf(`test/proof/${name}`) === undefined)).toEqual([])
  })

  it("every test that docs/guarantees.md names by its title exists", () => {
    const tests = namedTestsOn("docs/guarantees.md")
    expect(tests.length).toBeGreaterThan(0)
    expect(tests.filter(([path, name]) => !read(fileOf(path) ?? path).includes(name))).toEqual([])
  })

  it("every function in the steps of docs/architecture.md is in one of the files of its step", () => {
    expect(steps.length).toBeGreaterThan(5)
    for (const { files, functions } of steps) {
      const sources = files.map(read).join("\n")
      expect(functions.length).toBeGreaterThan(0)
      expect([files, functions.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources))]).toEqual([files, []])
    }
  })
})
