import { describe, expect, it } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { Generation, Priority, Status, Token, TtlSeconds, Version } from "../../src/domain/Card.ts"
import { CardId } from "../../src/domain/CardId.ts"
import { Command } from "../../src/domain/Command.ts"
import { Body, Name, Reason, Title, storageProblem, utf8Length } from "../../src/domain/Text.ts"

type Value = Schema.ConstraintDecoder<unknown>

/** The reason why a schema refuses a value, or `undefined` when it accepts the value unchanged. */
const refusal = (schema: Value, value: unknown): string | undefined => {
  const decoded = Schema.decodeUnknownResult(schema)(value)
  if (Result.isFailure(decoded)) return decoded.failure.message
  expect(decoded.success).toBe(value)
  return undefined
}

/** A value and its name in test titles. */
type Named = readonly [name: string, value: unknown]

const describeValue = (
  name: string,
  schema: Value,
  {
    accepted,
    refused
  }: { accepted: ReadonlyArray<Named>; refused: ReadonlyArray<readonly [...Named, because: string]> }
) => {
  it.each(accepted)(`${name} can be %s`, (_, value) => {
    expect(refusal(schema, value)).toBeUndefined()
  })
  it.each(refused)(`${name} cannot be %s`, (_, value, because) => {
    expect(refusal(schema, value)).toContain(because)
  })
}

const space = "must not begin or end with white space"
const control = "must not contain control characters"
const lone = "must not contain a lone surrogate"
const nul = "must not contain the NUL character"

const notTexts: ReadonlyArray<readonly [...Named, string]> = [
  ["a number", 1, "Expected string"],
  ["null", null, "Expected string"],
  ["nothing", undefined, "Expected string"],
  ["a list of a text", ["a"], "Expected string"]
]

const loneSurrogates: ReadonlyArray<readonly [...Named, string]> = [
  ["half a character, the first half", "a\ud83d", lone],
  ["half a character, the second half", "\ude00a", lone],
  ["two halves the wrong way round", "\ude00\ud83d", lone]
]

for (const [name, schema] of [
  ["an id", CardId],
  ["a name", Name]
] as const) {
  describeValue(name, schema, {
    accepted: [
      ["1 character", "a"],
      ["200 characters", "a".repeat(200)],
      ["200 characters of two UTF-16 units each", "😀".repeat(200)],
      ["200 characters of three bytes each", "한".repeat(200)],
      ["inner spaces", "a b  c"],
      ["what means something elsewhere", `'"\\{},%_;--/../<b>`],
      ["words that are not values", "null"],
      ["a joined emoji", "👩‍👩‍👧"]
    ],
    refused: [
      ["an empty text", "", "must not be empty"],
      ["201 characters", "a".repeat(201), "must be at most 200 characters, got 201"],
      ["201 characters of two UTF-16 units each", "😀".repeat(201), "must be at most 200 characters, got 201"],
      ["a leading space", " a", space],
      ["a trailing space", "a ", space],
      ["only a space", " ", space],
      ["a no-break space at the end", "a\u00a0", space],
      ["an em space at the beginning", "\u2003a", space],
      ["an ideographic space at the end", "a\u3000", space],
      ["a line separator at the end", "a\u2028", space],
      ["a byte order mark at the beginning", "\ufeffa", space],
      ["a tab", "a\tb", control],
      ["a line feed", "a\nb", control],
      ["a carriage return", "a\rb", control],
      ["an escape", "a\u001b[31mb", control],
      ["a delete", "a\u007fb", control],
      ["a C1 control", "a\u0085b", control],
      ["NUL", "a\u0000b", nul],
      ...loneSurrogates,
      ...notTexts
    ]
  })
}

describeValue("a title", Title, {
  accepted: [
    ["1 character", "a"],
    ["500 characters", "a".repeat(500)],
    ["500 characters of two UTF-16 units each", "😀".repeat(500)],
    ["several lines", "a\nb"]
  ],
  refused: [
    ["an empty text", "", "must not be empty"],
    ["501 characters", "a".repeat(501), "must be at most 500 characters, got 501"],
    ["501 characters of two UTF-16 units each", "😀".repeat(501), "must be at most 500 characters, got 501"],
    ["NUL", "a\u0000", nul],
    ...loneSurrogates,
    ...notTexts
  ]
})

