import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type Block, blocksOn, pages, read } from "./support/pages.ts"

/** Blocks of a page, selected by language and by contents. */
interface Kind {
  readonly language: string | RegExp
  readonly having?: string | RegExp
}

/** The test that runs them, or the reason why none does. */
type Looked = { readonly by: string } | { readonly why: string }

const anywhere: ReadonlyArray<Kind & Looked> = [
  {
    language: /^(sh|indented)$/,
    having: /^(?:(?:npm|npx vitest|node bench).*\n)+$/,
    why: "it installs, tests or measures everything, which takes minutes to hours"
  }
]

const kinds: Readonly<Record<string, ReadonlyArray<Kind & Looked>>> = {
  "README.md": [{ language: "ts", by: "test/docs/readme.test.ts" }],
  "docs/agents.md": [
    { language: /^(sh|text|json)$/, by: "test/docs/tutorials.test.ts" },
    { language: "toml", why: "it is a configuration of another program" },
    { language: "markdown", why: "it instructs a model" }
  ],
  "CONTRIBUTING.md": [{ language: "indented", having: "src/domain/", why: "it is a list of folders" }],
  "llms.txt": [{ language: /^(sh|ts|json)$/, by: "test/docs/llms.test.ts" }],
  "docs/architecture.md": [{ language: "indented", by: "test/docs/statements.test.ts" }],
  "docs/auditing.md": [
    { language: "ts", by: "test/docs/programs.test.ts" },
    { language: /^(console|indented|)$/, by: "test/docs/commands.test.ts" }
  ],
  "docs/backup-and-restore.md": [{ language: /^(sh|indented)$/, by: "test/docs/backupAndRestore.test.ts" }],
  "docs/command-line.md": [
    { language: /^(indented|)$/, by: "test/docs/commands.test.ts" },
    { language: "sh", by: "test/docs/bash.test.ts" }
  ],
  "docs/embedded.md": [{ language: "indented", by: "test/docs/commands.test.ts" }],
  "docs/events.md": [{ language: "json", by: "test/docs/reference.test.ts" }],
  "docs/evolution.md": [{ language: /^(json|ts)$/, by: "test/docs/programs.test.ts" }],
  "docs/faults.md": [{ language: "indented", by: "test/docs/statements.test.ts" }],
  "docs/first-hour.md": [
    { language: "sh", having: "npm install mosaic-backlog", why: "it installs the package from a registry" },
    { language: /^(sh|text)$/, by: "test/docs/tutorials.test.ts" }
  ],
  "docs/high-availability.md": [
    { language: /^(yaml|haproxy|sql|indented)$/, by: "test/docs/highAvailability.test.ts" }
  ],
  "docs/http.md": [
    { language: "http", by: "test/docs/http.test.ts" },
    { language: "ts", by: "test/docs/programs.test.ts" },
    { language: /^(sh|indented)$/, by: "test/http/docs.test.ts" }
  ],
  "docs/import.md": [{ language: /^(console|sql|json .*|markdown .*)$/, by: "test/import/docs.test.ts" }],
  "docs/library.md": [{ language: "ts", by: "test/docs/programs.test.ts" }],
  "docs/mcp.md": [{ language: /^(json|tool|ts)$/, by: "test/mcp/docs.test.ts" }],
  "docs/moving.md": [{ language: /^(sql|indented)$/, by: "test/docs/moving.test.ts" }],
  "docs/operations.md": [
    { language: /^(nginx|caddy|haproxy)$/, by: "test/security/proxyExamples.test.ts" },
    { language: "yaml", by: "test/docs/alerts.test.ts" },
    { language: /^(sh|indented)$/, by: "test/http/docs.test.ts" }
  ],
  "docs/roles.md": [
    { language: "indented", having: "may not apply migration", why: "it is an error message, which test/proof checks" },
    { language: /^(sql|indented)$/, by: "test/docs/statements.test.ts" }
  ],
  "docs/troubleshooting.md": [
    { language: "sh", having: "<<'END'", by: "test/docs/bash.test.ts" },
    { language: /^(sh|sql|text)$/, by: "test/docs/troubleshooting.test.ts" },
    { language: "indented", having: "SyntaxError", why: "it is the error of a version of Node that is not supported" }
  ],
  "docs/upgrading.md": [{ language: "sql", by: "test/services/schema/functions.test.ts" }],
  "docs/security.md": [{ language: /^(sh|ts)$/, by: "test/http/docs.test.ts" }],
  "docs/testing.md": [
    { language: "ts", by: "test/proof/testingDocs.test.ts" },
    { language: "text", by: "test/proof/faultyServices.test.ts" }
  ],
  "docs/what-happened.md": [{ language: /^(sh|text)$/, by: "test/docs/tutorials.test.ts" }],
  "docs/worker.md": [{ language: /^(console|ts)$/, by: "test/worker/docs.test.ts" }]
}

const isOf = ({ having = "", language }: Kind, block: Block): boolean =>
  (typeof language === "string" ? language === block.language : language.test(block.language)) &&
  (typeof having === "string" ? block.text.includes(having) : having.test(block.text))

const title = (page: string, { line }: Block): string => `${page}:${line}`

describe("the blocks of code on the pages", () => {
  const found = pages.flatMap((page) =>
    blocksOn(page).map((block) => ({
      page,
      block,
      kind: [...anywhere, ...(kinds[page] ?? [])].find((kind) => isOf(kind, block))
    }))
  )

  it("every block is run by a test or has a reason", () => {
    expect(found.length).toBeGreaterThan(60)
    expect(found.filter(({ kind }) => kind === undefined).map(({ block, page }) => title(page, block))).toEqual([])
  })

  it("every entry has a block, and its test names the page", () => {
    for (const [page, all] of Object.entries(kinds)) {
      for (const kind of all) {
        expect([page, kind, found.some((one) => one.kind === kind)]).toEqual([page, kind, true])
        if (!("by" in kind)) continue
        expect([kind.by, existsSync(join(import.meta.dirname, "../..", kind.by))]).toEqual([kind.by, true])
        expect([kind.by, read(kind.by)]).toEqual([
          kind.by,
          expect.stringMatching(new RegExp(page.replace("docs/", "")))
        ])
      }
    }
  })

  const unlooked = found.flatMap(({ block, kind, page }) =>
    kind !== undefined && "why" in kind ? [[title(page, block), kind.why] as const] : []
  )
  it.for(unlooked)("the block %s is not run", ([, why], context) => context.skip(why))
})
