import { read } from "./pages.ts"

/** Where the package's own files are, for whoever uses the package. */
const named = (source: string): string =>
  source
    .replaceAll(/"(?:\.\.\/)+src\/(http|mcp|testing|worker)\/index\.ts"/g, '"mosaic-backlog/$1"')
    .replaceAll(/"(?:\.\.\/)+src\/index\.ts"/g, '"mosaic-backlog"')

/** A file of test/docs/examples, or another, as it stands on a page: its imports are the package's. */
export const exampleOf = (path: string): string => named(read(path.includes("/") ? path : `test/docs/examples/${path}`))

/** Whether lines stand in a text, at whatever depth. */
export const standsIn = (lines: string, text: string): boolean => {
  const depths = new Set(text.split("\n").map((line) => /^ */.exec(line)?.[0] ?? ""))
  return [...depths].some((depth) => text.includes(lines.replaceAll(/^(?=.)/gm, depth)))
}
