import { execFileSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import type { Card } from "../../src/board/api/types.ts"
import { encodeMembers, RawJson } from "../../src/board/commands/fields.ts"
import { commandKinds, createKind } from "../../src/board/commands/kinds.ts"
import { encodeRequest, isRequest, makeRequest } from "../../src/board/commands/request.ts"
import { formatCommandLine, quoteWord } from "../../src/board/commands/shellWords.ts"

const server = "http://127.0.0.1:4010"

/** Returns the words that bash passes to a program for a command line. */
const wordsOf = (line: string): ReadonlyArray<string> =>
  execFileSync("bash", ["-c", `backlog() { printf '%s\\0' "$@"; }; ${line}`], { encoding: "utf8" })
    .split("\0")
    .slice(0, -1)

describe("a quoted word", () => {
  it.each([
    "plain",
    "two words",
    "it's",
    '"quoted"',
    "$HOME `id` $(id)",
    "a\\b",
    "a\nb\tc",
    "*?[x]{a,b}",
    "; rm -rf /",
    "# comment",
    "~",
    "!history",
    "\u001b[31mred",
    "\u202etxet",
    "ünï 🙂",
    "",
    "it's\na\\b"
  ])("%j is one word for the shell, as it was", (word) => {
    expect(wordsOf(`backlog ${quoteWord(word)}`)).toEqual([word])
  })

  it("has no control characters and no marks that change the direction", () => {
    // oxlint-disable-next-line no-control-regex -- They are what is tested.
    expect(quoteWord("a\u001b\u0007\n\u202e\u2066b")).not.toMatch(/[\u0000-\u001f\u202a-\u202e\u2066-\u2069]/)
  })
})

describe("a command line", () => {
  it("joins a value that looks like a flag, and separates an operand that does", () => {
    const line = formatCommandLine(
      { command: "note", options: [{ flag: "text", value: "--force" }], operands: ["-x"] },
      server
    )
    expect(line).toBe(`backlog note --text=--force --db ${server} -- -x`)
  })

  it("passes a text that is a hyphen through standard input, because the program reads it", () => {
    const line = formatCommandLine(
      { command: "note", options: [{ flag: "text", value: "-", readsInput: true }], operands: ["a"] },
      server
    )
    expect(line).toBe(`printf %s - | backlog note --text=- --db ${server} a`)
  })
})

const card: Card = {
  id: "design",
  title: "Design it",
  body: null,
  phase: "build",
  labels: ["ui"],
  priority: 3,
  status: "claimed",
  dependsOn: ["base"],
  claimOwner: "w1",
  claimTtlSeconds: 60,
  claimedAt: "2026-01-01T00:00:00.000Z",
  claimExpiresAt: "2026-01-01T00:01:00.000Z",
  claimToken: 7,
  attempts: 1,
  notBefore: null,
  idempotencyKey: null,
  acceptance: null,
  result: null,
  blockedReason: null,
  noteCount: 0,
  lastNote: null,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:00:00.000Z",
  completedAt: null,
  version: 2
}

const request = (name: string, values: Record<string, string | boolean>, target: Card = card) => {
  const kind = commandKinds.find((each) => each.name === name) ?? createKind
  const initial = kind.initial?.(target) ?? {}
  return makeRequest(kind, kind === createKind ? undefined : target, { ...initial, ...values }, initial)
}

const membersOf = (...parameters: Parameters<typeof request>) => {
  const made = request(...parameters)
  if (!isRequest(made)) throw new Error(JSON.stringify(made))
  return { members: made.members, line: formatCommandLine(made.line, server) }
}

describe("the request of a command", () => {
  it("completes a claimed card under its claim", () => {
    expect(membersOf("complete", { result: '{"n": 1.50}' })).toEqual({
      members: { id: "design", token: 7, result: new RawJson('{"n": 1.50}') },
      line: `backlog complete --token 7 --result '{"n": 1.50}' --db ${server} design`
    })
  })

  it("completes a claimed card under any claim with force", () => {
    expect(membersOf("complete", { force: true })).toEqual({
      members: { id: "design", token: undefined, force: true },
      line: `backlog complete --force --db ${server} design`
    })
  })

  it("revises only what the reader has changed, and clears what was emptied", () => {
    expect(membersOf("revise", { title: "New", phase: "", addLabels: "a\nb \n\na" })).toEqual({
      members: { id: "design", title: "New", phase: null, addLabels: ["a", "b"] },
      line: `backlog revise --title New --phase='' --add-label a --add-label b --db ${server} design`
    })
  })

  it("names both cards of a link", () => {
    expect(membersOf("link", { to: "other card" })).toEqual({
      members: { from: "design", to: "other card" },
      line: `backlog link --db ${server} design 'other card'`
    })
  })

  it("creates a card with all of its fields", () => {
    expect(membersOf("create", { title: "T", dependsOn: "a,b\nc", priority: " 5 " }).line).toBe(
      String.raw`backlog create --title T --priority 5 --depends-on 'a\,b' --depends-on c --db http://127.0.0.1:4010`
    )
  })

  it.each([
    ["create", { title: " " }, { title: "Title must not be empty." }],
    ["note", { text: "" }, { text: "Note must not be empty." }],
    ["revise", {}, { "": "Change at least one field." }],
    ["revise", { priority: "high" }, { priority: "Priority must be a whole number." }],
    ["revise", { priority: "" }, { priority: "Priority must not be empty." }],
    ["complete", { result: "done" }, { result: expect.stringContaining("must be JSON") }]
  ])("of %s with %j is refused with a problem for each field", (name, values, problems) => {
    expect(request(name, values)).toEqual(problems)
  })

  it("sends JSON as the reader wrote it", () => {
    expect(encodeMembers({ id: "a", result: new RawJson("1.0e2"), none: undefined })).toBe('{"id":"a","result":1.0e2}')
  })

  it("has its actor and its id", () => {
    const made = request("note", { text: "x" })
    if (!isRequest(made)) throw new Error("no request")
    expect(JSON.parse(encodeRequest(made, { actor: "me", commandId: "c1" }))).toEqual({
      id: "design",
      text: "x",
      actor: "me",
      commandId: "c1"
    })
    expect(JSON.parse(encodeRequest(made, { actor: undefined, commandId: "c1" }))).not.toHaveProperty("actor")
  })
})

describe("the commands of a card", () => {
  const possible = (status: Card["status"], dependsOn: ReadonlyArray<string> = []) =>
    commandKinds.filter((kind) => kind.refusal({ ...card, status, dependsOn }) === undefined).map(({ name }) => name)

  it.each([
    ["ready", ["complete", "note", "revise", "block", "link"]],
    ["claimed", ["complete", "note", "revise", "block", "release", "reclaim", "link"]],
    ["blocked", ["complete", "note", "revise", "unblock", "link"]],
    ["done", ["note", "revise", "reopen", "link"]]
  ] as const)("with the status %s are %j", (status, names) => {
    expect(possible(status)).toEqual(names)
  })

  it("include unlink if it has dependencies", () => {
    expect(possible("ready", ["base"])).toContain("unlink")
  })
})
