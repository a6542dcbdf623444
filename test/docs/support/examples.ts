import { read } from "./pages.ts"

/** The package's files, by their import names. */
const named = (source: string): string =>
  source
    .replaceAll(/"(?:\.\.\/)+src\/(http|mcp|testing|worker)\/index\.ts"/g, '"mosaic-backlog/$1"')
    .replaceAll(/"(?:\.\.\/)+src\/index\.ts"/g, '"mosaic-backlog"')

/** Returns a file with the package's import names, as a page shows it. */
export const exampleOf = (path: string): string => named(read(path.includes("/") ? path : `test/docs/examples/${path}`))

/** Returns whether a text contains lines at any indentation. */
export const standsIn = (lines: string, text: string): boolean => {
  const depths = new Set(text.split("\n").map((line) => /^ */.exec(line)?.[0] ?? ""))
  return [...depths].some((depth) => text.includes(lines.replaceAll(/^(?=.)/gm, depth)))
}
