/** Flags that stand alone. */
export const switches: ReadonlySet<string> = new Set(["force", "help", "json", "ready", "strict", "version"])

/** Flags that are followed by a value. */
export const valued: ReadonlySet<string> = new Set([
  "acceptance",
  "actor",
  "body",
  "body-file",
  "db",
  "depends-on",
  "format",
  "id",
  "key",
  "limit",
  "owner",
  "phase",
  "priority",
  "reason",
  "result",
  "retry-after",
  "schema",
  "status",
  "title",
  "token",
  "ttl"
])

/** Other words for commands, as people try them. */
export const synonyms: Readonly<Record<string, string>> = {
  add: "create",
  new: "create",
  get: "show",
  ls: "list",
  next: "claim",
  take: "claim",
  done: "complete",
  depend: "link",
  log: "history"
}
