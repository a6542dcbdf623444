import type { Random } from "../../support/random.ts"
import { json, names, nested } from "./values.ts"

/** Commands with their flags and their number of arguments. */
const commands: Readonly<Record<string, { readonly arguments: number; readonly flags: ReadonlyArray<string> }>> = {
  create: {
    arguments: 0,
    flags: [
      "id",
      "title",
      "body",
      "phase",
      "label",
      "priority",
      "not-before",
      "depends-on",
      "acceptance",
      "idempotency-key",
      "status",
      "command-id"
    ]
  },
  show: { arguments: 1, flags: ["at"] },
  list: {
    arguments: 0,
    flags: [
      "status",
      "phase",
      "label",
      "without-label",
      "owner",
      "claimability",
      "changed-since",
      "order",
      "ready",
      "limit",
      "before",
      "at"
    ]
  },
  search: { arguments: 1, flags: ["status", "label", "max-priority", "order"] },
  note: { arguments: 1, flags: ["text", "token", "command-id"] },
  notes: { arguments: 1, flags: ["limit", "before"] },
  claims: { arguments: 0, flags: ["owner", "limit"] },
  deps: { arguments: 1, flags: ["hops", "limit"] },
  "critical-path": { arguments: 0, flags: ["phase", "label"] },
  explain: { arguments: 1, flags: ["at"] },
  stats: { arguments: 0, flags: ["at"] },
  claim: { arguments: 1, flags: ["owner", "ttl", "label", "without-label", "command-id"] },
  renew: { arguments: 1, flags: ["token", "ttl", "note"] },
  release: { arguments: 1, flags: ["token", "reason", "retry-after"] },
  complete: { arguments: 1, flags: ["token", "force", "result"] },
  block: { arguments: 1, flags: ["reason"] },
  unblock: { arguments: 1, flags: [] },
  reopen: { arguments: 1, flags: [] },
  reclaim: { arguments: 1, flags: [] },
  link: { arguments: 2, flags: [] },
  unlink: { arguments: 2, flags: [] },
  revise: {
    arguments: 1,
    flags: ["title", "body", "phase", "add-label", "remove-label", "not-before", "priority", "acceptance"]
  },
  history: { arguments: 1, flags: [] },
  events: { arguments: 0, flags: ["after", "card", "type"] },
  verify: { arguments: 0, flags: ["anchor", "anchor-file", "public-key"] },
  verifications: { arguments: 0, flags: ["limit"] },
  anchors: { arguments: 0, flags: ["limit"] },
  redact: { arguments: 1, flags: ["part", "reason", "event-version"] },
  consumers: { arguments: 1, flags: ["unpark"] },
  import: { arguments: 1, flags: ["format", "strict"] }
}

const required: Readonly<Record<string, ReadonlyArray<string>>> = {
  create: ["title"],
  note: ["text"],
  claim: ["owner"],
  renew: ["token"],
  release: ["token"],
  redact: ["part", "reason"],
  import: ["format"]
}

const deep = (random: Random): string => JSON.stringify(nested(random.pick([499, 501, 1_000])))

/** Words that a careless program would mishandle. */
const words: ReadonlyArray<(random: Random) => string> = [
  (random) => random.pick(names),
  (random) => random.pick(names),
  () => "",
  () => " ",
  () => "-",
  () => "--",
  () => "---",
  () => "-h",
  () => "-v",
  () => "--help",
  () => "--no-json",
  () => "--json=maybe",
  () => "--priority=",
  () => "=",
  () => "a\u0000b",
  () => "\ud800",
  () => "\u001b]0;title\u0007\u001b[2J",
  () => "postgres://u:secret@127.0.0.1:1/d",
  () => "x".repeat(100_000),
  () => "\ud83d\ude00".repeat(501),
  () => "/dev/null",
  () => "/no/such/file",
  () => "/",
  () => "NaN",
  () => "-0",
  () => "1e3",
  () => "99999999999999999999",
  () => "9".repeat(10_000),
  () => "0001-01-01",
  () => "9999-12-31T23:59:59.999Z",
  () => "0000-01-01T00:00Z",
  () => "{",
  () => "[1e400]",
  () => '{"a":1,"a":2}',
  (random) => JSON.stringify(json(random)),
  deep,
  () => "[".repeat(10_000),
  () => "a,,b",
  () => ",".repeat(1_000)
]

const valid: Readonly<Record<string, (random: Random) => string>> = {
  priority: (random) => String(random.below(9)),
  token: (random) => String(1 + random.below(4)),
  ttl: () => "60",
  limit: () => "3",
  after: () => "1",
  "retry-after": () => "5",
  "event-version": () => "1",
  hops: () => "2",
  "max-priority": () => "5",
  claimability: (random) => random.pick(["claimable", "waiting", "deferred", "expired"]),
  order: (random) => random.pick(["claim", "changed", "created", "completed"]),
  "changed-since": () => "2020-01-01",
  "not-before": (random) => random.pick(["2020-01-01", "2100-01-01T00:00:00Z"]),
  unpark: () => "1",
  acceptance: (random) => JSON.stringify(json(random)),
  result: (random) => JSON.stringify(json(random)),
  status: (random) => random.pick(["ready", "blocked", "done"]),
  part: (random) => random.pick(["title", "body", "reason"]),
  format: (random) => random.pick(["beads", "log", "task-master", "backlog-md", "table"]),
  at: (random) => random.pick(["1", "v1", "2020-01-01", "2020-01-01T00:00:00Z"]),
  type: () => "CardCreated"
}

const inputs: ReadonlyArray<string | Uint8Array> = [
  "",
  "{}\n",
  "words\n",
  "\u0000",
  "[".repeat(10_000),
  new Uint8Array([97, 255, 10]),
  `{"id":"i","title":"I","status":"open","priority":1,"created_at":"2026-01-05T09:00:00Z"}\n`,
  `${"x".repeat(300_000)}\n`,
  "\n".repeat(10_000)
]

const standAlone: ReadonlySet<string> = new Set(["force", "ready", "strict"])

/** A command line with up to a few invalid words, and its standard input. */
export const commandLine = (
  random: Random
): { readonly argv: ReadonlyArray<string>; readonly stdin: string | Uint8Array } => {
  const name = random.pick(Object.keys(commands))
  const command = commands[name] ?? { arguments: 0, flags: [] }
  const strange = random.below(10) < 7 ? 3 : 0
  const word = (flag: string): string =>
    random.below(10) < strange ? random.pick(words)(random) : (valid[flag]?.(random) ?? random.pick([..."abcdef"]))
  const argv = [name]
  for (let count = 0; count < command.arguments; count++) {
    argv.push(name === "import" && random.below(2) === 0 ? "-" : word("argument"))
  }
  for (const flag of command.flags) {
    if (!(required[name] ?? []).includes(flag) && random.below(3) > 0) continue
    argv.push(`--${flag}`)
    if (!standAlone.has(flag)) argv.push(word(flag))
  }
  if (random.below(2) === 0) argv.unshift("--json")
  if (strange > 0 && random.below(4) === 0) argv.splice(random.below(argv.length), 0, random.pick(words)(random))
  return { argv, stdin: random.pick(inputs) }
}
