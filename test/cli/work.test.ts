import { afterAll, assert, describe, it } from "@effect/vitest"
import { realpath, rename, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { TruncatedOutput } from "../../src/cli/shellHandler.ts"
import { start } from "./program.ts"
import { cli, documentIn, inDirectory, json, onServer, type Place, temporaryDirectory } from "./support.ts"
import { hasEnded, readWhenWritten } from "./waiting.ts"

describe("a truncated output", () => {
  it.each([
    ["nothing", [], ""],
    ["everything that fits", ["ab", "cd", "efg"], "abcdefg"],
    ["the start and the end", ["abcd", "efgh", "ijkl"], "abcd\n… 5 bytes left out …\njkl"],
    ["the start and the end of one chunk", ["abcdefghijkl"], "abcd\n… 5 bytes left out …\njkl"],
    ["valid text", ["a\0\xff"], "a\ufffd\ufffd"],
    ["whole characters", ["abc\xe2", "\x82\xacde\xf0\x9f\x92", "\xa9hi"], "abc\n… 9 bytes left out …\nhi"],
    ["whole characters at the limits", ["\xf0\x9f\x92\xa9----\xe2\x82\xac"], "💩\n… 4 bytes left out …\n€"],
    ["bytes that are no characters", ["\xc0\xc0\xc0\xc0----\x80\x80\x80"], "\ufffd\ufffd\ufffd\n… 8 bytes left out …"]
  ])("the output keeps %s", (_, pieces, kept) => {
    const output = new TruncatedOutput({ headBytes: 4, tailBytes: 3 })
    for (const piece of pieces) output.add(Buffer.from(piece, "latin1"))
    assert.strictEqual(output.text(), kept)
  })
})

describe("backlog work", () => {
  const place = onServer()
  afterAll(() => place.remove())
  const run = (...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])

  it("work runs a command for each card until none is left, and stores its output as the result", async () => {
    await run("create", "--id", "a", "--title", "It's a", "--phase", "p", "--priority", "3")
    await run("create", "--id", "b", "--title", "B", "--depends-on", "a", "--body", "x".repeat(1_000_000))
    await run("create", "--id", "c", "--title", "C", "--depends-on", "b")
    const exec = [
      'case "$BACKLOG_CARD_ID" in',
      // The output has the order of the card's fields.
      'a) echo "$BACKLOG_CARD_TITLE|$BACKLOG_CARD_PHASE|$BACKLOG_CARD_PRIORITY|$BACKLOG_ATTEMPT|$BACKLOG_OWNER|$BACKLOG_CLAIM_TOKEN"; cat; echo; echo;;',
      // The command ends without reading a large card.
      "b) exit 0;;",
      'c) echo wrong >&2; head -c 200000 /dev/zero; [ "$BACKLOG_ATTEMPT" = 2 ];;',
      "esac"
    ].join("\n")
    const work = ["work", "--owner", "w1", "--until-empty", "--retry-after", "1", "--exec", exec]
    const ran = await run(...work)
    assert.deepStrictEqual(
      [ran.code, ran.data],
      [0, { claimed: 4, completed: 3, failed: 1, blocked: 0, lost: 0, released: 0 }]
    )
    const { result } = (await run("show", "a")).data
    const [variables, card, ...rest] = result.split("\n")
    assert.deepStrictEqual([variables, rest], ["It's a|p|3|1|w1|2", []])
    assert.deepInclude(JSON.parse(card), { id: "a", title: "It's a", claimToken: 2, claimOwner: "w1", dependsOn: [] })
    assert.strictEqual((await run("show", "b")).data.result, null)
    const long = (await run("show", "c")).data.result as string
    assert.strictEqual(long, `${"\ufffd".repeat(32768)}\n… 134464 bytes left out …\n${"\ufffd".repeat(32768)}`)
    assert.match(
      ran.stderr,
      /^a {2}claimed, attempt 1\na {2}completed, now claimable: b\nb {2}claimed, attempt 1\nb {2}completed, now claimable: c\nc {2}claimed, attempt 1\nwrong\nc {2}failed, to be retried in 1 second\. Attempt 1 failed: exit code 1: wrong\nc {2}claimed, attempt 2\nwrong\nc {2}completed\n$/
    )
  })

  it("a card is blocked with the reason after the last attempt", async () => {
    await run("create", "--id", "killed", "--title", "K")
    await run("create", "--id", "failed", "--title", "N")
    const exec = 'if [ "$BACKLOG_CARD_ID" = killed ]; then kill -9 $$; else echo "no paper" >&2; exit 3; fi'
    const work = ["work", "--owner", "w1", "--until-empty", "--max-attempts", "1", "--concurrency", "2", "--exec", exec]
    const ran = await cli([...work, ...place.flags])
    assert.deepStrictEqual([ran.code, ran.stdout], [0, "Claimed 2: 2 blocked.\n"])
    assert.match(
      (await run("show", "killed")).data.blockedReason,
      /^1 of 1 attempts failed\.\n\S+Z w1: Attempt 1 failed: ended by SIGKILL$/
    )
    assert.match((await run("show", "failed")).data.blockedReason, /w1: Attempt 1 failed: exit code 3: no paper$/)
  })

  it("invalid options are refused", async () => {
    for (const argv of [
      ["--exec", " "],
      ["--exec", "true", "--concurrency", "0"],
      ["--exec", "true", "--grace-period", "-1"],
      ["--exec", "true", "--retry-after", "0"],
      ["--exec", "true", "--max-failures", "-1"],
      ["--exec", "true", "--retry-after", "31622401"]
    ]) {
      const refused = await run("work", "--owner", "w1", ...argv)
      assert.deepStrictEqual([refused.code, refused.error?._tag], [2, "InvalidInput"], argv.join(" "))
    }
  })
})

