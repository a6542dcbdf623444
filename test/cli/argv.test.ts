import { assert, describe, it } from "@effect/vitest"
import { requestsJson, normalizeArguments, switchFlags, commandAliases, valueFlags } from "../../src/cli/argv.ts"
import { json } from "./support.ts"

describe("plain arguments", () => {
  it.each<[string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    ["a switch is no flag for a value", ["show", "--json", "1"], ["show", "--json=true", "1"]],
    ["a switch may be repeated", ["--json", "list", "--json"], ["--json=true", "list"]],
    ["a value may begin with a dash", ["create", "--body", "- item"], ["create", "--body=- item"]],
    ["also with two, where it is no flag", ["--body", "---\ntitle"], ["--body=---\ntitle"]],
    ["a negative number", ["--priority", "-5"], ["--priority=-5"]],
    ["a value that looks like a flag must be joined", ["--title", "--body"], ["--title", "--body"]],
    ["a value that is joined stays", ["--title=--body=1"], ["--title=--body=1"]],
    ["what follows -- is left alone", ["show", "--", "--json", "done"], ["show", "--", "--json", "done"]],
    ["other words for commands", ["--db", "next", "done", "done"], ["--db=next", "complete", "done"]],
    [
      "a flag of the log's position",
      ["events", "--after", "-1", "--follow"],
      ["events", "--after=-1", "--follow=true"]
    ],
    ["help for a command", ["help", "take"], ["claim", "--help=true"]],
    ["help for a command of a command", ["help", "receipts", "prune"], ["receipts", "prune", "--help=true"]],
    ["help for all", ["help"], ["--help=true"]],
    ["nothing", [], []]
  ])("%s", (_, given, plain) => {
    assert.deepStrictEqual(normalizeArguments(given), plain)
  })

  it("tell whether JSON is asked for", () => {
    assert.isTrue(requestsJson(normalizeArguments(["lst", "--json"])))
    assert.isFalse(requestsJson(normalizeArguments(["show", "--", "--json"])))
    assert.isFalse(requestsJson(normalizeArguments(["list", "--json=false"])))
  })
})

describe("the names of flags", () => {
  it("are those of the commands' help, switches apart from flags with a value", async () => {
    const overview = await json(["--help"])
    const commands = overview.data.commands.map(({ name }: { name: string }) => name) as ReadonlyArray<string>
    assert.isAbove(commands.length, 25)
    for (const synonym of Object.values(commandAliases)) assert.include(commands, synonym)
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
