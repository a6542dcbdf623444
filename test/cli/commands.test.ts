import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Card, Explanation, RecordedEvent, Stats } from "../../src/index.ts"
import { cli, json, onServer } from "./support.ts"

const decodeCard = Schema.decodeUnknownSync(Card, { onExcessProperty: "error" })
const decodeEvents = Schema.decodeUnknownSync(Schema.Array(RecordedEvent), { onExcessProperty: "error" })

describe("the life of two cards, by every command", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())

  const ask = (...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])
  const answered = async (...argv: ReadonlyArray<string>) => {
    const { code, data, error, stderr } = await ask(...argv)
    assert.deepStrictEqual([code, error, stderr], [0, undefined, ""])
    return data
  }
  const refused = async (code: number, tag: string, ...argv: ReadonlyArray<string>) => {
    const document = await ask(...argv)
    assert.deepStrictEqual([document.code, document.error?._tag], [code, tag], JSON.stringify(document))
    return document.error
  }

  it("every command prints its result as JSON", async () => {
    const design = decodeCard(
      await answered("create", "--id", "design", "--title", "Design it", "--priority", "-5", "--idempotency-key", "k1")
    )
    assert.strictEqual(design.priority, -5)
    assert.deepStrictEqual(
      (await answered("create", "--id", "other", "--title", "Design it", "--idempotency-key", "k1")).id,
      "design"
    )
    const build = await answered(
      "create",
      "--id",
      "build",
      "--title",
      "Build it",
      "--depends-on",
      "design, later",
      "--depends-on",
      "-x",
      "--phase",
      "alpha",
      "--body",
      "- one\n- two",
      "--acceptance",
      '{"n":[1,2.5,"x"]}'
    )
    assert.deepStrictEqual(decodeCard(build).dependsOn.map(String), ["-x", "design", "later"])
    assert.deepStrictEqual([build.acceptance, build.body], [{ n: [1, 2.5, "x"] }, "- one\n- two"])
    assert.deepStrictEqual((await answered("unlink", "build", "later")).dependsOn, ["-x", "design"])
    assert.deepStrictEqual((await answered("unlink", "build", "--", "-x")).dependsOn, ["design"])
    assert.strictEqual((await refused(4, "DependencyNotFound", "link", "build", "later")).dependsOn, "later")
    const cycle = await refused(5, "DependencyCycle", "link", "design", "build")
    assert.deepStrictEqual(cycle.path, ["design", "build", "design"])
    assert.strictEqual((await refused(5, "CardAlreadyExists", "create", "--id", "build", "--title", "x")).id, "build")

    const explanation = await answered("explain", "build")
    assert.isFalse(Schema.decodeUnknownSync(Explanation, { onExcessProperty: "error" })(explanation).claimable)
    assert.deepStrictEqual(
      (await answered("list", "--ready")).map((card: { id: string }) => card.id),
      ["design"]
    )
    const waiting = await refused(3, "NothingClaimable", "claim", "build", "--owner", "w1")
    assert.deepStrictEqual([waiting.id, waiting.obstacles[0]._tag], ["build", "UnmetDependencies"])

    const claimed = decodeCard(await answered("claim", "--owner", "w1", "--ttl", "60"))
    assert.deepStrictEqual([claimed.id as string, claimed.claimOwner, claimed.claimToken], ["design", "w1", 2])
    const none = await refused(3, "NothingClaimable", "claim", "--owner", "w2")
    assert.include(none.message, "1 waiting for other cards, 1 claimed")
    assert.strictEqual((await answered("renew", "design", "--token", "2", "--ttl", "120")).claimTtlSeconds, 120)
    const lost = await refused(5, "ClaimLost", "renew", "design", "--token", "1")
    assert.strictEqual(lost.holder, "w1")
    assert.match(lost.expiresAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    await refused(5, "CardIsClaimed", "complete", "design")
    const released = await answered("release", "design", "--token", "2", "--reason", "-", "--retry-after", "3600")
    assert.isString(decodeCard(released).notBefore === null ? null : released.notBefore)
    assert.strictEqual(
      (await refused(3, "NothingClaimable", "claim", "design", "--owner", "w2")).obstacles[0]._tag,
      "NotYet"
    )

    const completed = await answered("complete", "design", "--result", '{"ok":true}')
    assert.deepStrictEqual([completed.status, completed.madeClaimable], ["done", ["build"]])
    assert.strictEqual((await refused(5, "CardIsDone", "block", "design")).id, "design")
    assert.strictEqual((await answered("reopen", "design", "--reason", "again")).status, "ready")
    assert.strictEqual((await answered("block", "design", "--reason", "wait")).blockedReason, "wait")
    assert.strictEqual((await answered("unblock", "design")).status, "ready")
    const revised = await answered("revise", "build", "--phase", "", "--title", "Build it well", "--acceptance", "null")
    assert.deepStrictEqual([revised.phase, revised.title, revised.acceptance], [null, "Build it well", null])
    await answered("claim", "design", "--owner", "w3")
    assert.deepStrictEqual(await answered("reclaim"), [])
    assert.deepStrictEqual(await answered("reclaim", "design"), ["design"])
    assert.deepStrictEqual(await answered("reclaim", "design"), [])

    const stats = Schema.decodeUnknownSync(Stats, { onExcessProperty: "error" })(await answered("stats"))
    assert.deepStrictEqual(
      [stats.counts, stats.total, stats.claimable, stats.waiting],
      [{ ready: 2, claimed: 0, blocked: 0, done: 0 }, 2, 1, 1]
    )
    const history = decodeEvents(await answered("history", "design"))
    assert.strictEqual(
      history.map(({ type }) => type).join(" "),
      "CardCreated CardClaimed ClaimRenewed CardReleased CardCompleted CardReopened CardBlocked CardUnblocked CardClaimed CardReclaimed"
    )
    assert.isTrue(history.every(({ actor }) => actor === "tester"))
    assert.deepStrictEqual(
      (await answered("migrate")).every(({ isNew }: { isNew: boolean }) => !isNew),
      true
    )
  })

  it("every command prints its result as text", async () => {
    const say = async (...argv: ReadonlyArray<string>) => {
      const ran = await cli([...argv, ...place.flags])
      assert.deepStrictEqual([ran.code, ran.stderr], [0, ""], ran.stderr)
      return ran.stdout
    }
    const list = await say("list")
    assert.match(list, /^ID +TITLE +STATUS +PRIORITY +ATTEMPTS\n/)
    assert.match(list, /\nbuild +Build it well +waiting +0 +\n/)
    assert.match(list, /\ndesign +Design it +ready +-5 +2\n/)
    assert.match(list, /\n2 cards, 1 claimable\n$/)
    assert.include(await say("show", "build"), "It waits for design (ready).")
    assert.match(await say("history", "design"), /tester {2}claimed by w1 until [\d:]+Z, attempt 1\n/)
    assert.match(
      await say("claim", "--owner", "w9"),
      /^w9 claimed it with token 11 for 900 seconds:\ndesign {2}Design it\n/
    )
    assert.match(await say("explain", "design"), /^design cannot be claimed\.\n {2}It is held by w9 until /)
    assert.strictEqual(await say("complete", "design", "--token", "11"), "design is done.\nNow claimable: build.\n")
    assert.include(await say("stats"), "done                           1\n")
    assert.strictEqual(await say("list", "--phase", "none"), "No cards.\n")
  })

  it("claim --limit claims several cards, and complete --claim-next claims the next", async () => {
    const asked = (...argv: ReadonlyArray<string>) => answered(...argv, "--actor", "tester")
    for (const id of ["a", "b"]) await asked("create", "--id", id, "--title", "T", "--phase", "late")
    await asked("create", "--id", "c", "--title", "C", "--phase", "late", "--depends-on", "a")
    await refused(2, "InvalidInput", "claim", "a", "--owner", "w4", "--limit", "2")
    await refused(2, "InvalidInput", "complete", "a", "--phase", "late")
    assert.deepStrictEqual(
      (await asked("claim", "--owner", "w4", "--limit", "5", "--phase", "late")).map(({ id }: { id: string }) => id),
      ["a", "b"]
    )
    await refused(3, "NothingClaimable", "claim", "--owner", "w4", "--limit", "5", "--phase", "late")
    const next = ["--claim-next", "w4", "--ttl", "60", "--phase", "late"]
    const both = await asked("complete", "a", "--token", "2", ...next)
    assert.deepStrictEqual([both.madeClaimable, both.next.id, both.next.claimTtlSeconds], [["c"], "c", 60])
    assert.strictEqual((await asked("complete", "b", "--token", "2", ...next)).next, null)
    const completed = await cli(["complete", "c", "--token", "2", "--claim-next", "w4", ...place.flags])
    assert.match(
      completed.stdout,
      /^c is done\.\nw4 claimed build {2}Build it well next with token \d+ for 900 seconds\.\n$/
    )
  })
})

