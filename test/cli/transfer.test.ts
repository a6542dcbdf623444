import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { readdir, readFile, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type BeadsFileName, beadsFileFor } from "../support/beadsData.ts"
import { cli, inDirectory, json, onServer, type Place, temporaryDirectory } from "./support.ts"

const ask = (place: Place, ...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])

/** Filters out events after a position, and cards whose claims the import ended. */
const without = (
  items: ReadonlyArray<Record<string, unknown>>,
  reclaimed: ReadonlyArray<unknown>,
  position: number
): ReadonlyArray<unknown> =>
  items.filter(({ id, position: at }) => (typeof at === "number" ? at <= position : !reclaimed.includes(id)))

/** Moves a backlog from a directory to the server, and verifies both sides. */
const moves = async (from: Place, to: Place, directory: string) => {
  const { data: anchor } = await ask(from, "anchor")
  const file = join(directory, "log.jsonl")
  const exported = await ask(from, "export", file)
  const { chainHash, position } = anchor
  assert.deepStrictEqual(exported.data, { file, position, chainHash, events: position })

  // No server listens there: a file is verified without a database.
  const alone = await json(["--db", "postgres://u@127.0.0.1:1/d", "verify", file, "--anchor", anchor.line])
  assert.deepStrictEqual([alone.code, alone.stderr], [0, ""])
  assert.deepInclude(alone.data, { position, chainHash, anchoredPosition: position, divergenceCount: 0 })

  const imported = await ask(to, "import", file, "--format", "log")
  const cards = alone.data.cards as number
  const { generation, reclaimed, ...end } = imported.data
  assert.deepStrictEqual([imported.code, end], [0, { position, chainHash, events: position, cards }])
  assert.isAbove(generation, 2 ** 31)
  const verified = await ask(to, "verify", "--anchor", anchor.line)
  assert.deepStrictEqual([verified.code, verified.data.divergences], [0, []])
  const ended = position + reclaimed.length
  assert.deepInclude(verified.data, { position: ended, cards, anchoredPosition: position })
  for (const command of [["list"], ["events"], ["list", "--ready"]]) {
    const [there, here] = [(await ask(to, ...command)).data, (await ask(from, ...command)).data]
    assert.deepStrictEqual(without(there, reclaimed, position), without(here, reclaimed, position))
  }
  const again = (await cli([...to.flags, "export"])).stdout.split("\n").slice(1, position + 1)
  const first = (await readFile(file, "utf8")).split("\n").slice(1, position + 1)
  assert.isTrue(again.join() === first.join(), "an export of what was imported begins with the same events")
  return { anchor, file }
}

