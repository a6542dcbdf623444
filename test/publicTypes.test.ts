import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, inject, it } from "vitest"
import { findUnexportedTypes } from "./support/publicTypes.ts"

const root = join(import.meta.dirname, "..")

/** Writes declarations, the first of which is the entry, and checks them. */
const check = (files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const folder = mkdtempSync(join(inject("scratch"), "types-"))
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return path
  })
  return findUnexportedTypes(paths.slice(0, 1))
}

describe("every type in a public signature is exported", () => {
  it("by an entry of the package", () => {
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly exports: Readonly<Record<string, { readonly types?: string }>>
    }
    const entries = Object.values(exports).flatMap(({ types }) => (types === undefined ? [] : [join(root, types)]))
    expect(entries.length).toBeGreaterThan(4)
    expect(findUnexportedTypes(entries)).toEqual([])
  })

  it.each([
    ["a local type", "interface Hidden {}\nexport declare const f: (x: ReadonlyArray<Hidden>) => void", "f: Hidden"],
    ["a type of another file", 'import type { T } from "./b.ts"\nexport interface I { readonly t: T }', "I: T"],
    ["a type by import()", 'export declare const f: () => import("./b.ts").T', "f: T"],
    ["the type of a value", 'import { v } from "./b.ts"\nexport type V = typeof v.x', "V: v"],
    ["a base", 'import { C } from "./b.ts"\nexport declare class D extends C {}', "D: C"],
    [
      "a base that the compiler names",
      "type T = 1\ndeclare const D_base: new () => T\nexport declare class D extends D_base {}",
      "D: T"
    ],
    ["a type in a namespace", 'export * as N from "./c.ts"', "f: T"]
  ])("%s is found", (_, text, problem) => {
    const others = {
      "b.d.ts": "export type T = 1\nexport declare const v: { x: 1 }\nexport declare class C {}",
      "c.d.ts": 'import type { T } from "./b.ts"\nexport declare const f: () => T'
    }
    expect(check({ "a.d.ts": text, ...others })).toEqual([problem])
    expect(check({ "a.d.ts": `${text}\nexport { T, v, C } from "./b.ts"`, ...others })).toEqual(
      problem.endsWith("Hidden") || text.startsWith("type T") ? [problem] : []
    )
  })
})
