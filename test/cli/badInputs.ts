import { assert } from "@effect/vitest"
import { cli, json, type Place } from "./support.ts"

/** What would be a disaster as a part of a statement. */
export const evil = "x'); DROP TABLE cards;--"
const long = (length: number) => "x".repeat(length)

/** A command line that is refused. */
export interface BadInput {
  readonly why: string
  readonly argv: ReadonlyArray<string>
  readonly code: number
  readonly tag: string
  readonly says?: string
  readonly stdin?: string | Uint8Array
}

const create = (...argv: ReadonlyArray<string>) => ["create", "--id", "n", "--title", "N", ...argv]

/** What is refused before a database is opened. */
export const refusedAtOnce: ReadonlyArray<BadInput> = [
  { why: "no command", argv: [], code: 2, tag: "MissingCommand" },
  { why: "a misspelt command", argv: ["clame"], code: 2, tag: "UnknownSubcommand", says: "claim" },
  { why: "a command of nowhere", argv: ["frobnicate"], code: 2, tag: "UnknownSubcommand" },
  { why: "a misspelt flag", argv: create("--priorty", "1"), code: 2, tag: "UnrecognizedOption", says: "--priority" },
  { why: "another command's flag", argv: ["list", "--owner", "w"], code: 2, tag: "UnrecognizedOption" },
  { why: "a missing flag", argv: ["claim"], code: 2, tag: "MissingOption", says: "--owner" },
  { why: "a missing argument", argv: ["show"], code: 2, tag: "MissingArgument" },
  { why: "an argument too many", argv: ["show", "a", "b"], code: 2, tag: "UnexpectedArgument" },
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
  { why: "a huge token", argv: ["complete", "a", "--token", "9999999999999"], code: 2, tag: "InvalidInput" },
  { why: "a lease of 0", argv: ["claim", "--owner", "w", "--ttl", "0"], code: 2, tag: "InvalidInput" },
  { why: "a lease without end", argv: ["claim", "--owner", "w", "--ttl", "99999999"], code: 2, tag: "InvalidInput" },
  {
    why: "a retry in the past",
    argv: ["release", "a", "--token", "1", "--retry-after", "-1"],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "a limit of 0", argv: ["list", "--limit", "0"], code: 2, tag: "InvalidInput" },
  { why: "an unknown status", argv: ["list", "--status", "open"], code: 2, tag: "InvalidValue", says: "ready" },
  {
    why: "a status to begin with that needs a claim",
    argv: create("--status", "claimed"),
    code: 2,
    tag: "InvalidValue"
  },
  { why: "a reason to be blocked without being so", argv: create("--reason", "x"), code: 2, tag: "InvalidInput" },
  ...["", " a", "a ", "a\nb", "a\u0000b", "a\ud800", long(201)].flatMap((id) =>
    [
      ["show", id],
      ["explain", id],
      ["claim", "--owner", "w", `--id=${id}`],
      ["link", "a", id],
      ["reclaim", `--id=${id}`]
    ].map((argv) => ({
      why: `the id ${JSON.stringify(id.slice(0, 10))} to ${argv[0]}`,
      argv,
      code: 2,
      tag: "InvalidInput"
    }))
  ),
  ...["title", "body", "phase", "key", "actor"].flatMap((flag) => [
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
  { why: "no title", argv: ["create", "--id", "n", "--title", ""], code: 2, tag: "InvalidInput" },
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
  { why: "a body from no file", argv: create("--body-file", "/no/such/file"), code: 2, tag: "InvalidInput" },
  {
    why: "a body from a file with NUL in its name",
    argv: create("--body-file", "a\u0000"),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "JSON that is none",
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
    why: "JSON with a key twice",
    argv: ["complete", "a", "--result", '{"a":1,"a":1}'],
    code: 2,
    tag: "InvalidInput",
    says: "twice"
  },
  { why: "JSON with NUL", argv: create("--acceptance", '"\\u0000"'), code: 2, tag: "InvalidInput" },
  { why: "JSON with a lone surrogate", argv: create("--acceptance", '{"\\ud800":1}'), code: 2, tag: "InvalidInput" },
  { why: "JSON of 2 MiB", argv: create("--acceptance", JSON.stringify(long(2 ** 21))), code: 2, tag: "InvalidInput" },
  {
    why: "JSON that is too deep",
    argv: create("--acceptance", "[".repeat(600) + "]".repeat(600)),
    code: 2,
    tag: "InvalidInput"
  },
  { why: "an empty dependency", argv: create("--depends-on", "a,,b"), code: 2, tag: "InvalidInput" },
  { why: "nothing to revise", argv: ["revise", "a"], code: 2, tag: "InvalidInput" },
  { why: "no title any more", argv: ["revise", "a", "--title", ""], code: 2, tag: "InvalidInput" },
  { why: "no file to import", argv: ["import", "/no/such/file"], code: 2, tag: "InvalidInput" },
  { why: "a directory to import", argv: ["import", "/"], code: 2, tag: "InvalidInput" },
  { why: "another format", argv: ["import", "x", "--format", "csv"], code: 2, tag: "InvalidValue", says: "beads" },
  {
    why: "a strict import of a malformed line",
    argv: ["import", "-", "--strict"],
    stdin: "{}\n",
    code: 2,
    tag: "ImportRefused",
    says: "line 1"
  },
  { why: "a schema that is SQL", argv: ["list", `--schema=${evil}`], code: 2, tag: "InvalidInput" },
  { why: "a schema that is too long", argv: ["list", `--schema=${long(64)}`], code: 2, tag: "InvalidInput" },
  { why: "no database", argv: ["list", "--db", ""], code: 2, tag: "InvalidInput" },
  { why: "another kind of database", argv: ["list", "--db", "mysql://u:secret@h/d"], code: 2, tag: "InvalidInput" },
  { why: "a URL that is none", argv: ["list", "--db", "postgres://u:secret@[h/d"], code: 2, tag: "InvalidInput" }
]

/** What is refused in the backlog, which has a ready card `a`, a card `b` that depends on it, and a claimed card `c`. */
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
  { why: "an unknown id to claim", argv: ["claim", "--owner", "w", "--id", "nobody"], code: 4, tag: "CardNotFound" },
  { why: "an unknown id to reclaim", argv: ["reclaim", "--id", "nobody"], code: 4, tag: "CardNotFound" },
  { why: "a link from nowhere", argv: ["link", "nobody", "a"], code: 4, tag: "CardNotFound" },
  { why: "a link to nowhere", argv: ["link", "a", "nobody"], code: 4, tag: "DependencyNotFound" },
  { why: "an unlink from nowhere", argv: ["unlink", "nobody", "a"], code: 4, tag: "CardNotFound" },
  { why: "a card on itself", argv: ["link", "a", "a"], code: 5, tag: "SelfDependency" },
  { why: "a card on itself at birth", argv: create("--depends-on", "n"), code: 5, tag: "SelfDependency" },
  { why: "a cycle", argv: ["link", "a", "b"], code: 5, tag: "DependencyCycle", says: "a → b → a" },
  { why: "an id that is taken", argv: ["create", "--id", "a", "--title", "A"], code: 5, tag: "CardAlreadyExists" },
  { why: "a stale token", argv: ["complete", "c", "--token", "1"], code: 5, tag: "ClaimLost" },
  { why: "no token", argv: ["complete", "c"], code: 5, tag: "CardIsClaimed" },
  {
    why: "a card that is held",
    argv: ["claim", "--owner", "w", "--id", "c"],
    code: 3,
    tag: "NothingClaimable",
    says: "held"
  }
]

/** Makes the cards that `refusedInside` is about. */
export const prepared = async (place: Place): Promise<void> => {
  for (const argv of [
    create2("a"),
    create2("b", "--depends-on", "a"),
    create2("c"),
    ["claim", "--owner", "w", "--id", "c"]
  ]) {
    assert.strictEqual((await cli([...argv, ...place.flags])).code, 0)
  }
}

const create2 = (id: string, ...argv: ReadonlyArray<string>) => ["create", "--id", id, "--title", id, ...argv]

/** Runs a bad input for people and for a program, and checks what both are told. */
export const refuses = async (
  { argv, code, says, stdin, tag }: BadInput,
  flags: ReadonlyArray<string>,
  both = true
) => {
  const given = [...flags, ...argv]
  const around = stdin === undefined ? {} : { stdin }
  const machine = await json(given, around)
  assert.deepStrictEqual([machine.code, machine.error?._tag], [code, tag], JSON.stringify(machine).slice(0, 500))
  assert.isNotEmpty(machine.error.message)
  assert.strictEqual(machine.stderr, "")
  assert.notInclude(JSON.stringify(machine), "secret")
  if (says !== undefined) assert.include(machine.error.message, says)
  if (!both) return
  const people = await cli(given, around)
  assert.strictEqual(people.code, code)
  assert.strictEqual(people.stdout, "")
  assert.isNotEmpty(people.stderr)
  assert.isBelow(people.stderr.length, 6000)
  assert.notInclude(people.stderr, "    at ")
}