const mebibyte = 1024 * 1024

for (const [name, schema, limit] of [
  ["a body", Body, mebibyte],
  ["a reason", Reason, 16 * 1024]
] as const) {
  const tooLong = `must be at most ${limit} bytes of UTF-8, got ${limit + 1}`
  describeValue(name, schema, {
    accepted: [
      ["an empty text", ""],
      ["lines and spaces", " a\r\n\tb "],
      ["exactly the limit, in letters of one byte", "a".repeat(limit)],
      ["exactly the limit, in letters of two bytes", "é".repeat(limit / 2)],
      ["exactly the limit, in letters of three bytes and one of one", `${"한".repeat((limit - 1) / 3)}a`],
      ["exactly the limit, in characters of four bytes", "😀".repeat(limit / 4)]
    ],
    refused: [
      ["one byte more, in letters of one byte", "a".repeat(limit + 1), tooLong],
      ["one byte more, in letters of two bytes", `${"é".repeat(limit / 2)}a`, tooLong],
      ["one byte more, in letters of three bytes", `${"한".repeat((limit - 1) / 3)}é`, tooLong],
      ["one byte more, in characters of four bytes", `${"😀".repeat(limit / 4)}a`, tooLong],
      ["NUL", "a\u0000", nul],
      ...loneSurrogates,
      ...notTexts
    ]
  })
}

describeValue("a priority", Priority, {
  accepted: [
    ["0", 0],
    ["1", 1],
    ["-1", -1],
    ["the greatest", 2_147_483_647],
    ["the least", -2_147_483_648]
  ],
  refused: [
    ["one above the greatest", 2_147_483_648, "2147483647"],
    ["one below the least", -2_147_483_649, "-2147483648"],
    ["a fraction", 0.5, "integer"],
    ["NaN", Number.NaN, "finite"],
    ["infinity", Number.POSITIVE_INFINITY, "finite"],
    ["minus infinity", Number.NEGATIVE_INFINITY, "finite"],
    ["1e21", 1e21, "integer"],
    ["a text", "1", "Expected number"],
    ["a bigint", 1n, "Expected number"],
    ["null", null, "Expected number"]
  ]
})

describeValue("a ttl", TtlSeconds, {
  accepted: [
    ["1 second", 1],
    ["30 days", 2_592_000]
  ],
  refused: [
    ["0", 0, "between 1 and 2592000"],
    ["-1", -1, "between 1 and 2592000"],
    ["30 days and a second", 2_592_001, "between 1 and 2592000"],
    ["half a second", 0.5, "integer"],
    ["NaN", Number.NaN, "integer"],
    ["infinity", Number.POSITIVE_INFINITY, "integer"],
    ["1e21", 1e21, "integer"],
    ["a text", "60", "Expected number"]
  ]
})

describeValue("a generation", Generation, {
  accepted: [
    ["0", 0],
    ["the greatest", 9_007_197_107_257_344]
  ],
  refused: [
    ["-1", -1, "between 0 and 9007197107257344"],
    ["one above the greatest", 9_007_197_107_257_345, "between 0 and 9007197107257344"],
    ["a fraction", 1.5, "integer"]
  ]
})

describeValue("a token", Token, {
  accepted: [
    ["1", 1],
    ["the greatest", 9_007_199_254_740_991]
  ],
  refused: [
    ["0", 0, "between 1 and 9007199254740991"],
    ["one above the greatest", 2 ** 53, "integer"],
    ["a fraction", 1.5, "integer"]
  ]
})

describeValue("a version", Version, {
  accepted: [
    ["1", 1],
    ["the greatest", 2_147_483_647]
  ],
  refused: [
    ["0", 0, "between 1 and 2147483647"],
    ["one above the greatest", 2_147_483_648, "between 1 and 2147483647"],
    ["a fraction", 1.5, "integer"],
    ["NaN", Number.NaN, "integer"]
  ]
})

