import { assert } from "@effect/vitest"
import { cli, json, type Place } from "./support.ts"

/** SQL that would destroy data if it were part of a statement. */
export const evil = "x'); DROP TABLE cards;--"
const long = (length: number) => "x".repeat(length)

/** An invalid command line and its expected refusal. */
export interface BadInput {
  readonly why: string
  readonly argv: ReadonlyArray<string>
  readonly code: number
  readonly tag: string
  readonly says?: string
  readonly stdin?: string | Uint8Array
}

const create = (...argv: ReadonlyArray<string>) => ["create", "--id", "n", "--title", "N", ...argv]

const pastOf = (when: string): ReadonlyArray<BadInput> =>
  ["show a", "explain a", "list", "stats"].map((command) => ({
    why: `the moment ${JSON.stringify(when)} to ${command}`,
    argv: [...command.split(" "), `--at=${when}`],
    code: 2,
    tag: "InvalidInput"
  }))

/** Input that is refused before a database is opened. */
export const refusedAtOnce: ReadonlyArray<BadInput> = [
  { why: "no command", argv: [], code: 2, tag: "MissingCommand" },
  { why: "a misspelt command", argv: ["clame"], code: 2, tag: "UnknownSubcommand", says: "claim" },
  { why: "an unknown command", argv: ["frobnicate"], code: 2, tag: "UnknownSubcommand" },
  { why: "a misspelt flag", argv: create("--priorty", "1"), code: 2, tag: "UnrecognizedOption", says: "--priority" },
  { why: "another command's flag", argv: ["list", "--ttl", "5"], code: 2, tag: "UnrecognizedOption" },
  { why: "a missing flag", argv: ["claim"], code: 2, tag: "MissingOption", says: "--owner" },
  { why: "a missing argument", argv: ["show"], code: 2, tag: "MissingArgument" },
  { why: "one argument too many", argv: ["show", "a", "b"], code: 2, tag: "UnexpectedArgument" },
  {
    why: "a database's URL in the wrong place",
    argv: ["list", "postgres://u:secret@h/d"],
    code: 2,
    tag: "UnexpectedArgument",
    says: "u:***@h"
  },
  { why: "a flag without its value", argv: ["claim", "--owner"], code: 2, tag: "InvalidValue" },
  { why: "a flag given twice", argv: ["claim", "--owner", "a", "--owner", "b"], code: 2, tag: "InvalidValue" },
  ...["NaN", "Infinity", "-Infinity", "1.5", "1e3", "0x10", "", " 1", "1_000", "12345678901234567890", long(5000)].map(
    (number) => ({
      why: `the number ${JSON.stringify(number.slice(0, 30))}`,
      argv: create(`--priority=${number}`),
      code: 2,
      tag: "InvalidValue"
    })
  ),
  { why: "a priority beyond 32 bits", argv: create("--priority", "2147483648"), code: 2, tag: "InvalidInput" },
  { why: "a priority below 32 bits", argv: create("--priority", "-2147483649"), code: 2, tag: "InvalidInput" },
  { why: "a fractional token", argv: ["renew", "a", "--token", "1.5"], code: 2, tag: "InvalidValue" },
  { why: "token 0", argv: ["renew", "a", "--token", "0"], code: 2, tag: "InvalidInput" },
  { why: "a huge token", argv: ["complete", "a", "--token", "9007199254740992"], code: 2, tag: "InvalidValue" },
  { why: "a ttl of 0", argv: ["claim", "--owner", "w", "--ttl", "0"], code: 2, tag: "InvalidInput" },
  { why: "a ttl that is too long", argv: ["claim", "--owner", "w", "--ttl", "99999999"], code: 2, tag: "InvalidInput" },
  {
    why: "a negative retry time",
    argv: ["release", "a", "--token", "1", "--retry-after", "-1"],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "a time without a zone", argv: create("--not-before", "2026-01-01T00:00:00"), code: 2, tag: "InvalidInput" },
  {
    why: "a time before which a done card cannot be claimed",
    argv: create("--not-before", "2026-01-01", "--status", "done"),
    code: 2,
    tag: "InvalidInput"
  },
  { why: "an empty note", argv: ["note", "a", "--text", ""], code: 2, tag: "InvalidInput" },
  {
    why: "a note of 65 KiB",
    argv: ["note", "a", "--text", long(65 * 1024)],
    code: 2,
    tag: "InvalidInput",
    says: "65536"
  },
  { why: "an invalid label", argv: create("--label", "a\nb"), code: 2, tag: "InvalidInput" },
  {
    why: "too many labels",
    argv: create(...Array.from({ length: 33 }, (_, n) => ["--label", `l${n}`]).flat()),
    code: 2,
    tag: "InvalidInput",
    says: "32"
  },
  { why: "a change of nothing", argv: ["revise", "a"], code: 2, tag: "InvalidInput", says: "--add-label" },
  {
    why: "a claim of one card with a label",
    argv: ["claim", "a", "--owner", "w", "--label", "l"],
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "two claimabilities",
    argv: ["list", "--ready", "--claimability", "waiting"],
    code: 2,
    tag: "InvalidInput",
    says: "--claimability"
  },
  { why: "two pages", argv: ["list", "--after", "a", "--before", "b"], code: 2, tag: "InvalidInput" },
  { why: "a search for nothing", argv: ["search"], code: 2, tag: "MissingArgument" },
  { why: "too many hops", argv: ["deps", "a", "--hops", "11"], code: 2, tag: "InvalidInput" },
  { why: "no notes", argv: ["notes", "a", "--limit", "0"], code: 2, tag: "InvalidInput" },
  { why: "a limit of 0", argv: ["list", "--limit", "0"], code: 2, tag: "InvalidInput" },
  { why: "an unknown status", argv: ["list", "--status", "open"], code: 2, tag: "InvalidValue", says: "ready" },
  {
    why: "an initial status that requires a claim",
    argv: create("--status", "claimed"),
    code: 2,
    tag: "InvalidValue"
  },
  { why: "a block reason without the blocked status", argv: create("--reason", "x"), code: 2, tag: "InvalidInput" },
  ...["", " a", "a ", "a\nb", "a\u0000b", "a\ud800", long(201)].flatMap((id) =>
    [
      ["show", id],
      ["explain", id],
      ["claim", id, "--owner", "w"],
      ["link", "a", id],
      ["reclaim", id]
    ].map((argv) => ({
      why: `the id ${JSON.stringify(id.slice(0, 10))} to ${argv[0]}`,
      argv,
      code: 2,
      tag: "InvalidInput"
    }))
  ),
  ...["title", "body", "phase", "idempotency-key", "actor"].flatMap((flag) => [
    {
      why: `NUL in the ${flag}`,
      argv: ["create", "--id", "n", ...(flag === "title" ? [] : ["--title", "N"]), `--${flag}=a\u0000`],
      code: 2,
      tag: "InvalidInput"
    },
    {
      why: `a lone surrogate in the ${flag}`,
      argv: ["create", "--id", "n", ...(flag === "title" ? [] : ["--title", "N"]), `--${flag}=\udc00`],
      code: 2,
      tag: "InvalidInput"
    }
  ]),
  { why: "an empty title", argv: ["create", "--id", "n", "--title", ""], code: 2, tag: "InvalidInput" },
  {
    why: "a title that is too long",
    argv: ["create", "--id", "n", "--title", long(501)],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "a body of 2 MiB", argv: create("--body", long(2 ** 21)), code: 2, tag: "InvalidInput", says: "1048576" },
  {
    why: "a body of 2 MiB from input",
    argv: create("--body", "-"),
    stdin: long(2 ** 21),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "a body of 5 MiB from input",
    argv: create("--body", "-"),
    stdin: long(5 * 2 ** 20),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "a body that is not UTF-8",
    argv: create("--body", "-"),
    stdin: new Uint8Array([97, 255]),
    code: 2,
    tag: "InvalidInput",
    says: "UTF-8"
  },
  { why: "NUL from input", argv: create("--body", "-"), stdin: "a\u0000", code: 2, tag: "InvalidInput" },
  { why: "a body from a missing file", argv: create("--body-file", "/no/such/file"), code: 2, tag: "InvalidInput" },
  {
    why: "a body from a file with NUL in its name",
    argv: create("--body-file", "a\u0000"),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "invalid JSON",
    argv: create("--acceptance", "{a:1}"),
    code: 2,
    tag: "InvalidInput",
    says: "character 2"
  },
  { why: "JSON with NaN", argv: create("--acceptance", "[NaN]"), code: 2, tag: "InvalidInput" },
  {
    why: "JSON with a number that would change",
    argv: create("--acceptance", "[1e400]"),
    code: 2,
    tag: "InvalidInput",
    says: "changed"
  },
  {
    why: "JSON with a duplicate key",
    argv: ["complete", "a", "--result", '{"a":1,"a":1}'],
    code: 2,
    tag: "InvalidInput",
    says: "twice"
  },
  { why: "JSON with NUL", argv: create("--acceptance", '"\\u0000"'), code: 2, tag: "InvalidInput" },
  { why: "JSON with a lone surrogate", argv: create("--acceptance", '{"\\ud800":1}'), code: 2, tag: "InvalidInput" },
  { why: "JSON of 2 MiB", argv: create("--acceptance", JSON.stringify(long(2 ** 21))), code: 2, tag: "InvalidInput" },
  {
    why: "JSON that is nested too deeply",
    argv: create("--acceptance", "[".repeat(600) + "]".repeat(600)),
    code: 2,
    tag: "InvalidInput"
  },
  { why: "an empty dependency", argv: create("--depends-on", "a,,b"), code: 2, tag: "InvalidInput" },
  { why: "nothing to revise", argv: ["revise", "a"], code: 2, tag: "InvalidInput" },
  { why: "an empty title to revise", argv: ["revise", "a", "--title", ""], code: 2, tag: "InvalidInput" },
  { why: "a missing file to import", argv: ["import", "/no/such/file"], code: 2, tag: "InvalidInput" },
  { why: "a directory to import", argv: ["import", "/"], code: 2, tag: "InvalidInput" },
  { why: "an unknown format", argv: ["import", "x", "--format", "csv"], code: 2, tag: "InvalidValue", says: "beads" },
  {
    why: "a strict import of a malformed line",
    argv: ["import", "-", "--strict"],
    stdin: "{}\n",
    code: 2,
    tag: "ImportRefused",
    says: "line 1"
  },
  ...["", " ", "yesterday", "-1", "1.5", "v0", "v-1", "v", "v99999999999", "1234567890123456", "2026-02-30"].flatMap(
    pastOf
  ),
  ...["2026-1-2", "2026-01-22T12:00", "2026-01-22T12:00:00", "2026-01-22T25:00Z", "2026-13-01", evil].flatMap(pastOf),
  ...["list", "stats"].map((command) => ({
    why: `a version of the whole backlog to ${command}`,
    argv: [command, "--at", "v3"],
    code: 2,
    tag: "InvalidInput",
    says: "position"
  })),
  ...["", " x", "a\u0000b", long(201)].flatMap((id) =>
    [
      ["claim", "--owner", "w"],
      ["block", "a"],
      ["redact", "a", "--part", "body", "--reason", "x"]
    ].map((argv) => ({
      why: `the command id ${JSON.stringify(id.slice(0, 10))} to ${argv[0]}`,
      argv: [...argv, `--command-id=${id}`],
      code: 2,
      tag: "InvalidInput"
    }))
  ),
  { why: "receipts without a subcommand", argv: ["receipts"], code: 2, tag: "MissingCommand" },
  { why: "receipts without an age", argv: ["receipts", "prune"], code: 2, tag: "MissingOption" },
  ...["", "x", "1e3", "NaN", "Infinity", ".5", "1.", "1.2.3", "0x10"].map((days) => ({
    why: `receipts older than ${JSON.stringify(days)} days`,
    argv: ["receipts", "prune", `--older-than-days=${days}`],
    code: 2,
    tag: "InvalidValue"
  })),
  ...["-1", "-0.5", "36501"].map((days) => ({
    why: `receipts older than ${days} days`,
    argv: ["receipts", "prune", "--older-than-days", days],
    code: 2,
    tag: "InvalidInput"
  })),
  { why: "events after a negative position", argv: ["events", "--after", "-1"], code: 2, tag: "InvalidInput" },
  { why: "events of an empty card id", argv: ["events", "--card", ""], code: 2, tag: "InvalidInput" },
  { why: "events of an invalid actor", argv: ["events", "--actor", " a"], code: 2, tag: "InvalidInput" },
  { why: "an empty consumer name", argv: ["consumers", ""], code: 2, tag: "InvalidInput" },
  {
    why: "unpark without a consumer",
    argv: ["consumers", "--unpark", "1"],
    code: 2,
    tag: "InvalidInput",
    says: "NAME"
  },
  { why: "unpark position 0", argv: ["consumers", "c", "--unpark", "0"], code: 2, tag: "InvalidInput" },
  { why: "an invalid anchor", argv: ["verify", "--anchor", "x"], code: 2, tag: "InvalidInput", says: "POSITION" },
  {
    why: "two anchors",
    argv: ["verify", "--anchor", "x", "--anchor-file", "y"],
    code: 2,
    tag: "InvalidInput",
    says: "not both"
  },
  {
    why: "an anchor from a missing file",
    argv: ["verify", "--anchor-file", "/no/such/file"],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "a public key without an anchor", argv: ["verify", "--public-key", "x"], code: 2, tag: "InvalidInput" },
  { why: "a missing file to verify", argv: ["verify", "/no/such/file"], code: 2, tag: "InvalidInput" },
  { why: "a directory to verify", argv: ["verify", "/"], code: 2, tag: "InvalidInput", says: "directory" },
  { why: "empty input to verify", argv: ["verify", "-"], stdin: "", code: 2, tag: "InvalidInput", says: "empty" },
  {
    why: "input that is not a log to verify",
    argv: ["verify", "-"],
    stdin: '{"id":"x"}\n',
    code: 2,
    tag: "InvalidInput",
    says: "not an exported log: line 1"
  },
  { why: "a key from a missing file", argv: ["anchor", "--key", "/no/such/file"], code: 2, tag: "InvalidInput" },
  {
    why: "a file that is not a key",
    argv: ["anchor", "--key", "package.json"],
    code: 2,
    tag: "InvalidInput",
    says: "other users"
  },
  { why: "a redaction without a part", argv: ["redact", "a", "--reason", "x"], code: 2, tag: "MissingOption" },
  { why: "a redaction without a reason", argv: ["redact", "a", "--part", "body"], code: 2, tag: "MissingOption" },
  {
    why: "a redaction with an empty reason",
    argv: ["redact", "a", "--part", "body", "--reason", ""],
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "a redaction of an unknown part",
    argv: ["redact", "a", "--part", "body,owner", "--reason", "x"],
    code: 2,
    tag: "InvalidInput",
    says: "blockedReason"
  },
  {
    why: "a redaction of version 0",
    argv: ["redact", "a", "--part", "body", "--reason", "x", "--event-version", "0"],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "an export to a missing directory", argv: ["export", "/no/such/directory/x"], code: 2, tag: "InvalidInput" },
  {
    why: "an export to a directory",
    argv: ["export", "/", "--force"],
    code: 2,
    tag: "InvalidInput",
    says: "directory"
  },
  {
    why: "an export to a device",
    argv: ["export", "/dev/null", "--force"],
    code: 2,
    tag: "InvalidInput",
    says: "regular"
  },
  {
    why: "an export to an existing file",
    argv: ["export", "package.json"],
    code: 5,
    tag: "FileExists",
    says: "--force"
  },
  {
    why: "a missing log to import",
    argv: ["import", "/no/such/file", "--format", "log"],
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "a strict import of a log",
    argv: ["import", "-", "--format", "log", "--strict"],
    code: 2,
    tag: "InvalidInput",
    says: "--strict"
  },
  { why: "a schema that is SQL", argv: ["list", `--schema=${evil}`], code: 2, tag: "InvalidInput" },
  { why: "a schema that is too long", argv: ["list", `--schema=${long(64)}`], code: 2, tag: "InvalidInput" },
  { why: "an empty database", argv: ["list", "--db", ""], code: 2, tag: "InvalidInput" },
  { why: "an unsupported database", argv: ["list", "--db", "mysql://u:secret@h/d"], code: 2, tag: "InvalidInput" },
  { why: "an invalid URL", argv: ["list", "--db", "postgres://u:secret@[h/d"], code: 2, tag: "InvalidInput" }
]