describe("a backlog in a command", () => {
  it("a command finds the worker's backlog in another directory, with its schema and actor", async () => {
    const onSchema = onServer()
    const inFolder = await inDirectory()
    const program = `'${process.execPath}' '${join(import.meta.dirname, "..", "..", "dist", "cli", "main.js")}'`
    const note = `cd /; ${program} revise "$BACKLOG_CARD_ID" --body found --json`
    for (const place of [onSchema, inFolder]) {
      await json(["create", "--id", "a", "--title", "A", ...place.flags])
      // The flags win over the environment of the worker.
      const env = { BACKLOG_ACTOR: "other", BACKLOG_DATABASE_URL: "/nowhere", BACKLOG_SCHEMA: "other" }
      const flags = [...place.flags, ...(place === inFolder ? ["--schema", "backlog"] : [])]
      const worked = await json(
        ["work", "--owner", "w1", "--actor", "ann", "--until-empty", "--exec", note, ...flags],
        {
          env
        }
      )
      assert.deepInclude(worked.data, { claimed: 1, completed: 1 })
      const history = await json(["history", "a", ...place.flags])
      assert.deepStrictEqual(
        history.data.map(({ actor, type }: { actor: string; type: string }) => [type, actor]).slice(1),
        [
          ["CardClaimed", "ann"],
          ["CardRevised", "ann"],
          ["CardCompleted", "ann"]
        ]
      )
      await place.remove()
    }
  })

  it("a directory is found by its absolute path, also when it is the nearest one", async () => {
    const place = await inDirectory()
    const parent = dirname(place.directory)
    await rename(place.directory, join(parent, ".backlog"))
    const printed = 'printf "%s %s" "$BACKLOG_DATABASE_URL" "$BACKLOG_SCHEMA"'
    const { code, stderr } = await start(["create", "--id", "a", "--title", "A"], { cwd: parent }).ended
    assert.deepStrictEqual([code, stderr], [0, ""])
    await start(["work", "--owner", "w1", "--until-empty", "--exec", printed], { cwd: parent }).ended
    const shown = documentIn((await start(["show", "a", "--json"], { cwd: parent }).ended).stdout)
    assert.strictEqual(shown.data.result, `${await realpath(parent)}/.backlog backlog`)
    await place.remove()
  })
})

describe("a command that cannot work", () => {
  const run = (place: Place, ...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])
  const work = (place: Place, exec: string, ...more: ReadonlyArray<string>) =>
    run(place, "work", "--owner", "w1", "--until-empty", "--max-attempts", "1", "--exec", exec, ...more)
  const createCards = async () => {
    const place = onServer()
    for (const id of ["a", "b", "c"]) await run(place, "create", "--id", id, "--title", id)
    return place
  }
  const statuses = async (place: Place) =>
    (await run(place, "list")).data.map(({ id, status }: { id: string; status: string }) => `${id} ${status}`)

  it("a command that the shell cannot run ends the worker with an error, and its cards are released", async () => {
    const place = await createCards()
    const file = join(await temporaryDirectory(), "not-executable")
    await writeFile(file, "")
    for (const [exec, why] of [
      ["no-such-command", "exit code 127: .*no-such-command.*"],
      [file, "exit code 126: .*not-executable.*"]
    ] as const) {
      const ran = await work(place, exec, "--concurrency", "2")
      assert.deepStrictEqual([ran.code, ran.error?._tag], [1, "ExecUnusable"])
      assert.match(ran.error.reason, new RegExp(`^${why}$`))
      assert.deepStrictEqual(await statuses(place), ["a ready", "b ready", "c ready"])
    }
    await place.remove()
  })

  it("a command that fails at once with the first cards ends the worker", async () => {
    const place = await createCards()
    const ran = await cli(["work", "--owner", "w1", "--max-failures", "2", "--exec", "exit 9", ...place.flags])
    assert.deepStrictEqual([ran.code, ran.stdout], [1, ""])
    assert.include(
      ran.stderr,
      "error: The worker stopped, because the command of --exec cannot work: each of the first 2 cards failed within a second, the last one with: exit code 9"
    )
    assert.deepStrictEqual(await statuses(place), ["a ready", "b ready", "c ready"])
    assert.strictEqual((await run(place, "show", "c")).data.attempts, 0)
    await place.remove()
  })

  it("a command that has succeeded fails the card that it cannot run with, and --max-failures 0 never ends the worker", async () => {
    const place = await createCards()
    const exec = 'if [ "$BACKLOG_CARD_ID" = a ]; then exit 0; else no-such-command; fi'
    const ran = await work(place, exec)
    assert.deepStrictEqual([ran.code, await statuses(place)], [0, ["a done", "b blocked", "c blocked"]])
    await run(place, "create", "--id", "d", "--title", "D")
    const again = await work(place, "no-such-command", "--max-failures", "0")
    assert.deepStrictEqual([again.code, again.data.blocked], [0, 1])
    await place.remove()
  })
})

