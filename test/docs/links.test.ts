import { describe, expect, it } from "vitest"
import { countLinks, findDeadLinks, findDeadLinksOfPages, findDeadMentions } from "../../site/lib/links.mjs"
import { entriesOf, findNavigationProblems, listPages, readNavigation, slugify } from "../../site/lib/pages.mjs"

describe("the links of the pages", () => {
  it("every link leads to a file, and to a heading if it names one", () => {
    expect(countLinks()).toBeGreaterThan(400)
    expect(findDeadLinksOfPages()).toEqual([])
  })

  it("every page that the sources mention exists", () => {
    expect(findDeadMentions()).toEqual([])
  })

  it.each([
    ["[a](missing.md)", "missing.md leads to docs/missing.md, which does not exist"],
    ["![a](images/missing.png)", "images/missing.png leads to docs/images/missing.png, which does not exist"],
    ["[a](limits.md#missing)", "limits.md#missing leads to a heading that docs/limits.md does not have"],
    ["[a](../README.md#missing)", "../README.md#missing leads to a heading that README.md does not have"],
    ["[a](#missing)", "#missing leads to a heading that docs/mcp.md does not have"],
    ["[a]\n\n[a]: missing.md", "missing.md leads to docs/missing.md, which does not exist"],
    ["[the\ntext](missing.md)", "missing.md leads to docs/missing.md, which does not exist"],
    ['<img src="missing.png">', "missing.png leads to docs/missing.png, which does not exist"],
    ["[a](/docs/limits.md)", "/docs/limits.md is absolute, which works in one place only"]
  ])("%j is dead", (text, problem) => {
    expect(findDeadLinks("docs/mcp.md", text)).toEqual([expect.stringContaining(problem)])
  })

  it.each([
    "`[a](missing.md)`",
    "```\n[a](missing.md)\n```",
    "text\n\n    [a](missing.md)",
    "<!-- [a](missing.md) -->",
    "[a](https://example.org/missing.md)",
    "# One\n\n# One\n\n[a](#one-1)",
    "# `a` and *b*: c_d\n\n[a](#a-and-b-c_d)"
  ])("%j is not dead", (text) => {
    expect(findDeadLinks("docs/mcp.md", text)).toEqual([])
  })

  it("ids of headings are those of GitHub", () => {
    expect(["Backlog and actor", "HTTP/1.1, `--db` & more", "What's a *card*?", "0.13 to 0.14"].map(slugify)).toEqual([
      "backlog-and-actor",
      "http11---db--more",
      "whats-a-card",
      "013-to-014"
    ])
  })
})

describe("the navigation", () => {
  it("lists every page once, and only pages that exist", () => {
    expect(findNavigationProblems()).toEqual([])
    expect(readNavigation().flatMap(entriesOf).length).toBeGreaterThan(listPages().length / 3)
  })

  it("has the four kinds of pages", () => {
    expect(readNavigation().map(({ title }) => title)).toEqual(["Start", "How-to", "Reference", "Explanation"])
  })
})
