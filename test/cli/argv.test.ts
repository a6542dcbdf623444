import { assert, describe, it } from "@effect/vitest"
import { requestsJson, normalizeArguments, switchFlags, commandAliases, valueFlags } from "../../src/cli/argv.ts"
import { json } from "./support.ts"

describe("normalized arguments", () => {
  it.each<[string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    ["a switch takes no value", ["show", "--json", "1"], ["show", "--json=true", "1"]],
    ["a switch may be repeated", ["--json", "list", "--json"], ["--json=true", "list"]],
    ["a value may begin with a dash", ["create", "--body", "- item"], ["create", "--body=- item"]],
    ["a value may begin with two dashes if it is not a flag", ["--body", "---\ntitle"], ["--body=---\ntitle"]],
    ["a value may be a negative number", ["--priority", "-5"], ["--priority=-5"]],
    ["a value that looks like a flag must be joined", ["--title", "--body"], ["--title", "--body"]],
    ["a flag without its value is refused, and shows no help", ["note", "a", "--text", "-h"], ["note", "a", "--text"]],
    ["a flag without its value shows no version", ["--title", "--version", "--json"], ["--title", "--json=true"]],
    ["a joined value may be -h", ["note", "a", "--text=-h"], ["note", "a", "--text=-h"]],
    ["a joined value is unchanged", ["--title=--body=1"], ["--title=--body=1"]],
    ["arguments after -- are unchanged", ["show", "--", "--json", "done"], ["show", "--", "--json", "done"]],
    ["an alias becomes its command", ["--db", "next", "done", "done"], ["--db=next", "complete", "done"]],
    ["a position may be negative", ["events", "--after", "-1", "--follow"], ["events", "--after=-1", "--follow=true"]],
    ["help shows a command's help", ["help", "take"], ["claim", "--help=true"]],
    ["help shows a subcommand's help", ["help", "receipts", "prune"], ["receipts", "prune", "--help=true"]],
    ["help alone shows the overview", ["help"], ["--help=true"]],
    ["no arguments stay empty", [], []]
  ])("%s", (_, given, plain) => {
    assert.deepStrictEqual(normalizeArguments(given), plain)
  })

  it("requestsJson finds --json among the arguments", () => {
    assert.isTrue(requestsJson(normalizeArguments(["lst", "--json"])))
    assert.isFalse(requestsJson(normalizeArguments(["show", "--", "--json"])))
    assert.isFalse(requestsJson(normalizeArguments(["list", "--json=false"])))
  })
})

describe("the lists of flags", () => {
  it("the known flags are those of the commands' help", async () => {
    const overview = await json(["--help"])
    const commands = overview.data.commands.map(({ name }: { name: string }) => name) as ReadonlyArray<string>
    assert.isAbove(commands.length, 25)
    for (const [synonym] of Object.values(commandAliases)) assert.include(commands, synonym)
    const found = { switches: new Set<string>(), valued: new Set<string>() }
    for (const command of [...commands, "receipts prune", "token create", "token list", "token revoke"]) {
      const help = await json([...command.split(" "), "--help"])
      assert.isNotEmpty(help.data.examples)
      for (const { name, type } of help.data.flags) {
        found[type === "boolean" ? "switches" : "valued"].add(String(name).slice(2))
      }
    }
    assert.deepStrictEqual([...found.switches].sort(), [...switchFlags].sort())
    assert.deepStrictEqual([...found.valued].sort(), [...valueFlags].sort())
  })
})