/** Input that is refused by a backlog that has a ready card `a`, a card `b` that depends on it, and a claimed card `c`. */
export const refusedInside: ReadonlyArray<BadInput> = [
  ...[
    ["show"],
    ["explain"],
    ["history"],
    ["block"],
    ["unblock"],
    ["reopen"],
    ["complete"],
    ["renew", "--token", "1"],
    ["release", "--token", "1"],
    ["revise", "--title", "x"]
  ].map((argv) => ({ why: `an unknown id to ${argv[0]}`, argv: [...argv, evil], code: 4, tag: "CardNotFound" })),
  ...["1", "v1", "2026-01-22"].flatMap((when) =>
    ["show", "explain"].map((command) => ({
      why: `an unknown id as of ${when} to ${command}`,
      argv: [command, "nobody", "--at", when],
      code: 4,
      tag: "CardNotFound"
    }))
  ),
  {
    why: "a card before its creation",
    argv: ["show", "b", "--at", "1"],
    code: 4,
    tag: "CardNotFound"
  },
  ...[
    ["show", "a", "--at", "99"],
    ["show", "a", "--at", "v2"],
    ["explain", "a", "--at", "v2"],
    ["list", "--at", "99"],
    ["stats", "--at", "9999-01-01"]
  ].map((argv) => ({ why: `a future moment: ${argv.join(" ")}`, argv, code: 4, tag: "MomentNotReached" })),
  {
    why: "a redaction of a missing card",
    argv: ["redact", "nobody", "--part", "body", "--reason", "x"],
    code: 4,
    tag: "CardNotFound"
  },
  { why: "an unknown consumer", argv: ["consumers", "nobody"], code: 4, tag: "ConsumerNotFound" },
  {
    why: "an unknown consumer's event",
    argv: ["consumers", "nobody", "--unpark", "1"],
    code: 4,
    tag: "ConsumerNotFound"
  },
  {
    why: "a log for a backlog that is not empty",
    argv: ["import", "-", "--format", "log"],
    stdin: "{}\n",
    code: 5,
    tag: "BacklogNotEmpty"
  },
  { why: "an unknown id to claim", argv: ["claim", "nobody", "--owner", "w"], code: 4, tag: "CardNotFound" },
  { why: "an unknown id to reclaim", argv: ["reclaim", "nobody"], code: 4, tag: "CardNotFound" },
  { why: "a link from a missing card", argv: ["link", "nobody", "a"], code: 4, tag: "CardNotFound" },
  { why: "a link to a missing card", argv: ["link", "a", "nobody"], code: 4, tag: "DependencyNotFound" },
  { why: "an unlink of a missing card", argv: ["unlink", "nobody", "a"], code: 4, tag: "CardNotFound" },
  { why: "a link of a card to itself", argv: ["link", "a", "a"], code: 5, tag: "SelfDependency" },
  { why: "a new card that depends on itself", argv: create("--depends-on", "n"), code: 5, tag: "SelfDependency" },
  { why: "a cycle", argv: ["link", "a", "b"], code: 5, tag: "DependencyCycle", says: "a → b → a" },
  { why: "an existing id", argv: ["create", "--id", "a", "--title", "A"], code: 5, tag: "CardAlreadyExists" },
  { why: "a stale token", argv: ["complete", "c", "--token", "1"], code: 5, tag: "ClaimLost" },
  { why: "a missing token", argv: ["complete", "c"], code: 5, tag: "CardIsClaimed" },
  {
    why: "a claimed card",
    argv: ["claim", "c", "--owner", "w"],
    code: 3,
    tag: "NothingClaimable",
    says: "held"
  }
]

