/** Flags that stand alone. */
export const switchFlags: ReadonlySet<string> = new Set([
  "fix",
  "follow",
  "force",
  "help",
  "json",
  "no-wait",
  "pending",
  "ready",
  "require-tokens",
  "strict",
  "trust-proxy",
  "until-empty",
  "version"
])

/** Flags that are followed by a value. */
export const valueFlags: ReadonlySet<string> = new Set([
  "acceptance",
  "actor",
  "after",
  "allow-host",
  "allow-origin",
  "anchor",
  "anchor-every",
  "anchor-file",
  "anchor-key",
  "at",
  "auditor-role",
  "body",
  "body-file",
  "card",
  "claim-next",
  "command-id",
  "completions",
  "concurrency",
  "db",
  "depends-on",
  "event-version",
  "exec",
  "expires-in-days",
  "format",
  "from",
  "grace-period",
  "host",
  "id",
  "idempotency-key",
  "interval",
  "key",
  "limit",
  "log-format",
  "log-level",
  "map-status",
  "max-attempts",
  "max-cards",
  "max-connections",
  "min-priority",
  "older-than-days",
  "owner",
  "owner-role",
  "part",
  "phase",
  "port",
  "prefetch",
  "priority",
  "public-key",
  "rate-limit",
  "reason",
  "reset-to",
  "result",
  "retry-after",
  "role",
  "schema",
  "status",
  "table",
  "title",
  "token",
  "trust-proxy-from",
  "ttl",
  "type",
  "unpark",
  "writer-role"
])

/** Other words for commands, as people try them. */
export const commandAliases: Readonly<Record<string, string>> = {
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

/**
 * Makes the arguments plain for the parser, which would take `--json 1` for a value of `--json` (a card may be called
 * 1) and `--body "- item"` for a flag:
 *
 * - a switch says its value: `--json` becomes `--json=true`, once however often it is given;
 * - a flag and its value become one word, also when the value begins with `-`, unless it looks like a flag itself;
 * - another word for a command becomes the command, and `help claim` becomes `claim --help`.
 *
 * What follows `--` is left alone.
 */
export const normalizeArguments = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = argv.indexOf("--")
  const words = end === -1 ? argv : argv.slice(0, end)
  return [...resolveCommand(joinFlagValues(words)), ...(end === -1 ? [] : argv.slice(end))]
}

const joinFlagValues = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const plain: Array<string> = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ""
    const next = words[index + 1]
    const name = word.startsWith("--") ? word.slice(2) : undefined
    if (name !== undefined && switchFlags.has(name)) {
      if (!plain.includes(`${word}=true`)) plain.push(`${word}=true`)
    } else if (name !== undefined && valueFlags.has(name) && next !== undefined && !looksLikeFlag(next)) {
      plain.push(`${word}=${next}`)
      index++
    } else {
      plain.push(word)
    }
  }
  return plain
}

const looksLikeFlag = (word: string): boolean => /^(--[a-z][a-z-]*(=|$)|-[hv]$)/.test(word)

const resolveCommand = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const at = words.findIndex((word) => !word.startsWith("-"))
  const command = words[at]
  if (command === undefined) return words
  const rest = [...words.slice(0, at), ...words.slice(at + 1)]
  if (command === "help") return [...resolveCommand(rest), "--help=true"]
  return Object.hasOwn(commandAliases, command) ? words.with(at, commandAliases[command] ?? command) : words
}

/** Whether plain arguments ask for JSON: also when they cannot be parsed, the answer is then one JSON document. */
export const requestsJson = (words: ReadonlyArray<string>): boolean => {
  const end = words.indexOf("--")
  return (end === -1 ? words : words.slice(0, end)).some((word) => /^--json=(true|yes|on|1|y)$/.test(word))
}
