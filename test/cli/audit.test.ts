import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { toFailure } from "../../src/cli/exitCodes.ts"
import {
  Anchor,
  Card,
  RebuildBlocked,
  RebuildSuperseded,
  RecordedEvent,
  Stats,
  UndecodableEvent,
  VerifyReport
} from "../../src/index.ts"
import { type RunOptions, cli, json, onServer, type Place, sql, temporaryDirectory } from "./support.ts"

const strict = { onExcessProperty: "error" } as const
const decodeEvents = Schema.decodeUnknownSync(Schema.Array(RecordedEvent), strict)
const decodeCards = Schema.decodeUnknownSync(Schema.Array(Card), strict)
const decodeReport = Schema.decodeUnknownSync(VerifyReport, strict)
const decodeStats = Schema.decodeUnknownSync(Stats, strict)

const commandsOf = (place: Place) => ({
  /** Runs a command with `--json` and returns its data. */
  answered: async (...argv: ReadonlyArray<string>) => {
    const { code, data, error, stderr } = await json([...place.flags, ...argv])
    assert.deepStrictEqual([code, error, stderr], [0, undefined, ""])
    return data
  },
  /** Runs a command and returns its text. */
  said: async (...argv: ReadonlyArray<string>) => {
    const ran = await cli([...place.flags, ...argv])
    assert.deepStrictEqual([ran.code, ran.stderr], [0, ""])
    return ran.stdout
  },
  refused: async (code: number, tag: string, ...argv: ReadonlyArray<string>) => {
    const document = await json([...place.flags, ...argv])
    assert.deepStrictEqual([document.code, document.error?._tag], [code, tag], JSON.stringify(document))
    return document.error
  }
})

/** A card `a` that was claimed, released and done, and a card `b` that depends on it: eight events. */
const lived = async (place: Place): Promise<void> => {
  for (const argv of [
    ["create", "--id", "a", "--title", "Title A", "--body", "the secret body"],
    ["create", "--id", "b", "--title", "Title B", "--depends-on", "a"],
    ["claim", "a", "--owner", "w1"],
    ["release", "a", "--token", "2", "--reason", "the secret reason", "--actor", "w1"],
    ["claim", "a", "--owner", "w2"],
    ["complete", "a", "--token", "4", "--actor", "w2"],
    ["revise", "b", "--priority", "7"],
    ["claim", "--owner", "w3"]
  ]) {
    assert.strictEqual((await cli([...argv, ...place.flags])).code, 0)
  }
}