describe("texts from outside", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("a text from standard input is read completely", async () => {
    const text = `${"ü".repeat(70_000)}\r\nno end`
    const card = await json(["create", "--id", "a", "--title", "A", "--body", "-", ...place.flags], { stdin: text })
    assert.strictEqual(card.data.body, text)
    const done = await json(["complete", "a", "--result", "-", ...place.flags], { stdin: ' {"a": [1e2]}\n' })
    assert.deepStrictEqual(done.data.result, { a: [100] })
  })

  it("a byte order mark before JSON from standard input is ignored", async () => {
    const args = ["create", "--id", "marked", "--title", "M", "--acceptance", "-", ...place.flags]
    const card = await json(args, { stdin: '\ufeff["a"]\n' })
    assert.deepStrictEqual(card.data.acceptance, ["a"])
  })

  it("two sources for one text are refused", async () => {
    const ran = await json(["create", "--id", "b", "--title", "B", "--body", "-", "--acceptance", "-", ...place.flags])
    assert.deepStrictEqual([ran.code, ran.error._tag], [2, "InvalidInput"])
    const both = await json(["create", "--id", "b", "--title", "B", "--body", "x", "--body-file", "y", ...place.flags])
    assert.strictEqual(both.code, 2)
  })

  it("control characters in texts are escaped for a terminal", async () => {
    const evil = "\u001b]0;owned\u0007\u009b2J"
    const flags = [...place.flags, "--actor", "tester"]
    await cli(["create", "--id", "e", "--title", evil, "--body", evil, "--acceptance", JSON.stringify(evil), ...flags])
    for (const command of [["list"], ["show", "e"], ["history", "e"], ["claim", "e", "--owner", "w"]]) {
      const { code, stdout } = await cli([...command, ...flags], { terminal: 60 })
      assert.strictEqual(code, 0)
      // oxlint-disable-next-line no-control-regex -- colors are the only escapes
      assert.notMatch(stdout.replaceAll(/\u001b\[\d+m/g, ""), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
      const plain = await cli([...command, ...flags, "--json"])
      // oxlint-disable-next-line no-control-regex -- nor in JSON
      assert.notMatch(plain.stdout.trimEnd(), /[\u0000-\u001f\u007f-\u009f]/)
    }
    const refusal = await cli(["show", ...flags, evil.replaceAll("\u0007", "")])
    // oxlint-disable-next-line no-control-regex -- nor in errors
    assert.notMatch(refusal.stderr.trimEnd(), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })
})
