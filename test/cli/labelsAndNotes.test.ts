import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cli, json, onServer } from "./support.ts"

interface Diff {
  readonly id: string
  readonly before: { readonly priority: number } | null
  readonly after: { readonly priority: number }
  readonly fields: ReadonlyArray<string>
}

describe("ids, labels, notes and dates on the command line", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())

  const answered = async (...argv: ReadonlyArray<string>) => {
    const { code, data, error, stderr } = await json([...place.flags, ...argv])
    assert.deepStrictEqual([code, error, stderr], [0, undefined, ""])
    return data
  }
  const refused = async (code: number, tag: string, ...argv: ReadonlyArray<string>) => {
    const document = await json([...place.flags, ...argv])
    assert.deepStrictEqual([document.code, document.error?._tag], [code, tag], JSON.stringify(document))
    return document.error
  }
  const say = async (...argv: ReadonlyArray<string>) => {
    const ran = await cli([...argv, ...place.flags])
    assert.deepStrictEqual([ran.code, ran.stderr], [0, ""], ran.stderr)
    return ran.stdout
  }
  const idsOf = async (...argv: ReadonlyArray<string>) =>
    (await answered(...argv)).map(({ id }: { readonly id: string }) => id)

  it("create generates an id with the prefix, and the same one for the same key", async () => {
    const { id } = await answered("create", "--title", "A")
    assert.match(id, /^[2-9a-z]{8}$/)
    const create = ["create", "--title", "B", "--idempotency-key", "k", "--json", ...place.flags]
    const env = { BACKLOG_ID_PREFIX: "web-" }
    const [first, second] = [await cli(create, { env }), await cli(create, { env })]
    const made = JSON.parse(first.stdout).data.id
    assert.match(made, /^web-[2-9a-z]{8}$/)
    assert.strictEqual(JSON.parse(second.stdout).data.id, made)
    const wrong = await cli(["create", "--title", "C", ...place.flags], { env: { BACKLOG_ID_PREFIX: "a\nb" } })
    assert.strictEqual(wrong.code, 2)
    assert.include(wrong.stderr, "BACKLOG_ID_PREFIX")
    await answered("complete", id)
    await answered("complete", made)
  })

  it("an id with a comma or a backslash can be a dependency", async () => {
    for (const id of ["a,b", "c\\d"]) await answered("create", "--id", id, "--title", id, "--status", "done")
    const made = await answered("create", "--id", "waits", "--title", "W", "--depends-on", "a\\,b, c\\\\d")
    assert.deepStrictEqual(made.dependsOn, ["a,b", "c\\d"])
    for (const [on, problem] of [
      ["a,,b", "an empty id"],
      ["a,b\\", "a single backslash"]
    ] as const) {
      const refusal = await refused(2, "InvalidInput", "create", "--title", "W", "--depends-on", on)
      assert.include(refusal.message, problem)
    }
    await answered("complete", "waits")
  })

  it("labels select what is listed and claimed", async () => {
    await answered("create", "--id", "r", "--title", "R", "--label", "rust", "--label", "slow")
    await answered("create", "--id", "g", "--title", "G", "--label", "go")
    assert.deepStrictEqual((await answered("revise", "g", "--add-label", "fast", "--remove-label", "no")).labels, [
      "fast",
      "go"
    ])
    assert.deepStrictEqual(await idsOf("list", "--ready", "--label", "rust", "--label", "slow"), ["r"])
    assert.deepStrictEqual(await idsOf("ready", "--without-label", "rust"), ["g"])
    await refused(3, "NothingClaimable", "claim", "--owner", "w", "--label", "rust", "--label", "go")
    assert.strictEqual((await answered("next", "--owner", "w", "--without-label", "rust")).id, "g")
    const done = await answered("complete", "g", "--force", "--claim-next", "w", "--label", "rust")
    assert.strictEqual(done.next.id, "r")
    assert.include(await say("show", "r"), "labels rust, slow")
    await answered("complete", "r", "--force")
  })

  it("notes are written with and without a claim, and printed", async () => {
    await answered("create", "--id", "n", "--title", "N")
    const { claimToken } = await answered("claim", "n", "--owner", "w")
    await answered("note", "n", "--text", "first\n\u202eline")
    await answered("renew", "n", "--token", String(claimToken), "--note", "second")
    assert.include(await say("comment", "n", "--text", "third"), "n has 3 notes.")
    await refused(5, "ClaimLost", "note", "n", "--token", "1", "--text", "late")
    const notes = await answered("notes", "n")
    assert.deepStrictEqual(
      notes.map(({ claim, text }: { claim: object | null; text: string }) => [text, claim]),
      [
        ["third", null],
        ["second", { owner: "w", token: claimToken }],
        ["first\n\u202eline", null]
      ]
    )
    assert.deepStrictEqual(await answered("notes", "n", "--limit", "1", "--before", String(notes[1].version)), [
      notes[2]
    ])
    const text = await say("notes", "n")
    assert.include(text, "under the claim of w")
    assert.notInclude(text, "\u202e")
    const [claim, ...others] = await answered("claims")
    assert.deepStrictEqual(
      [claim.id, claim.owner, claim.attempt, claim.renewals, claim.lastNote.text, others],
      ["n", "w", 1, 1, "third", []]
    )
    assert.deepStrictEqual(await answered("claims", "--owner", "nobody"), [])
    assert.match(await say("claims"), /\nn +w +2 /)
    assert.include(await say("history", "n"), "third")
    await answered("redact", "n", "--part", "text", "--reason", "secret")
    assert.deepStrictEqual((await answered("notes", "n"))[0].text, "[redacted]")
    await answered("complete", "n", "--force")
    await answered("note", "n", "--text", "after")
  })

  it("a card with a time is not claimed before it", async () => {
    const card = await answered(
      "create",
      "--id",
      "later",
      "--title",
      "Later",
      "--not-before",
      "2100-01-01T01:00:00+01:00"
    )
    assert.strictEqual(card.notBefore, "2100-01-01T00:00:00.000Z")
    assert.deepStrictEqual(await idsOf("list", "--claimability", "deferred"), ["later"])
    await refused(3, "NothingClaimable", "claim", "later", "--owner", "w")
    assert.include(await say("explain", "later"), "2100-01-01")
    assert.strictEqual((await answered("update", "later", "--not-before", "")).notBefore, null)
    assert.deepStrictEqual(await idsOf("list", "--ready"), ["later"])
    await answered("close", "later")
  })

  it("search finds words in ids, titles and bodies, and lists are sorted and paged", async () => {
    await answered("create", "--id", "s-1", "--title", "The Login page", "--body", "fails with error 500")
    await answered("create", "--id", "s-2", "--title", "Logout", "--status", "done")
    assert.deepStrictEqual(await idsOf("search", "LOGIN", "err"), ["s-1"])
    assert.deepStrictEqual(await idsOf("search", "logi"), ["s-1"])
    assert.deepStrictEqual(await idsOf("find", "log", "--status", "done"), ["s-2"])
    assert.deepStrictEqual(await idsOf("search", "' | !"), [])
    const all = await idsOf("list", "--order", "created")
    assert.deepStrictEqual(all.slice(0, 2), ["s-2", "s-1"])
    assert.deepStrictEqual(await idsOf("list", "--order", "created", "--limit", "1", "--after", "s-2"), ["s-1"])
    assert.deepStrictEqual(await idsOf("list", "--order", "created", "--before", "s-1"), ["s-2"])
    await refused(4, "CardNotFound", "list", "--after", "nothing")
    assert.deepStrictEqual(await idsOf("list", "--status", "done", "--order", "completed", "--limit", "1"), ["s-2"])
  })

  it("diff shows what changed between two moments", async () => {
    const { data } = await json([...place.flags, "anchor"])
    await answered("create", "--id", "x-1", "--title", "X\u202e")
    await answered("revise", "x-1", "--priority", "3")
    await answered("revise", "s-1", "--body", "other", "--priority", "2")
    const from = String(data.position)
    const diffs = await answered("diff", from)
    assert.deepStrictEqual(
      diffs.map(({ after, before, fields, id }: Diff) => [id, before?.priority, after.priority, fields]),
      [
        ["s-1", 0, 2, ["body", "priority"]],
        ["x-1", undefined, 3, diffs[1].fields]
      ]
    )
    const text = await say("diff", from)
    assert.include(text, "  body changed\n  priority: 0 → 2\n")
    assert.include(text, "  created, ready\n")
    assert.notInclude(text, "\u202e")
    assert.deepStrictEqual(await say("diff", from, from), "Nothing changed.\n")
    await refused(2, "InvalidInput", "diff", "yesterday")
    await refused(2, "InvalidInput", "diff", "2", "1")
    await answered("complete", "x-1")
  })

  it("deps and critical-path show the graph", async () => {
    for (const [id, on] of [
      ["d2", "d1,gone"],
      ["d3", "d2"]
    ] as const) {
      await answered("create", "--id", id, "--title", id, "--depends-on", on, "--label", "graph")
    }
    await answered("create", "--id", "d1", "--title", "d1", "--label", "graph")
    const around = await answered("deps", "d1", "--hops", "2")
    assert.deepStrictEqual(
      [around.cards.map(({ id }: { id: string }) => id), around.edges, around.missing, around.impact.waiting],
      [
        ["d1", "d2", "d3"],
        [
          { from: "d2", to: "d1" },
          { from: "d3", to: "d2" }
        ],
        ["gone"],
        2
      ]
    )
    const text = await say("deps", "d2")
    for (const part of ["It depends on", "These depend on it", "These dependencies do not exist: gone."]) {
      assert.include(text, part)
    }
    assert.notInclude(text, "not shown")
    assert.include(await say("deps", "d1"), "1 dependency leads from the cards above to cards that are not shown")
    assert.deepStrictEqual(await idsOf("critical-path", "--label", "graph"), ["d1", "d2", "d3"])
    await refused(4, "CardNotFound", "deps", "nothing")
    assert.strictEqual((await say("critical-path", "--label", "none")).trim() === "", false)
  })
})
