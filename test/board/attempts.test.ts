import { describe, expect, it } from "vitest"
import { attemptsOf, layOutAttempts } from "../../src/board/card/attempts.ts"
import type { RecordedEvent } from "../../src/board/api/types.ts"

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString()

/** Events of a card, each as its type, its second and its data. Their versions are 1, 2, 3 … */
const history = (
  ...events: ReadonlyArray<readonly [string, number, Record<string, unknown>?]>
): ReadonlyArray<RecordedEvent> =>
  events.map(([type, second, data = {}], index) => ({
    position: index + 1,
    cardId: "a",
    version: index + 1,
    type,
    schemaVersion: 2,
    data: data as RecordedEvent["data"],
    redacted: [],
    actor: "me",
    correlationId: null,
    causationId: null,
    commandId: null,
    occurredAt: at(second),
    recordedAt: at(second),
    contentHash: "",
    chainHash: ""
  }))

const claimed = (second: number, owner = "w1", generation = 0) =>
  ["CardClaimed", second, { owner, ttlSeconds: 60, expiresAt: at(second + 60), generation }] as const

describe("the attempts at a card", () => {
  it("are none without a claim, also if the card was completed", () => {
    expect(attemptsOf(history(["CardCreated", 0], ["CardCompleted", 1, { claim: null }]))).toEqual([])
  })

  it("begin with a claim, whose token is the generation plus the version", () => {
    expect(attemptsOf(history(["CardCreated", 0], claimed(5, "w1", 1000)))).toEqual([
      {
        number: 1,
        owner: "w1",
        token: 1002,
        ttlSeconds: 60,
        startedAt: at(5),
        expiresAt: at(65),
        endedAt: null,
        outcome: "running",
        reason: null,
        isReasonErased: false,
        renewedAt: [],
        notes: 0
      }
    ])
  })

  it("have the renewals and the notes of their claim", () => {
    const [attempt] = attemptsOf(
      history(
        claimed(0),
        ["ClaimRenewed", 30, { token: 1, ttlSeconds: 90, expiresAt: at(120) }],
        ["CardNoted", 31, { text: "x", claim: { owner: "w1", token: 1 } }],
        ["CardNoted", 32, { text: "y", claim: null }]
      )
    )
    expect(attempt).toMatchObject({ renewedAt: [at(30)], ttlSeconds: 90, expiresAt: at(120), notes: 1 })
  })

  it.each([
    ["CardReleased", { token: 1, reason: "why", notBefore: null }, "released", "why"],
    ["CardReleased", { token: 1, reason: null, notBefore: at(9) }, "failed", null],
    ["CardReclaimed", { token: 1, why: "expired" }, "expired", null],
    ["CardReclaimed", { token: 1, why: "requested" }, "reclaimed", null],
    ["CardReclaimed", { token: 1, why: "restored" }, "restored", null],
    ["CardBlocked", { reason: "stop", endedClaim: { token: 1 } }, "blocked", "stop"],
    ["CardCompleted", { claim: { token: 1 }, forced: false }, "completed", null]
  ])("end with %s %j as %s", (type, data, outcome, reason) => {
    expect(attemptsOf(history(claimed(0), [type, 7, data]))).toMatchObject([{ endedAt: at(7), outcome, reason }])
  })

  it("are not ended by an event with the token of an earlier claim", () => {
    const attempts = attemptsOf(
      history(claimed(0), ["CardReclaimed", 60, { token: 1, why: "expired" }], claimed(61, "w2"), [
        "CardReleased",
        70,
        { token: 1, reason: null, notBefore: null }
      ])
    )
    expect(attempts.map(({ outcome, owner }) => [owner, outcome])).toEqual([
      ["w1", "expired"],
      ["w2", "running"]
    ])
  })

  it("survive events of a newer version", () => {
    expect(
      attemptsOf(history(claimed(0), ["CardTeleported", 1, { token: 1 }], ["CardReleased", 2, { token: 1 }]))
    ).toEqual([expect.objectContaining({ outcome: "released", reason: null, isReasonErased: false })])
  })

  it("say that a reason was erased", () => {
    const events = history(claimed(0), ["CardReleased", 2, { token: 1, notBefore: null }]).map((event) => ({
      ...event,
      redacted: event.type === "CardReleased" ? (["reason"] as const) : []
    }))
    expect(attemptsOf(events)).toEqual([
      expect.objectContaining({ outcome: "released", reason: null, isReasonErased: true })
    ])
  })
})

describe("the bars of attempts", () => {
  it("are placed between the first claim and the end of the last lease", () => {
    const attempts = attemptsOf(
      history(claimed(0), ["CardReleased", 20, { token: 1, reason: null, notBefore: null }], claimed(40, "w2"), [
        "ClaimRenewed",
        50,
        { token: 3, ttlSeconds: 60, expiresAt: at(100) }
      ])
    )
    expect(layOutAttempts(attempts, Date.parse(at(80)))).toEqual([
      { start: 0, end: 0.2, renewals: [], leaseEnd: 0.2 },
      { start: 0.4, end: 0.8, renewals: [0.5], leaseEnd: 1 }
    ])
  })

  it("have finite places if no time has passed", () => {
    const attempts = attemptsOf(history(claimed(0), ["CardCompleted", 0, { claim: { token: 1 } }]))
    expect(layOutAttempts(attempts, Date.parse(at(0)))).toEqual([{ start: 0, end: 0, renewals: [], leaseEnd: 0 }])
  })
})