describeValue("a status", Status, {
  accepted: ["ready", "claimed", "blocked", "done"].map((status) => [status, status] as const),
  refused: [
    ["in_progress", "in_progress", "Expected"],
    ["Ready", "Ready", "Expected"],
    ["an empty text", "", "Expected"]
  ]
})

describe("a command", () => {
  const decode = (input: unknown): string | undefined => {
    const decoded = Schema.decodeUnknownResult(Command, { onExcessProperty: "error" })(input)
    return Result.isFailure(decoded) ? decoded.failure.message : undefined
  }

  const card = { id: "a", title: "A" }

  it.each([
    { _tag: "Create", ...card, actor: "ann" },
    {
      _tag: "Create",
      ...card,
      body: null,
      phase: null,
      acceptance: null,
      idempotencyKey: null,
      blockedReason: null,
      dependsOn: [],
      occurredAt: DateTime.makeUnsafe(0),
      actor: "ann",
      correlationId: "c",
      causationId: "d",
      commandId: "e"
    },
    { _tag: "Create", ...card, status: "blocked", blockedReason: "legal", actor: "ann" },
    { _tag: "CreateMany", cards: [], actor: "ann" },
    { _tag: "Revise", id: "a", actor: "ann" },
    { _tag: "Release", id: "a", token: 1, retryAfterSeconds: 366 * 24 * 60 * 60, actor: "ann" }
  ])("can be %j", (input) => {
    expect(decode(input)).toBeUndefined()
  })

  it.each([
    [{ _tag: "Create", ...card }, "actor"],
    [{ _tag: "Create", ...card, actor: "" }, "actor"],
    [{ _tag: "Create", ...card, status: "claimed", actor: "ann" }, "status"],
    [{ _tag: "Create", ...card, blockedReason: "legal", actor: "ann" }, "blockedReason"],
    [{ _tag: "Create", ...card, status: "done", blockedReason: "legal", actor: "ann" }, "blockedReason"],
    [{ _tag: "CreateMany", cards: [card, { ...card, blockedReason: "legal" }], actor: "ann" }, "blockedReason"],
    [{ _tag: "CreateMany", cards: [{ id: "a" }], actor: "ann" }, "title"],
    [{ _tag: "Create", ...card, occurredAt: "2026-01-05", actor: "ann" }, "occurredAt"],
    [{ _tag: "Create", ...card, dependsOn: [" b"], actor: "ann" }, "dependsOn"],
    [{ _tag: "Revise", id: "a", title: null, actor: "ann" }, "title"],
    [{ _tag: "Revise", id: "a", status: "done", actor: "ann" }, "status"],
    [{ _tag: "Renew", id: "a", actor: "ann" }, "token"],
    [{ _tag: "Release", id: "a", token: 1, retryAfterSeconds: -1, actor: "ann" }, "retryAfterSeconds"],
    [
      { _tag: "Release", id: "a", token: 1, retryAfterSeconds: 366 * 24 * 60 * 60 + 1, actor: "ann" },
      "retryAfterSeconds"
    ],
    [{ _tag: "Claim", actor: "ann" }, "owner"],
    [{ _tag: "Link", from: "a", actor: "ann" }, "to"],
    [{ _tag: "Delete", id: "a", actor: "ann" }, "Expected"]
  ])("cannot be %j", (input, because) => {
    expect(decode(input)).toContain(because)
  })
})

describe("utf8Length", () => {
  it.prop("is the length of the UTF-8 encoding", [Schema.String], ([text]) => {
    const wellFormed = text.toWellFormed()
    expect(utf8Length(wellFormed)).toBe(Buffer.byteLength(wellFormed))
  })

  it.each(["", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"])(
    "of %j is the length of the UTF-8 encoding",
    (text) => {
      expect(utf8Length(text)).toBe(Buffer.byteLength(text))
    }
  )
})

describe("storageProblem", () => {
  it.prop("accepts a text if and only if UTF-8 can encode it and it has no NUL", [Schema.String], ([text]) => {
    const survives = Buffer.from(text).toString() === text && !text.includes("\u0000")
    expect(storageProblem(text) === undefined).toBe(survives)
  })
})
