import { textsOn } from "../docs/support/pages.ts"

/** The statements of `docs/upgrading.md` that remove migrations 11 to 18 from a backlog. */
export const wayBack = (schema: string): ReadonlyArray<string> =>
  textsOn("docs/upgrading.md", "sql")
    .slice(0, 6)
    .join("\n")
    .replaceAll("search_path = backlog", `search_path = ${schema}`)
    .split(/;\n/)
    .filter((statement) => !/^(?:BEGIN|COMMIT)?\s*$/.test(statement))