describe("past states of a backlog", () => {
  const place = onServer()
  const { answered, said } = commandsOf(place)
  beforeAll(() => lived(place))
  afterAll(() => place.remove())

  it("history lists a card's events in order", async () => {
    const events = decodeEvents(await answered("history", "a"))
    assert.deepStrictEqual(
      events.map(({ position, version }) => [position, version]),
      [
        [1, 1],
        [3, 2],
        [4, 3],
        [5, 4],
        [6, 5]
      ]
    )
    const lines = (await said("history", "a")).split("\n")
    const clock = String.raw`\d\d:\d\d:\d\dZ`
    assert.match(lines[0] ?? "", /^POSITION {2}VERSION {2}WHEN +RECORDED +WHO +WHAT$/)
    const line = new RegExp(String.raw`^ +4 +3 {2}\d{4}-\d\d-\d\d ${clock} {2}${clock} +w1 +released by w1: the secret`)
    assert.match(lines[3] ?? "", line)
    assert.match(lines[4] ?? "", /claimed by w2 until (\d{4}-\d\d-\d\d )?[\d:]+Z, attempt 2$/)
    assert.deepStrictEqual([lines.length, lines[6]], [7, ""])
  })

  it("events lists all events, and filters them by position, card, type and actor", async () => {
    assert.deepStrictEqual(
      decodeEvents(await answered("events")).map(({ position }) => position),
      [1, 2, 3, 4, 5, 6, 7, 8]
    )
    const positions = async (...argv: ReadonlyArray<string>) =>
      decodeEvents(await answered("events", ...argv)).map(({ position }) => position)
    assert.deepStrictEqual(await positions("--after", "6"), [7, 8])
    assert.deepStrictEqual(await positions("--after", "8"), [])
    assert.deepStrictEqual(await positions("--card", "b"), [2, 7, 8])
    assert.deepStrictEqual(await positions("--type", "CardClaimed"), [3, 5, 8])
    assert.deepStrictEqual(await positions("--actor", "w1"), [4])
    assert.deepStrictEqual(await positions("--actor", "tester", "--card", "b", "--after", "2"), [7, 8])
    const all = await json([...place.flags, "events"], { env: { BACKLOG_ACTOR: "w1" } })
    assert.strictEqual(all.data.length, 8)

    const text = await said("events", "--after", "6")
    assert.match(text, /^POSITION {2}CARD {2}VERSION {2}WHEN +RECORDED +WHO +WHAT\n/)
    assert.match(text, /\n +7 {2}b +2 {2}.+Z {2}.+Z {2}tester {2}revised: priority 7\n/)
    assert.strictEqual(await said("events", "--card", "nobody"), "No events.\n")
  })

  it("show --at shows a card at a position, a version or a time", async () => {
    const at = async (when: string) => {
      const { claimOwner, status, version } = await answered("show", "a", "--at", when)
      return [version, status, claimOwner]
    }
    assert.deepStrictEqual(await at("2"), [1, "ready", null])
    assert.deepStrictEqual(await at("v2"), [2, "claimed", "w1"])
    assert.deepStrictEqual(await at("4"), [3, "ready", null])
    const { recordedAt } = (await answered("history", "a"))[3]
    assert.deepStrictEqual(await at(recordedAt), [4, "claimed", "w2"])
    assert.deepStrictEqual(await answered("show", "a", "--at", "8"), await answered("show", "a"))

    const text = await said("show", "a", "--at", "4")
    assert.match(
      text,
      /^As of position 4: version 3 of the card, position 4, recorded [\d-]+ [\d:]+Z\.\n\na {2}Title A\n/
    )
    assert.include(text, "  It can be claimed.\n")
    assert.match(
      await said("show", "a", "--at", "v2"),
      /^As of version 2 of the card, position 3, .*\n\n.*\n {2}It is held by w1/
    )
  })

  it("explain --at explains a card at a moment", async () => {
    const waiting = await answered("explain", "b", "--at", "3")
    assert.deepStrictEqual(waiting.obstacles, [
      { _tag: "UnmetDependencies", dependencies: [{ id: "a", status: "claimed" }] }
    ])
    assert.isTrue((await answered("explain", "b", "--at", "7")).claimable)
    const text = await said("explain", "b", "--at", "3")
    assert.match(
      text,
      /^As of position 3: version 1 of the card, position 2, .*\n\nb cannot be claimed\.\n {2}It waits for a \(claimed\)\.\n$/
    )
  })

  it("list --at and stats --at read the backlog at a moment", async () => {
    const ids = async (...argv: ReadonlyArray<string>) =>
      decodeCards(await answered("list", ...argv)).map(({ id }) => id as string)
    assert.deepStrictEqual(await ids("--at", "0"), [])
    assert.deepStrictEqual(await ids("--at", "2"), ["a", "b"])
    assert.deepStrictEqual(await ids("--at", "7"), ["b", "a"])
    assert.deepStrictEqual(await ids("--at", "2", "--ready"), ["a"])
    assert.deepStrictEqual(await ids("--at", "7", "--ready"), ["b"])
    assert.deepStrictEqual(await ids("--at", "3", "--status", "claimed"), ["a"])
    assert.deepStrictEqual(await ids("--at", "7", "--limit", "1"), ["b"])
    assert.deepStrictEqual(await ids("--at", "7", "--phase", "none"), [])
    assert.deepStrictEqual(await ids("--at", "2000-01-01"), [])
    assert.deepStrictEqual(await answered("list", "--at", "8"), await answered("list"))

    const text = await said("list", "--at", "2")
    assert.match(text, /^As of position 2, [\d-]+ [\d:]+Z\.\n\nID +TITLE +STATUS +PRIORITY\n/)
    assert.match(text, /\na +Title A +ready +0\nb +Title B +waiting +0\n\n2 cards, 1 claimable\n$/)
    assert.match(await said("list", "--at", "2", "--ready"), /\n1 card, 1 claimable\n$/)
    assert.strictEqual(await said("list", "--at", "0"), "As of position 0, before the first event.\n\nNo cards.\n")

    const stats = decodeStats(await answered("stats", "--at", "3"))
    assert.deepStrictEqual(stats.counts, { ready: 1, claimed: 1, blocked: 0, done: 0 })
    assert.deepStrictEqual([stats.claimable, stats.waiting], [0, 1])
    assert.match(await said("stats", "--at", "3"), /^As of position 3, .*\n\nSTATUS +CARDS\n/)
    assert.strictEqual((await answered("stats", "--at", "0")).total, 0)
  })

  it("history shows correlation ids and the recorded day of imported events", async () => {
    const imported = onServer()
    await json([...imported.flags, "import", "test/import/fixtures/sample.beads.jsonl"])
    const text = await commandsOf(imported).said("history", "mb-1")
    assert.match(text, /^POSITION +VERSION +WHEN +RECORDED +WHO +CORRELATION +WHAT\n/)
    // An imported event happened on another day than it was recorded, so both times include the day.
    assert.match(
      text,
      / 2026-01-01 16:00:00Z {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}tester {2}import:sample\.beads\.jsonl:\S+ {2}created done/
    )
    await imported.remove()
  })
})

