import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { readdir, readFile, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type BeadsFileName, beadsFileFor } from "../support/beadsData.ts"
import { cli, inDirectory, json, onServer, type Place, temporaryDirectory } from "./support.ts"

const ask = (place: Place, ...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])

/** Events up to a position, and cards but those whose claims the import has ended. */
const without = (
  items: ReadonlyArray<Record<string, unknown>>,
  reclaimed: ReadonlyArray<unknown>,
  position: number
): ReadonlyArray<unknown> =>
  items.filter(({ id, position: at }) => (typeof at === "number" ? at <= position : !reclaimed.includes(id)))

/** Moves a backlog from a directory to the server, and checks that it is the same and proves itself on every way. */
const moves = async (from: Place, to: Place, directory: string) => {
  const { data: anchor } = await ask(from, "anchor")
  const file = join(directory, "log.jsonl")
  const exported = await ask(from, "export", file)
  const { chainHash, position } = anchor
  assert.deepStrictEqual(exported.data, { file, position, chainHash, events: position })

  // Nobody listens there: a file is verified without a database.
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

describe("a log that moves", () => {
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

  it("from a directory to a server is the same there", async () => {
    const moved = await moves(from, to, directory)
    file = moved.file
    anchor = moved.anchor
    assert.deepStrictEqual(await readdir(directory), ["log.jsonl"])
  })

  it("goes on after that", async () => {
    assert.strictEqual((await ask(to, "create", "--id", "later", "--title", "Later")).code, 0)
    const { code, data } = await ask(to, "verify", "--anchor", anchor.line)
    assert.deepStrictEqual([code, data.divergenceCount], [0, 0])
  })

  it("is imported into an empty backlog only", async () => {
    const refused = await ask(to, "import", file, "--format", "log")
    assert.deepStrictEqual([refused.code, refused.error._tag], [5, "BacklogNotEmpty"])
  })

  it("is told to people too", async () => {
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

  it("replaces a file only when it is told to, and is not a document itself", async () => {
    const kept = join(directory, "kept")
    await writeFile(kept, "kept")
    const refused = await ask(to, "export", kept)
    assert.deepStrictEqual([refused.code, refused.error._tag], [5, "FileExists"])
    assert.strictEqual(await readFile(kept, "utf8"), "kept")
    assert.strictEqual((await ask(to, "export", kept, "--force")).code, 0)
    assert.match(await readFile(kept, "utf8"), /^\{"format":"mosaic-backlog-log"/)
    const document = await ask(to, "export")
    assert.deepStrictEqual([document.code, document.error._tag], [2, "InvalidInput"])
    // What leads nowhere is there all the same, but there is no file to be lost.
    const link = join(directory, "link")
    await symlink(join(directory, "nowhere"), link)
    assert.strictEqual((await ask(to, "export", link)).code, 0)
    assert.isEmpty((await readdir(directory)).filter((name) => name.endsWith(".part")))
  })

  describe("and was changed on the way", () => {
    let lines: ReadonlyArray<string>
    beforeAll(async () => {
      lines = (await readFile(file, "utf8")).split("\n").slice(0, -1)
    })

    const verified = (changed: ReadonlyArray<string>, ...argv: ReadonlyArray<string>) =>
      json(["verify", "-", ...argv], { stdin: `${changed.join("\n")}\n` })

    it.each<[string, (all: ReadonlyArray<string>) => ReadonlyArray<string>, string]>([
      ["cut off", (all) => all.slice(0, -1), "head"],
      ["edited", (all) => all.with(2, (all[2] ?? "").replace('"actor":"tester"', '"actor":"mallory"')), "content"],
      ["without a line", (all) => all.toSpliced(3, 1), "position"],
      ["with two lines swapped", (all) => all.with(3, all[4] ?? "").with(4, all[3] ?? ""), "position"]
    ])("%s: is found out, and not imported", async (_, change, check) => {
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

    it("so that it is consistent in itself: is found out by the anchor", async () => {
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

    it("so that it is no log any more: says at which line", async () => {
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
    it.skipIf(issues === undefined)(`moves from a directory to a server: ${name}`, async () => {
      const from = await inDirectory()
      const to = onServer()
      assert.strictEqual((await ask(from, "import", issues ?? "")).code, 0)
      await moves(from, to, await temporaryDirectory())
      await Promise.all([from.remove(), to.remove()])
    })
  }
})
