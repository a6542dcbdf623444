import { describe, expect, it } from "@effect/vitest"
import type { Schema } from "effect"
import { createHash } from "node:crypto"
import { encodeEvent } from "../../src/events/EventCodec.ts"
import {
  chainHash,
  commitmentHash,
  type Commitments,
  createCommitments,
  contentHash,
  type HashedContent
} from "../../src/events/ContentHash.ts"
import { eventArbitrary, jsonArbitrary, manyRuns } from "../domain/arbitraries.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const sha256 = (...parts: ReadonlyArray<Uint8Array | string>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("hex")
}

const content: HashedContent = {
  cardId: "a",
  version: 3,
  type: "CardCompleted",
  schemaVersion: 1,
  data: { result: { ok: true }, overrode: ["b"], forced: false, claim: { owner: "w", token: 2 } },
  actor: "ann",
  correlationId: "correlation",
  causationId: "causation",
  commandId: "command",
  occurredAt: "2026-01-05T09:00:00.000Z",
  recordedAt: "2026-01-05T09:00:01.250Z"
}

const salt = "000102030405060708090a0b0c0d0e0f"

/** SHA-256 over the salt's sixteen bytes and `{"ok":true}`, by `openssl dgst -sha256`. */
const resultHash = "5e9b1298aa977591b635f46682d54ddaca55b858fcda3bd6373f2e5ca5a12b91"

const commitments: Commitments = { result: { salt, sha256: resultHash } }

/** The text that the content hash is over, written out by hand. */
const canonical =
  '{"actor":"ann","cardId":"a","causationId":"causation","commandId":"command","correlationId":"correlation",' +
  `"data":{"claim":{"owner":"w","token":2},"forced":false,"overrode":["b"],"result":{"sha256":"${resultHash}"}},` +
  '"occurredAt":"2026-01-05T09:00:00.000Z","recordedAt":"2026-01-05T09:00:01.250Z","schemaVersion":1,' +
  '"type":"CardCompleted","version":3}'

/** SHA-256 over `canonical`, by `openssl dgst -sha256`. */
const knownHash = "3b82c8bb2af0bbb827ba7e6b7881dcd9b6c4a48cefd31b5240313b54dab0fcb1"

/** RFC 8785 once more, in few lines: for values that JSON.parse may have made. */
const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  // The default order of `sort` is that of UTF-16 units, as the RFC has it.
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key])}`).join(",")}}`
}

/** The same value, the keys of every object the other way round. */
const turned = (value: Schema.Json): Schema.Json => {
  if (Array.isArray(value)) return value.map(turned)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, turned(inner)])
  )
}

describe("a commitment", () => {
  it("is SHA-256 over the salt's bytes and the canonical JSON", () => {
    expect(commitmentHash(salt, { ok: true })).toBe(resultHash)
    expect(sha256(Buffer.from(salt, "hex"), '{"ok":true}')).toBe(resultHash)
  })

  it.each<readonly [value: Schema.Json, canonical: string]>([
    // The examples of RFC 8785, sections 3.2.2 and 3.2.3.
    [
      JSON.parse(
        String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],` +
          String.raw`"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`
      ) as Schema.Json,
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
    ],
    [
      { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 },
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}'
    ],
    [-0, "0"],
    [1e21, "1e+21"],
    [Number.MIN_VALUE, "5e-324"],
    [[], "[]"],
    [{}, "{}"],
    ["", '""'],
    [JSON.parse('{"__proto__":1,"a":2}') as Schema.Json, '{"__proto__":1,"a":2}']
  ])("of %j", (value, text) => {
    expect(commitmentHash(salt, value)).toBe(sha256(Buffer.from(salt, "hex"), text))
  })

  it.prop(
    "does not depend on the order of keys",
    [jsonArbitrary],
    ([value]) => {
      expect(commitmentHash(salt, turned(value))).toBe(commitmentHash(salt, value))
      expect(commitmentHash(salt, value)).toBe(sha256(Buffer.from(salt, "hex"), canonicalJson(value)))
    },
    manyRuns
  )

  it("depends on the salt and on the value", () => {
    const values = [null, false, 0, "", "0", [], {}, [0], { a: 0 }, { a: null }, "null"]
    const hashes = values.flatMap((value) => [
      commitmentHash(salt, value),
      commitmentHash(salt.replace("0f", "10"), value)
    ])
    expect(new Set(hashes).size).toBe(values.length * 2)
  })
})