describe("consumers", () => {
  const place = onServer()
  const { answered, refused, said } = commandsOf(place)
  beforeAll(async () => {
    await lived(place)
  })
  afterAll(() => place.remove())

  it("consumers reports that there are none", async () => {
    assert.deepStrictEqual(await answered("consumers"), [])
    assert.strictEqual(await said("consumers"), "No consumers.\n")
  })

  it("consumers shows checkpoints, parked events, and removes one with --unpark", async () => {
    const at = "2026-01-22T12:04:05.000Z"
    await sql(
      (client) => client`INSERT INTO ${client(`${place.schema}.checkpoints`)} (consumer, position, updated_at)
        VALUES ('mailer', 5, ${at}::timestamptz), ('index', 8, ${at}::timestamptz)`
    )
    await sql(
      (client) => client`INSERT INTO ${client(`${place.schema}.parked_events`)} (consumer, position, reason, parked_at)
        VALUES ('mailer', 2, ${"Error: no address\u001b[2J\n    at send"}, ${at}::timestamptz),
          ('mailer', 4, 'Error: later', ${at}::timestamptz), ('gone', 1, 'x', ${at}::timestamptz)`
    )
    const mailer = { consumer: "mailer", position: 5, behind: 3, ahead: 0, updatedAt: at }
    assert.deepStrictEqual(await answered("consumers"), [
      { consumer: "gone", position: 0, behind: 8, ahead: 0, parked: 1, updatedAt: null },
      { consumer: "index", position: 8, behind: 0, ahead: 0, parked: 0, updatedAt: at },
      { ...mailer, parked: 2 }
    ])
    assert.match(await said("consumers"), /\nmailer +5 +3 +2 {2}2026-01-22 12:04:05Z\n$/)
    const parkedEvents = [
      { position: 2, reason: "Error: no address\u001b[2J\n    at send", parkedAt: at },
      { position: 4, reason: "Error: later", parkedAt: at }
    ]
    assert.deepStrictEqual(await answered("consumers", "mailer"), { ...mailer, parkedEvents })
    assert.strictEqual(
      await said("consumers", "mailer"),
      [
        "mailer is at position 5 since 2026-01-22 12:04:05Z, 3 behind.",
        "",
        "POSITION  PARKED                REASON",
        "       2  2026-01-22 12:04:05Z  Error: no address\\x1b[2J",
        "       4  2026-01-22 12:04:05Z  Error: later",
        ""
      ].join("\n")
    )
    const left = { ...mailer, parkedEvents: parkedEvents.slice(1) }
    assert.deepStrictEqual(await answered("consumers", "mailer", "--unpark", "2"), left)
    assert.deepStrictEqual(await answered("consumers", "mailer"), left)
    await refused(4, "NotParked", "consumers", "mailer", "--unpark", "2")
    assert.include(await said("consumers", "mailer", "--unpark", "4"), "The event at position 4 is no longer parked.\n")
    assert.include(await said("consumers", "mailer"), "No events are parked.\n")
  })
})

