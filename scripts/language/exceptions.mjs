/** Places that the check accepts, each with its reason. `text` is part of the place, or a misspelled word. */
export const exceptions = [
  {
    file: "test/events/golden.test.ts",
    text: "legal has to look at it",
    why: "It is stored in a golden file, which never changes."
  },
  { file: "test/import/readTaskMaster.test.ts", text: "cancelled", why: "It is a status of another tracker." },
  { file: "test/mcp/tools.test.ts", text: "desing", why: "It is a card that does not exist, named by mistake." },
  {
    file: "test/proof/roles/writersSql.ts",
    text: "labelled",
    why: "It is a name in a function of a released migration."
  }
]
