import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { describeEvent, describeHistory } from "../../src/cli/describeEvent.ts"
import { CardId, type RecordedEvent } from "../../src/index.ts"

const at = DateTime.makeUnsafe("2026-01-22T11:49:05.123Z")
const later = "2026-01-22T12:04:05.123Z"
const nextDay = "2026-01-23T00:04:05.000Z"

const recorded = (type: string, data: RecordedEvent["data"]): RecordedEvent => ({
  position: 1,
  cardId: CardId.make("build"),
  version: 1,
  type,
  schemaVersion: 1,
  data,
  redacted: [],
  actor: "w3",
  correlationId: null,
  causationId: null,
  commandId: null,
  occurredAt: at,
  recordedAt: at,
  contentHash: "",
  chainHash: ""
})

const created = {
  title: "Build it",
  body: null,
  phase: "alpha",
  priority: 3,
  status: "blocked",
  dependsOn: ["design", "plan"],
  acceptance: null,
  idempotencyKey: null,
  blockedReason: "no\u001b[2J"
}

describe("descriptions of events", () => {
  it.each<[string, RecordedEvent["data"], string]>([
    [
      "CardCreated",
      created,
      "created blocked with priority 3: Build it, phase alpha, depending on design, plan: no\\x1b[2J"
    ],
    ["CardRevised", { title: "New", body: null, priority: 1 }, "revised: title New, priority 1, no body"],
    ["CardClaimed", { owner: "w3", ttlSeconds: 900, expiresAt: later }, "claimed by w3 until 12:04:05Z, attempt 2"],
    [
      "ClaimRenewed",
      { owner: "w3", token: 2, ttlSeconds: 900, expiresAt: nextDay },
      "claim of w3 renewed until 2026-01-23 00:04:05Z"
    ],
    [
      "CardReleased",
      { owner: "w3", token: 2, reason: "later", notBefore: later },
      "released by w3, not claimable before 12:04:05Z: later"
    ],
    [
      "CardReclaimed",
      { owner: "w3", token: 2, expiresAt: later, why: "expired" },
      "reclaimed from w3, whose claim expired at 12:04:05Z"
    ],
    ["CardReclaimed", { owner: "w3", token: 2, expiresAt: later, why: "requested" }, "reclaimed from w3, on request"],
    ["CardLinked", { dependsOn: "design" }, "now depends on design"],
    ["CardUnlinked", { dependsOn: "design" }, "no longer depends on design"],
    ["CardBlocked", { reason: null, endedClaim: { owner: "w3", token: 2 } }, "blocked, ending the claim of w3"],
    ["CardUnblocked", { reason: "answered" }, "unblocked: answered"],
    [
      "CardCompleted",
      { result: { ok: true }, overrode: ["design"], forced: true, claim: { owner: "w3", token: 2 } },
      'completed under the claim of w3, by force, although design is not done, result {"ok":true}'
    ],
    ["CardReopened", { reason: "x".repeat(300) }, `reopened: ${"x".repeat(200)}…`],
    ["CardPainted", { color: "red\n" }, 'CardPainted {"color":"red\\n"}']
  ])("%s is described", (type, data, words) => {
    assert.strictEqual(describeEvent(recorded(type, data), 2), words)
  })

  it("a redacted event lists its erased parts without their contents", () => {
    const { body: _, title: __, ...data } = created
    const event = { ...recorded("CardCreated", { ...data, blockedReason: null }), redacted: ["title", "body"] as const }
    assert.strictEqual(
      describeEvent(event),
      "created blocked with priority 3: [redacted], phase alpha, depending on design, plan (title and body redacted)"
    )
    const unknown = { ...recorded("CardPainted", {}), redacted: ["reason"] as const }
    assert.strictEqual(describeEvent(unknown), "CardPainted {} (reason redacted)")
    const erased = [
      { version: 1, parts: ["title", "body"] },
      { version: 3, parts: ["reason"] }
    ]
    assert.strictEqual(
      describeEvent(recorded("CardRedacted", { erased, reason: "a name" })),
      "redacted title and body of version 1, reason of version 3: a name"
    )
  })

  it("a history numbers the claims of a card", () => {
    const claimed = recorded("CardClaimed", { owner: "w3", ttlSeconds: 900, expiresAt: later })
    assert.deepStrictEqual(describeHistory([recorded("CardCreated", created), claimed, claimed]).slice(1), [
      "claimed by w3 until 12:04:05Z, attempt 1",
      "claimed by w3 until 12:04:05Z, attempt 2"
    ])
  })
})