describe("anchors and verification", () => {
  const place = onServer()
  const { answered, refused, said } = commandsOf(place)
  let directory: string
  beforeAll(async () => {
    directory = await temporaryDirectory()
    await lived(place)
  })
  afterAll(() => place.remove())

  it("an anchor matches an unchanged log", async () => {
    const { line, ...anchor } = await answered("anchor")
    assert.deepInclude(Schema.decodeUnknownSync(Anchor, strict)(anchor), { position: 8, signature: null })
    assert.match(await said("anchor"), new RegExp(`^mosaic-backlog-anchor 1 8 ${anchor.chainHash} \\S+Z\n$`))
    const report = decodeReport(await answered("verify", "--anchor", line))
    assert.deepInclude(report, { events: 8, cards: 2, anchoredPosition: 8, divergenceCount: 0 })
    await cli([...place.flags, "revise", "a", "--priority", "1"])
    assert.strictEqual(
      await said("verify", "--anchor", line),
      [
        `Verified the log up to position 9, chain hash ${(await answered("anchor")).chainHash}.`,
        "Checked 9 events, 2 cards, 1 dependency.",
        "The log matches the anchor at position 8.",
        "No divergences found.",
        ""
      ].join("\n")
    )
    assert.deepInclude(await answered("audit"), { divergenceCount: 0, anchoredPosition: null })
  })

  it("an anchor does not match another log", async () => {
    const { chainHash, line } = await answered("anchor")
    const other = line.replace(chainHash, "0".repeat(64))
    const { code, data } = await json([...place.flags, "verify", "--anchor", other])
    assert.deepStrictEqual([code, decodeReport(data).divergences.map(({ check }) => check)], [5, ["anchor"]])
    const text = await cli([...place.flags, "verify", "--anchor", other])
    assert.deepStrictEqual([text.code, text.stderr], [5, ""])
    assert.include(text.stdout, `\n  position 9, anchor: expected ${"0".repeat(64)}, found ${chainHash}\n`)
    assert.notInclude(text.stdout, "The log matches the anchor")
    const beyond = await json([...place.flags, "verify", "--anchor", line.replace(" 9 ", " 10 ")])
    assert.strictEqual(beyond.code, 5)
  })

  it("an anchor's signature is created with --key and checked with --public-key", async () => {
    const files = { key: join(directory, "key"), pub: join(directory, "pub"), other: join(directory, "other") }
    const pem = { type: "pem" } as const
    const pair = generateKeyPairSync("ed25519")
    await writeFile(files.key, pair.privateKey.export({ ...pem, format: "pem", type: "pkcs8" }), { mode: 0o600 })
    await writeFile(files.pub, pair.publicKey.export({ ...pem, format: "pem", type: "spki" }))
    await writeFile(
      files.other,
      generateKeyPairSync("ed25519").publicKey.export({ ...pem, format: "pem", type: "spki" })
    )
    const line = await said("anchor", "--key", files.key)
    assert.match(line, / [\w-]{86}\n$/)
    const file = join(directory, "anchor.txt")
    await writeFile(file, line)
    const ofFile = ["verify", "--anchor-file", file]
    assert.include(await said(...ofFile, "--public-key", files.pub), "The log matches the anchor at position")
    assert.include(
      (await refused(5, "AnchorRefused", ...ofFile, "--public-key", files.other)).message,
      "does not match this public key"
    )
    await refused(5, "AnchorRefused", "verify", "--anchor", (await said("anchor")).trim(), "--public-key", files.pub)
    const unchecked = await cli([...place.flags, ...ofFile])
    assert.deepStrictEqual(
      [unchecked.code, unchecked.stderr],
      [0, "note: the anchor is signed, but its signature was not checked: use --public-key\n"]
    )
    await refused(2, "InvalidInput", ...ofFile, "--public-key", files.key.replace("key", "anchor.txt"))
    const rsa = join(directory, "rsa")
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
    await writeFile(rsa, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 })
    assert.include((await refused(2, "InvalidInput", "anchor", "--key", rsa)).message, "must be Ed25519")
  })

  it("verify shows its progress only on a terminal, and clears it", async () => {
    const terminal = await cli([...place.flags, "verify"], { terminal: 80 })
    assert.include(terminal.stderr, " of 18 steps")
    assert.isTrue(terminal.stderr.endsWith("\r\u001b[K"))
    assert.strictEqual((await cli([...place.flags, "verify"])).stderr, "")
  })
})