describe("a transferred log", () => {
  let from: Place
  let directory: string
  let file: string
  let anchor: { readonly line: string; readonly chainHash: string }
  const to = onServer()
  beforeAll(async () => {
    directory = await temporaryDirectory()
    from = await inDirectory()
    const sample = "test/import/fixtures/sample.beads.jsonl"
    assert.strictEqual((await ask(from, "import", sample)).code, 0)
    await ask(from, "claim", "--owner", "w1")
    await ask(from, "redact", "mb-2", "--part", "body", "--reason", "a leak")
  })
  afterAll(() => Promise.all([from.remove(), to.remove()]))

  it("a log moves unchanged from a directory to a server", async () => {
    const moved = await moves(from, to, directory)
    file = moved.file
    anchor = moved.anchor
    assert.deepStrictEqual(await readdir(directory), ["log.jsonl"])
  })

  it("the log continues after the transfer", async () => {
    assert.strictEqual((await ask(to, "create", "--id", "later", "--title", "Later")).code, 0)
    const { code, data } = await ask(to, "verify", "--anchor", anchor.line)
    assert.deepStrictEqual([code, data.divergenceCount], [0, 0])
  })

  it("a log is imported only into an empty backlog", async () => {
    const refused = await ask(to, "import", file, "--format", "log")
    assert.deepStrictEqual([refused.code, refused.error._tag], [5, "BacklogNotEmpty"])
  })

  it("export, import and verify report what they did as text", async () => {
    const other = onServer()
    const text = join(directory, "text.jsonl")
    const exported = await cli([...from.flags, "export", text])
    const words = new RegExp(`, up to position \\d+, chain hash ${anchor.chainHash}\\.\n`)
    assert.match(exported.stdout, words)
    assert.isTrue(exported.stdout.startsWith("Wrote "))
    const imported = await cli([...other.flags, "import", "-", "--format", "log"], { stdin: await readFile(text) })
    assert.strictEqual(imported.code, 0, imported.stderr)
    assert.match(imported.stderr, /^note: a new backlog was created in schema "\w+" on 127\.0\.0\.1:\d+\n$/)
    assert.match(imported.stdout, words)
    const verified = await cli(["verify", text, "--anchor", anchor.line])
    assert.deepStrictEqual([verified.code, verified.stderr], [0, ""])
    assert.match(verified.stdout, /, 1 erased part\.\nThe log matches .*\nNo divergences found\.\n$/)
    await other.remove()
  })

  it("export replaces a file only with --force, and refuses --json without a file", async () => {
    const kept = join(directory, "kept")
    await writeFile(kept, "kept")
    const refused = await ask(to, "export", kept)
    assert.deepStrictEqual([refused.code, refused.error._tag], [5, "FileExists"])
    assert.strictEqual(await readFile(kept, "utf8"), "kept")
    assert.strictEqual((await ask(to, "export", kept, "--force")).code, 0)
    assert.match(await readFile(kept, "utf8"), /^\{"format":"mosaic-backlog-log"/)
    const document = await ask(to, "export")
    assert.deepStrictEqual([document.code, document.error._tag], [2, "InvalidInput"])
    // A dangling link exists, but replacing it loses no file.
    const link = join(directory, "link")
    await symlink(join(directory, "nowhere"), link)
    assert.strictEqual((await ask(to, "export", link)).code, 0)
    assert.isEmpty((await readdir(directory)).filter((name) => name.endsWith(".part")))
  })

  describe("with changes on the way", () => {
    let lines: ReadonlyArray<string>
    beforeAll(async () => {
      lines = (await readFile(file, "utf8")).split("\n").slice(0, -1)
    })

    const verified = (changed: ReadonlyArray<string>, ...argv: ReadonlyArray<string>) =>
      json(["verify", "-", ...argv], { stdin: `${changed.join("\n")}\n` })

    it.each<[string, (all: ReadonlyArray<string>) => ReadonlyArray<string>, string]>([
      ["that is truncated", (all) => all.slice(0, -1), "head"],
      [
        "that is edited",
        (all) => all.with(2, (all[2] ?? "").replace('"actor":"tester"', '"actor":"mallory"')),
        "content"
      ],
      ["without a line", (all) => all.toSpliced(3, 1), "position"],
      ["with two lines swapped", (all) => all.with(3, all[4] ?? "").with(4, all[3] ?? ""), "position"]
    ])("a log %s is reported and not imported", async (_, change, check) => {
      const changed = change(lines)
      assert.notDeepEqual(changed, lines)
      const { code, data, stderr } = await verified(changed)
      assert.deepStrictEqual([code, stderr], [5, ""])
      assert.include(
        data.divergences.map((divergence: { check: string }) => divergence.check),
        check
      )
      const other = onServer()
      const stdin = `${changed.join("\n")}\n`
      const imported = await json([...other.flags, "import", "-", "--format", "log"], { stdin })
      assert.deepStrictEqual([imported.code, imported.error._tag], [5, "LogFileRefused"])
      assert.strictEqual((await ask(other, "stats")).data.total, 0)
      await other.remove()
    })

    it("a consistent but shorter log is reported by the anchor", async () => {
      const [header = "", first = ""] = lines
      const { chainHash, position } = JSON.parse(first)
      const early = [JSON.stringify({ ...JSON.parse(header), position, chainHash }), first]
      const alone = await verified(early)
      assert.deepStrictEqual([alone.code, alone.data.divergences], [0, []])
      const { code, data } = await verified(early, "--anchor", anchor.line)
      assert.strictEqual(code, 5)
      assert.include(
        data.divergences.map(({ check }: { check: string }) => check),
        "anchor"
      )
    })

    it("an invalid line is refused with its number", async () => {
      const broken = await verified(lines.with(3, "{"))
      assert.deepStrictEqual([broken.code, broken.error._tag, broken.error.line], [5, "LogFileRefused", 4])
      const headless = await verified(lines.slice(1))
      assert.deepStrictEqual([headless.code, headless.error._tag], [2, "InvalidInput"])
    })
  })
})

describe("a real backlog", () => {
  for (const name of ["tearags-issues.jsonl", "beads-issues-2026-01-22.jsonl"] satisfies ReadonlyArray<BeadsFileName>) {
    const issues = beadsFileFor("moves a real backlog from a directory to a server", name)
    it.skipIf(issues === undefined)(`a real backlog moves from a directory to a server: ${name}`, async () => {
      const from = await inDirectory()
      const to = onServer()
      assert.strictEqual((await ask(from, "import", issues ?? "")).code, 0)
      await moves(from, to, await temporaryDirectory())
      await Promise.all([from.remove(), to.remove()])
    })
  }
})
