import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { cardVariables, environmentVariables } from "../../src/cli/environmentVariables.ts"
import { decodeEvent, type EncodedEvent, upcasters } from "../../src/events/EventCodec.ts"
import { supportedSettings, unsupportedSettings } from "../../src/services/postgres/connectionSettings.ts"
import { command } from "../../scripts/docs/markdown.ts"
import { referencePages } from "../../scripts/docs/referencePages.ts"
import { readFile, sourcePaths } from "../../scripts/docs/sourceDocs.ts"
import { pages, read, textsOn } from "./support/pages.ts"

const generated = await referencePages()

const cardNames = new Set(Object.keys(cardVariables))

describe("the generated reference pages", () => {
  it.for(generated)("$page equals what the code generates", ({ page, text }) => {
    const problem = read(page) === text ? "" : `${page} is stale. Run \`${command}\`, and commit the page.`
    expect(problem).toBe("")
  })

  it.for(generated)("$page names the command that writes it", ({ page, text }) => {
    expect([page, text]).toEqual([page, expect.stringContaining(`\`${command}\``)])
  })

  it("their tables have the same number of cells in every row", () => {
    const uneven = generated.flatMap(({ page, text }) => {
      let columns: number | undefined
      return text.split("\n").flatMap((line, index) => {
        if (!line.startsWith("|")) {
          columns = undefined
          return []
        }
        const cells = line.replaceAll("\\|", "").split("|").length
        columns ??= cells
        return cells === columns ? [] : [`${page}:${index + 1}`]
      })
    })
    expect(uneven).toEqual([])
  })

  it("they contain no element or expression outside of code", () => {
    const found = generated.flatMap(({ page, text }) =>
      text
        .replaceAll(/^```.*?^```$/gms, "")
        .replaceAll(/``.*?``|`[^`\n]*`/g, "")
        .replaceAll(/<!--.*?-->/gs, "")
        .split("\n")
        .filter((line) => /<[a-zA-Z/]|\{\{/.test(line))
        .map((line) => `${page}: ${line}`)
    )
    expect(found).toEqual([])
  })

  it("their links lead to a page and a heading", () => {
    const anchors = new Map(pages.map((page) => [page, anchorsOf(read(page))]))
    const broken = generated.flatMap(({ page, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].flatMap(([link, path = "", anchor]) => {
        const target = path === "" ? page : `docs/${path}`
        if (!target.endsWith(".md") || target.startsWith("docs/decisions/")) return []
        const known = anchors.get(target)
        return known === undefined || (anchor !== undefined && !known.has(anchor)) ? [`${page}: ${link}`] : []
      })
    )
    expect(broken).toEqual([])
  })
})

/** The anchors of the headings on a page. A repeated heading gets a number. */
const anchorsOf = (text: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  for (const [, heading = ""] of text.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#+ (.*)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
    let free = anchor
    for (let count = 1; anchors.has(free); count++) free = `${anchor}-${count}`
    anchors.add(free)
  }
  return anchors
}

describe("the examples in docs/events.md", () => {
  const examples = textsOn("docs/events.md", "json").map((text) => JSON.parse(text) as EncodedEvent)

  it.for(examples)("$type of schema version $schemaVersion can be decoded", (example) => {
    expect(Result.isSuccess(decodeEvent(example))).toBe(true)
  })

  it("they contain every type and schema version", () => {
    const expected = Object.entries(upcasters).flatMap(([type, steps]) =>
      Array.from({ length: steps.length + 1 }, (_, index) => `${type} ${index + 1}`)
    )
    expect(examples.map(({ schemaVersion, type }) => `${type} ${schemaVersion}`).toSorted()).toEqual(
      expected.toSorted()
    )
  })
})

describe("the table of environment variables", () => {
  const known = new Set([
    ...Object.keys(environmentVariables),
    ...Object.values(supportedSettings).flatMap(({ variable }) => (variable === null ? [] : [variable])),
    ...Object.values(unsupportedSettings).flatMap(({ variable }) => (variable === null ? [] : [variable]))
  ])
  // What the program sets for a command of its own, with `LC_ALL` and `TZ` for `ps`.
  const set = new Set(["LC_ALL", "TZ"])

  it("contains every variable that the code reads", () => {
    const patterns = [
      /process\.env\.([A-Z][A-Z0-9_]*)/g,
      /\benv\[\s*["'`]([A-Z][A-Z0-9_]*)["'`]\s*\]/g,
      /\.env\.([A-Z][A-Z0-9_]*)/g,
      /\bConfig\.\w+\(\s*["'`]([A-Z][A-Z0-9_]*)["'`]/g,
      /\b(BACKLOG_[A-Z][A-Z_]*[A-Z])\b/g,
      /["'`](OTEL_[A-Z_]+[A-Z])["'`]/g,
      /["'`](PG[A-Z][A-Z_]{2,})["'`]/g
    ]
    const unknown = sourcePaths().flatMap((path) => {
      if (path === "src/cli/environmentVariables.ts") return []
      const text = readFile(path)
      return patterns.flatMap((pattern) =>
        [...text.matchAll(pattern)].flatMap(([, name = ""]) =>
          known.has(name) || set.has(name) || cardNames.has(name) ? [] : [`${path}: ${name}`]
        )
      )
    })
    expect(unknown).toEqual([])
  })

  it("is read in a few files only", () => {
    const files = sourcePaths().filter((path) => /\bprocess\.env\b/.test(readFile(path)))
    expect(files).toEqual([
      "src/cli/ProcessIO.ts",
      "src/cli/shellHandler.ts",
      "src/services/pglite/ProcessIdentity.ts",
      "src/services/pglite/directorySocket.ts",
      "src/services/postgres/serverConfig.ts"
    ])
  })

  it("contains no variable that the code does not read", () => {
    const text = sourcePaths()
      .filter((path) => path !== "src/cli/environmentVariables.ts")
      .map(readFile)
      .join("\n")
    const isRead = (name: string): boolean => text.includes(name) || /^OTEL_.*_(ENDPOINT|EXPORTER)$/.test(name)
    expect(Object.keys(environmentVariables).filter((name) => !isRead(name))).toEqual([])
  })
})