describe("a rebuild and a redaction", () => {
  const place = onServer()
  const { answered, refused, said } = commandsOf(place)
  beforeAll(() => lived(place))
  afterAll(() => place.remove())

  it("verify and rebuild report what they checked and changed", async () => {
    const before = await answered("list")
    await sql((client) => client`UPDATE ${client(`${place.schema}.cards`)} SET title = 'altered' WHERE id = 'a'`)
    const found = await json([...place.flags, "verify"])
    assert.deepStrictEqual([found.code, found.data.divergences[0].field], [5, "title"])
    assert.include(
      (await cli([...place.flags, "verify"])).stdout,
      "Found 1 divergence, the first of each card and of the log:\n  card a, "
    )

    const { verification, ...done } = await answered("rebuild")
    assert.hasAllKeys(done, ["position", "cards", "rounds", "swapMillis"])
    assert.deepInclude(done, { position: 8, cards: 2 })
    assert.strictEqual(decodeReport(verification).divergenceCount, 0)
    assert.deepStrictEqual(await answered("list"), before)
    assert.match(
      await said("rebuild"),
      /^Rebuilt 2 cards from the log, up to position 8\.\nThe swap delayed commands by \d+ ms\.\n\nVerified .*\n.*\nNo divergences found\.\n$/
    )
    assert.include((await cli([...place.flags, "rebuild"], { terminal: 80 })).stderr, " of 8 events, building")
  })

  it("rebuild is refused if it would lose an index", async () => {
    await sql((client) => client`CREATE INDEX mine ON ${client(`${place.schema}.cards`)} (title)`)
    await refused(5, "RebuildRefused", "rebuild")
    await sql((client) => client`DROP INDEX ${client(`${place.schema}.mine`)}`)
  })

  it("redact erases parts permanently and marks the events as redacted", async () => {
    const first = await answered(
      "redact",
      "a",
      "--part",
      "body, reason",
      "--part",
      "title",
      "--reason",
      "a leak",
      "--event-version",
      "1"
    )
    assert.deepStrictEqual(first.erased, [{ version: 1, parts: ["body", "title"] }])
    assert.deepInclude(Schema.decodeUnknownSync(Card, strict)(first.card), { title: "[redacted]", body: "[redacted]" })
    const reason = [
      "redact",
      "a",
      "--part",
      "reason",
      "--event-version",
      "3",
      "--reason",
      "a name",
      "--actor",
      "auditor"
    ]
    assert.deepStrictEqual(await cli([...place.flags, ...reason]), {
      code: 0,
      stdout: "Erased in a: reason of version 3.\nThe bytes are removed from the data files.\n",
      stderr: "note: backups, replicas, exports and server logs may still contain what was erased\n"
    })
    assert.match(await said(...reason), /^Nothing was left to erase in a\.\n/)
    const history = await said("history", "a")
    assert.match(history, /created ready with priority 0: \[redacted\] \((body and title|title and body) redacted\)\n/)
    assert.match(history, /released by w1: \[redacted\] \(reason redacted\)\n/)
    assert.match(history, / auditor +redacted reason of version 3: a name\n/)
    for (const argv of [["history", "a"], ["show", "a", "--at", "v1"], ["list", "--at", "1"], ["events"], ["export"]]) {
      const { code, stdout } = await cli([...place.flags, ...argv])
      assert.strictEqual(code, 0)
      assert.notInclude(stdout, "secret")
      assert.notInclude(stdout, "Title A")
    }
    assert.include(await said("verify"), "3 erased parts.\nNo divergences")
    const events = decodeEvents(await answered("history", "a"))
    assert.deepStrictEqual([...(events[0]?.redacted ?? [])].sort(), ["body", "title"])
  })
})

