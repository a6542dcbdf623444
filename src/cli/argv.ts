/** Flags without a value. */
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

/** Flags with a value. */
export const valueFlags: ReadonlySet<string> = new Set([
  "acceptance",
  "actor",
  "add-label",
  "after",
  "allow-host",
  "allow-origin",
  "anchor",
  "anchor-every",
  "anchor-file",
  "anchor-key",
  "at",
  "auditor-role",
  "before",
  "body",
  "board",
  "body-file",
  "bucket",
  "by",
  "card",
  "changed-since",
  "claim-next",
  "claimability",
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
  "hops",
  "host",
  "id",
  "idempotency-key",
  "interval",
  "key",
  "label",
  "limit",
  "log-format",
  "log-level",
  "map-status",
  "max-attempts",
  "max-cards",
  "max-connections",
  "max-failures",
  "max-priority",
  "min-priority",
  "not-before",
  "note",
  "older-than-days",
  "order",
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
  "remove-label",
  "reset-to",
  "result",
  "retry-after",
  "role",
  "schema",
  "status",
  "table",
  "text",
  "title",
  "to",
  "token",
  "trust-proxy-from",
  "ttl",
  "type",
  "unpark",
  "without-label",
  "writer-role"
])

/** Aliases of commands, some with a flag. */
export const commandAliases: Readonly<Record<string, ReadonlyArray<string>>> = {
  add: ["create"],
  new: ["create"],
  get: ["show"],
  ls: ["list"],
  ready: ["list", "--ready=true"],
  next: ["claim"],
  take: ["claim"],
  done: ["complete"],
  close: ["complete"],
  update: ["revise"],
  edit: ["revise"],
  comment: ["note"],
  comments: ["notes"],
  find: ["search"],
  depend: ["link"],
  dependents: ["deps"],
  log: ["history"],
  audit: ["verify"]
}

/**
 * Rewrites arguments that the parser would misread. It would read `--json 1` as the value 1 of `--json`, although a card
 * may have the id 1, and `--body "- item"` as two flags.
 *
 * - A switch gets an explicit value: `--json` becomes `--json=true`. Repetitions are removed.
 * - A flag and its value become one argument, also if the value begins with `-`, unless the value looks like a flag. A flag before
 *   `--help`, `-h`, `--version` or `-v` lacks its value: that word is removed, so that the parser refuses the flag, and does not print
 *   help as if the command had been carried out.
 * - An alias becomes the command that it stands for, and `help claim` becomes `claim --help`.
 *
 * Arguments after `--` are unchanged.
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
    } else if (name !== undefined && valueFlags.has(name) && next !== undefined && asksForNoCommand(next)) {
      plain.push(word)
      index++
    } else {
      plain.push(word)
    }
  }
  return plain
}

const asksForNoCommand = (word: string): boolean => /^(--help|--version|-h|-v)$/.test(word)

const looksLikeFlag = (word: string): boolean => /^(--[a-z][a-z-]*(=|$)|-[hv]$)/.test(word)

const resolveCommand = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const at = words.findIndex((word) => !word.startsWith("-"))
  const command = words[at]
  if (command === undefined) return words
  const rest = [...words.slice(0, at), ...words.slice(at + 1)]
  if (command === "help") return [...resolveCommand(rest), "--help=true"]
  const alias = Object.hasOwn(commandAliases, command) ? commandAliases[command] : undefined
  return alias === undefined ? words : words.toSpliced(at, 1, ...alias)
}

/** Returns whether normalized arguments request JSON. This also works for arguments that cannot be parsed. */
export const requestsJson = (words: ReadonlyArray<string>): boolean => {
  const end = words.indexOf("--")
  return (end === -1 ? words : words.slice(0, end)).some((word) => /^--json=(true|yes|on|1|y)$/.test(word))
}
