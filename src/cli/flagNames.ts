/** Flags that stand alone. */
export const switches: ReadonlySet<string> = new Set(["follow", "force", "help", "json", "ready", "strict", "version"])

/** Flags that are followed by a value. */
export const valued: ReadonlySet<string> = new Set([
  "acceptance",
  "actor",
  "after",
  "anchor",
  "anchor-file",
  "at",
  "auditor-role",
  "body",
  "body-file",
  "card",
  "command-id",
  "completions",
  "db",
  "depends-on",
  "event-version",
  "expires-in-days",
  "format",
  "from",
  "host",
  "id",
  "key",
  "limit",
  "map-status",
  "older-than-days",
  "owner",
  "owner-role",
  "part",
  "phase",
  "port",
  "priority",
  "public-key",
  "reason",
  "result",
  "retry-after",
  "role",
  "schema",
  "status",
  "table",
  "title",
  "token",
  "ttl",
  "type",
  "unpark",
  "writer-role"
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
  log: "history",
  audit: "verify"
}