describe("an altered log", () => {
  const place = onServer()
  beforeAll(async () => {
    await lived(place)
    await sql((client) => client`ALTER TABLE ${client(`${place.schema}.events`)} DISABLE TRIGGER ALL`)
    await sql(
      (client) =>
        client`UPDATE ${client(`${place.schema}.events`)} SET actor = 'mallory' WHERE card_id = 'a' AND version = 2`
    )
  })
  afterAll(() => place.remove())

  it("verify, rebuild, and a check of an export all report the altered event", async () => {
    const found = async (argv: ReadonlyArray<string>, options: RunOptions = {}) => {
      const { code, data, stderr } = await json([...place.flags, ...argv], options)
      assert.deepStrictEqual([code, stderr], [5, ""])
      return decodeReport("verification" in data ? data.verification : data).divergences
    }
    const divergences = await found(["verify"])
    assert.strictEqual(divergences.length, 1)
    assert.deepInclude(divergences[0], { check: "content", cardId: "a", position: 3 })
    const text = await cli([...place.flags, "verify"])
    assert.deepStrictEqual([text.code, text.stderr], [5, ""])
    assert.match(text.stdout, /\n {2}card a, position 3, content: expected [0-9a-f]{64}, found [0-9a-f]{64}\n$/)
    assert.deepStrictEqual(await found(["rebuild"]), divergences)
    const exported = await cli([...place.flags, "export"])
    assert.strictEqual(exported.code, 0)
    assert.deepInclude((await found(["verify", "-"], { stdin: exported.stdout }))[0], { check: "content", position: 3 })
    const other = onServer()
    const imported = await json([...other.flags, "import", "-", "--format", "log"], { stdin: exported.stdout })
    assert.deepStrictEqual([imported.code, imported.error._tag, imported.error.line], [5, "LogFileRefused", 4])
    assert.deepStrictEqual((await json([...other.flags, "events"])).data, [])
    await other.remove()
  })
})

describe("errors that no test can cause quickly", () => {
  it.each([
    [new RebuildBlocked({ schema: "s", waitedSeconds: 60 }), 6],
    [new RebuildSuperseded({ schema: "s" }), 5],
    [new UndecodableEvent({ type: "T", schemaVersion: 9, reason: "unknown" }), 1]
  ])("the error has its exit code: %s", (error, code) => {
    const failure = toFailure(error)
    assert.deepStrictEqual([failure?.exitCode, failure?.document["_tag"]], [code, error._tag])
  })
})
