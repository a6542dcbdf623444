import { describe, expect, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import type { Event } from "../../src/domain/Event.ts"
import { decodeEvent, type EncodedEvent, encodeEvent, upcasters } from "../../src/events/EventCodec.ts"
import { id } from "../domain/support.ts"

/*
 * One stored event of each type and each released schema version, in `golden/`. They represent the events in existing
 * databases. A file is never changed. A new upcaster needs the file of the new version.
 */

const folder = new URL("golden/", import.meta.url)

const read = (name: string): EncodedEvent =>
  JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as EncodedEvent

const utc = (time: string): DateTime.Utc => DateTime.makeUnsafe(time)

/** What each stored event means today. */
const expected: Readonly<Record<string, Event>> = {
  "CardCreated.v1": {
    _tag: "CardCreated",
    title: "Import the customers' addresses",
    body: 'From the old system: see #12.\n\n- keep the "country" column\n- 北京, Zürich, 😀',
    phase: "import",
    priority: -7,
    status: "blocked",
    dependsOn: [id("addresses/clean"), id("schema v2"), id("アドレス")],
    acceptance: { rows: 120_000, checks: ["no duplicates", "country set"], ratio: 0.995, owner: null },
    idempotencyKey: "import-2026-01-05/17",
    blockedReason: "waits for the export of January",
    labels: [],
    notBefore: null
  },
  "CardCreated.v2": {
    _tag: "CardCreated",
    title: "Import the customers' addresses",
    body: 'From the old system: see #12.\n\n- keep the "country" column\n- 北京, Zürich, 😀',
    phase: "import",
    priority: -7,
    status: "ready",
    dependsOn: [id("addresses/clean"), id("schema v2"), id("アドレス")],
    acceptance: { rows: 120_000, checks: ["no duplicates", "country set"], ratio: 0.995, owner: null },
    idempotencyKey: "import-2026-01-05/18",
    blockedReason: null,
    labels: ["needs-review", "rust", "北京"],
    notBefore: utc("2026-02-01T08:00:00.000Z")
  },
  "CardRevised.v1": {
    _tag: "CardRevised",
    title: "Import the customers' postal addresses",
    body: null,
    phase: "import-2",
    priority: 2_147_483_647,
    acceptance: ["all rows", "no duplicates"]
  },
  "CardRevised.v2": {
    _tag: "CardRevised",
    title: "Import the customers' postal addresses",
    body: null,
    phase: "import-2",
    priority: 2_147_483_647,
    acceptance: ["all rows", "no duplicates"],
    labels: ["rust"],
    notBefore: null
  },
  "CardNoted.v1": {
    _tag: "CardNoted",
    text: 'Half of the rows are in.\n\n- "country" is missing in 17: 北京',
    claim: { owner: "agent-7", token: 2 }
  },
  "CardClaimed.v1": {
    _tag: "CardClaimed",
    owner: "agent-7",
    ttlSeconds: 900,
    expiresAt: utc("2026-01-05T09:16:30.250Z"),
    generation: 0
  },
  "CardClaimed.v2": {
    _tag: "CardClaimed",
    owner: "agent-7",
    ttlSeconds: 900,
    expiresAt: utc("2026-01-05T09:16:30.250Z"),
    generation: 59_879_432_000_000
  },
  "ClaimRenewed.v1": {
    _tag: "ClaimRenewed",
    owner: "agent-7",
    token: 2,
    ttlSeconds: 1_800,
    expiresAt: utc("2026-01-05T09:45:00.000Z")
  },
  "CardReleased.v1": {
    _tag: "CardReleased",
    owner: "agent-7",
    token: 2,
    reason: "rate limit reached",
    notBefore: utc("2026-01-05T10:30:00.000Z")
  },
  "CardReclaimed.v1": {
    _tag: "CardReclaimed",
    owner: "agent-7",
    token: 2,
    expiresAt: utc("2026-01-05T09:16:30.250Z"),
    why: "expired"
  },
  "CardReclaimed.v2": {
    _tag: "CardReclaimed",
    owner: "agent-7",
    token: 2,
    expiresAt: utc("2026-01-05T09:16:30.250Z"),
    why: "restored"
  },
  "CardLinked.v1": { _tag: "CardLinked", dependsOn: id("schema v2") },
  "CardUnlinked.v1": { _tag: "CardUnlinked", dependsOn: id("schema v2") },
  "CardBlocked.v1": {
    _tag: "CardBlocked",
    reason: "legal has to look at it",
    endedClaim: { owner: "agent-7", token: 12 }
  },
  "CardUnblocked.v1": { _tag: "CardUnblocked", reason: "legal agrees" },
  "CardCompleted.v1": {
    _tag: "CardCompleted",
    result: { rows: 119_874, report: "s3://reports/17.html", warnings: [] },
    overrode: [id("addresses/clean"), id("schema v2")],
    forced: true,
    claim: { owner: "agent-7", token: 31 }
  },
  "CardReopened.v1": { _tag: "CardReopened", reason: "126 rows are missing" },
  "CardRedacted.v1": {
    _tag: "CardRedacted",
    erased: [
      { version: 1, parts: ["body", "acceptance"] },
      { version: 4, parts: ["reason"] }
    ],
    reason: "an access key was in it: incident 2026-17"
  }
}

const versions = Object.entries(upcasters).flatMap(([type, steps]) =>
  Array.from({ length: steps.length + 1 }, (_, index) => ({
    name: `${type}.v${index + 1}`,
    type,
    schemaVersion: index + 1,
    isNewest: index === steps.length
  }))
)

describe("golden files", () => {
  it("exist for every type and every version, and for nothing else", () => {
    const names = versions.map(({ name }) => name).sort()
    expect(
      readdirSync(folder)
        .map((file) => file.replace(/\.json$/, ""))
        .sort()
    ).toEqual(names)
    expect(Object.keys(expected).sort()).toEqual(names)
  })

  it.each(versions)("$name is decoded to its meaning", ({ name, schemaVersion, type }) => {
    const stored = read(name)
    expect(stored).toEqual({ type, schemaVersion, data: stored.data })
    expect(Result.getOrThrow(decodeEvent(stored))).toStrictEqual(expected[name])
  })

  it.each(versions.filter(({ isNewest }) => isNewest))("$name is what this version writes", ({ name }) => {
    const stored = read(name)
    expect(encodeEvent(Result.getOrThrow(decodeEvent(stored)))).toStrictEqual(stored)
  })
})