/** Creates the cards that `refusedInside` requires. */
export const prepared = async (place: Place): Promise<void> => {
  for (const argv of [create2("a"), create2("b", "--depends-on", "a"), create2("c"), ["claim", "c", "--owner", "w"]]) {
    assert.strictEqual((await cli([...argv, ...place.flags])).code, 0)
  }
}

const create2 = (id: string, ...argv: ReadonlyArray<string>) => ["create", "--id", id, "--title", id, ...argv]

/** Runs invalid input with and without `--json`, and checks both outputs. */
export const refuses = async (
  { argv, code, says, stdin, tag }: BadInput,
  flags: ReadonlyArray<string>,
  both = true
) => {
  const given = [...flags, ...argv]
  const options = stdin === undefined ? {} : { stdin }
  const machine = await json(given, options)
  assert.deepStrictEqual([machine.code, machine.error?._tag], [code, tag], JSON.stringify(machine).slice(0, 500))
  assert.isNotEmpty(machine.error.message)
  assert.strictEqual(machine.stderr, "")
  assert.notInclude(JSON.stringify(machine), "secret")
  if (says !== undefined) assert.include(machine.error.message, says)
  if (!both) return
  const people = await cli(given, options)
  assert.strictEqual(people.code, code)
  assert.strictEqual(people.stdout, "")
  assert.isNotEmpty(people.stderr)
  assert.isBelow(people.stderr.length, 6000)
  assert.notInclude(people.stderr, "    at ")
}