describe("createCommitments", () => {
  it("commits to the erasable fields that are not null", () => {
    const made = createCommitments({
      title: "T",
      body: "",
      acceptance: [],
      result: false,
      reason: 0,
      blockedReason: null,
      phase: "P",
      priority: 1,
      owner: "w",
      idempotencyKey: "k",
      dependsOn: ["title"]
    })
    expect(Object.keys(made).sort()).toEqual(["acceptance", "body", "reason", "result", "title"])
    expect(made["title"]?.sha256).toBe(commitmentHash(made["title"]?.salt ?? "", "T"))
    expect(made["body"]?.sha256).toBe(commitmentHash(made["body"]?.salt ?? "", ""))
  })

  it("uses sixteen new random bytes of salt for each field, each time", () => {
    const made = Array.from({ length: 100 }, () => createCommitments({ title: "T", body: "T" }))
    const all = made.flatMap((each) => Object.values(each))
    expect(new Set(all.map((each) => each.salt)).size).toBe(200)
    expect(new Set(all.map((each) => each.sha256)).size).toBe(200)
    for (const each of all) expect(each.salt).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe("a content hash", () => {
  it("is SHA-256 over the canonical JSON, with commitments for erasable fields", () => {
    expect(contentHash(content, commitments)).toBe(knownHash)
    expect(sha256(canonical)).toBe(knownHash)
  })

  it("does not depend on the order of keys", () => {
    expect(contentHash(turned(content as never) as never, commitments)).toBe(knownHash)
  })

  it.prop(
    "of any event is over its RFC 8785 form",
    [eventArbitrary],
    ([event]) => {
      const { data, schemaVersion, type } = encodeEvent(event)
      const made = createCommitments(data)
      const shown = Object.fromEntries(
        Object.entries(data).map(([field, value]) => [field, field in made ? { sha256: made[field]?.sha256 } : value])
      )
      const hashed = { ...content, type, schemaVersion, data }
      expect(contentHash(hashed, made)).toBe(sha256(canonicalJson({ ...hashed, data: shown })))
    },
    manyRuns
  )

  const otherContents: ReadonlyArray<HashedContent> = [
    { ...content, cardId: "b" },
    { ...content, version: 4 },
    { ...content, type: "CardReopened" },
    { ...content, schemaVersion: 2 },
    { ...content, actor: "bob" },
    { ...content, correlationId: "other" },
    { ...content, correlationId: null },
    { ...content, causationId: "other" },
    { ...content, causationId: null },
    { ...content, commandId: "other" },
    { ...content, commandId: null },
    { ...content, occurredAt: "2026-01-05T09:00:00.001Z" },
    { ...content, recordedAt: "2026-01-05T09:00:01.251Z" },
    { ...content, correlationId: content.causationId, causationId: content.correlationId },
    { ...content, data: { ...content.data, overrode: [] } },
    { ...content, data: { ...content.data, overrode: ["b", "c"] } },
    { ...content, data: { ...content.data, forced: true } },
    { ...content, data: { ...content.data, claim: null } },
    { ...content, data: { ...content.data, claim: { owner: "v", token: 2 } } },
    { ...content, data: { ...content.data, claim: { owner: "w", token: 3 } } },
    { ...content, data: { ...content.data, extra: null } },
    { ...content, data: { result: null, overrode: ["b"], forced: false } }
  ]

  it("changes with every field", () => {
    expect(new Set(otherContents.flatMap(Object.keys))).toEqual(new Set(Object.keys(content)))
    const hashes = [content, ...otherContents].map((each) => contentHash(each, commitments))
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  it("changes with a commitment, and when a commitment is added", () => {
    const hashes = [
      commitments,
      {},
      { result: { salt, sha256: sha256("another") } },
      { ...commitments, reason: { salt, sha256: resultHash } }
    ].map((each) => contentHash(content, each))
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  it("remains valid after a field and its salt are erased", () => {
    const { result: _, ...without } = content.data
    for (const data of [{ ...without, result: null }, without]) {
      expect(contentHash({ ...content, data }, { result: { salt: "", sha256: resultHash } })).toBe(knownHash)
    }
  })

  it("does not depend on the salt", () => {
    expect(contentHash(content, { result: { salt: "ff", sha256: resultHash } })).toBe(knownHash)
  })
})

describe("a chain hash", () => {
  const first = new Uint8Array(32).fill(1)
  const second = new Uint8Array(32).fill(2)
  const start = new Uint8Array(32)

  it("is SHA-256 over the previous chain hash and the content hash", () => {
    // printf '\x01%.0s' {1..32} and '\x02%.0s' {1..32}, by `openssl dgst -sha256`.
    expect(hex(chainHash(first, second))).toBe("f818afd37a6dc3bc92fb44731011277006db4efa6e9023cd7468c02335d22a4d")
  })

  it("depends on each event and on their order", () => {
    const chain = (...contents: ReadonlyArray<Uint8Array>) => hex(contents.reduce(chainHash, start))
    const chains = [
      chain(),
      chain(first),
      chain(second),
      chain(first, second),
      chain(second, first),
      chain(first, first)
    ]
    expect(new Set(chains).size).toBe(chains.length)
  })
})