describe("the worker's process", () => {
  const place = onServer()
  afterAll(() => place.remove())
  const run = (...argv: ReadonlyArray<string>) => json([...argv, ...place.flags])

  it("a killed worker's card is reclaimed after its lease and completed once", async () => {
    const folder = await temporaryDirectory()
    const [pid, done] = [join(folder, "pid"), join(folder, "done")]
    await run("create", "--id", "a", "--title", "A")
    const killed = start([
      "work",
      "--owner",
      "w1",
      "--ttl",
      "2",
      "--exec",
      `echo $$ > ${pid}; exec sleep 60`,
      ...place.flags
    ])
    const orphan = Number(await readWhenWritten(pid))
    killed.child.kill("SIGKILL")
    await killed.ended
    process.kill(orphan)
    const exec = `echo "$BACKLOG_CARD_ID" >> ${done}; cat ${done}`
    const next = await run("work", "--owner", "w2", "--until-empty", "--exec", exec)
    assert.deepInclude(next.data, { claimed: 1, completed: 1 })
    const card = (await run("show", "a")).data
    assert.deepStrictEqual([card.status, card.attempts, card.result], ["done", 2, "a"])
    assert.deepStrictEqual(
      (await run("history", "a")).data.map(({ type }: { type: string }) => type),
      ["CardCreated", "CardClaimed", "CardReclaimed", "CardClaimed", "CardCompleted"]
    )
  })

  it("processes that a command leaves running do not hold the worker", async () => {
    const folder = await temporaryDirectory()
    // The first process left the group and keeps the pipes open. The second left it and never reads how its child ended, so
    // that a zombie stays in the group.
    const exec = [
      `cd ${folder}; setsid sleep 300 & echo $! > "$BACKLOG_CARD_ID.pipes"`,
      `sh -c 'sleep 0.1 & echo $$ > "$BACKLOG_CARD_ID.zombie"; exec setsid sleep 5 > /dev/null 2>&1' &`,
      `sleep 0.5; echo "$BACKLOG_CARD_ID"`
    ].join("\n")
    await run("create", "--id", "left", "--title", "L")
    const worker = start(["work", "--owner", "w1", "--max-cards", "1", "--exec", exec, ...place.flags])
    await worker.says((_, stderr) => stderr.includes("left  completed"))
    const [pipes, parent] = await Promise.all(
      ["left.pipes", "left.zombie"].map(async (file) => Number(await readWhenWritten(join(folder, file))))
    )
    // Waiting for the zombie would have taken longer than its parent lives.
    assert.deepStrictEqual([hasEnded(pipes ?? 0), hasEnded(parent ?? 0)], [false, false])
    assert.strictEqual((await worker.ended).code, 0)
    for (const pid of [pipes, parent]) process.kill(pid ?? 0)
    assert.strictEqual((await run("show", "left")).data.result, "left")
  })

  it("a terminated worker lets its command finish, and terminates the command of a lost card with its children", async () => {
    const folder = await temporaryDirectory()
    await run("create", "--id", "kept", "--title", "K")
    await run("create", "--id", "lost", "--title", "L")
    const exec = [
      `cd ${folder}; echo $$ > "$BACKLOG_CARD_ID.begun"`,
      `if [ "$BACKLOG_CARD_ID" = kept ]; then until [ -e go ]; do sleep 0.05; done; echo well; exit 0; fi`,
      // The shell waits for its child, which receives the signal.
      `(trap 'echo told > told; exit 1' TERM; while :; do sleep 0.05; done)`
    ].join("\n")
    const argv = ["work", "--owner", "w1", "--concurrency", "2", "--exec", exec]
    const working = start([...argv, ...place.flags])
    await Promise.all([readWhenWritten(join(folder, "kept.begun")), readWhenWritten(join(folder, "lost.begun"))])
    await run("block", "lost")
    assert.strictEqual(await readWhenWritten(join(folder, "told")), "told")
    const isEnding = new Promise<void>((resolve) => {
      working.child.stderr.on("data", (chunk) => String(chunk).includes("Ending") && resolve())
    })
    working.child.kill("SIGTERM")
    await isEnding
    await run("create", "--id", "later", "--title", "Not begun any more")
    await writeFile(join(folder, "go"), "")
    const { code, stderr, stdout } = await working.ended
    assert.deepStrictEqual([code, stdout], [0, ""])
    assert.include(stderr, 'lost  lost: The claim with token 2 on card "lost" is lost: it is ')
    assert.deepInclude((await run("show", "kept")).data, { status: "done", result: "well" })
    assert.deepInclude((await run("show", "later")).data, { status: "ready", attempts: 0 })
  })
})
